/** One photograph of the grid: the picture with its regions, and below it what its score is made of. */

import { amount, FAINT, matchesOf } from "./answer.js";
import { element } from "./element.js";
import { markOf } from "./marks.js";
import { Overlay } from "./overlay.js";
import { picture } from "./picture.js";

const NARROWEST = 0.5; // width through height of a tile; a picture beyond it is still shown whole, with room around it
const WIDEST = 3.2;

export class Tile {
  constructor(photograph, { onOpen, onRead, onPoint }) {
    const shape = photograph.width / photograph.height;
    this.photograph = photograph;
    this.overlay = new Overlay(photograph, { onPoint });
    this.bar = scoreBar(photograph);
    this.button = element(
      "button",
      { type: "button", class: "open", tabindex: "-1", title: photograph.name, onclick: () => onOpen(photograph) },
      picture(photograph, this.overlay),
    );
    this.item = element("li", { class: "tile" }, this.button);
    this.item.style.setProperty("--ratio", Math.min(WIDEST, Math.max(NARROWEST, shape)).toFixed(4));
    if (photograph.words.length) this.item.append(caption(photograph, this.bar));
    for (const event of ["pointerenter", "focusin"]) this.item.addEventListener(event, () => onRead(photograph));
    for (const event of ["pointerleave", "focusout"]) this.item.addEventListener(event, () => onRead(null));
  }

  /** Light one word: a photograph that hardly answers it steps back. */
  light(word) {
    this.overlay.light(word);
    this.item.classList.toggle("faint", word !== null && this.photograph.words[word]?.share < FAINT);
    Array.from(this.bar.children).forEach((part, index) => part.classList.toggle("lit", index === word));
  }
}

function caption(photograph, bar) {
  return element(
    "span",
    { class: "caption" },
    bar,
    element("span", { class: "matches" }, matchesOf(photograph).join(" · ")),
    element("span", { class: "score" }, amount(photograph.score, 2)),
  );
}

/** As long as the score against the best one, and parted by what each word adds. */
function scoreBar({ bar, words }) {
  const parts = words.map((word, index) => {
    const part = element("span");
    part.style.flexGrow = word.share;
    part.style.setProperty("--colour", markOf(index).colour);
    return part;
  });
  const drawn = element("span", { class: "bar", "aria-hidden": "true" }, ...parts);
  drawn.style.width = `${100 * bar}%`;
  return drawn;
}
