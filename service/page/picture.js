/** A photograph, whole, with its regions exactly over it. */

import { matchesOf } from "./answer.js";
import { element } from "./element.js";

export function picture(photograph, overlay) {
  const { thumbnail, width, height } = photograph;
  const image = element("img", { src: thumbnail, alt: altOf(photograph), width, height, draggable: "false" });
  const frame = element("span", { class: "picture" }, image, overlay.element);
  image.addEventListener("error", () => frame.classList.add("broken"));
  frame.style.setProperty("--width", width);
  frame.style.setProperty("--height", height);
  return frame;
}

function altOf(photograph) {
  const matches = matchesOf(photograph);
  return `image ${photograph.name}` + (matches.length ? `, matches: ${matches.join(", ")}` : "");
}
