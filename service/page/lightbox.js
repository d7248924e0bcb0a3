/** One photograph, large: every word with what it adds to the score, and what is known of the file. */

import { amount, FAINT } from "./answer.js";
import { describeImage } from "./api.js";
import { element } from "./element.js";
import { markOf } from "./marks.js";
import { Overlay } from "./overlay.js";
import { picture } from "./picture.js";
import { standFor } from "./words.js";

export class Lightbox {
  #overlay = null;
  #rows = [];

  /** `onStep` gets 1 or -1; `onCopy` and `onDelete` get the photograph; the others are those of Words. */
  constructor(dialog, { onClose, onStep, onCopy, onDelete, onHover, onPress }) {
    this.dialog = dialog;
    this.photograph = null;
    this.handlers = { onHover, onPress };
    dialog.addEventListener("close", () => onClose());
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") onStep(-1);
      if (event.key === "ArrowRight") onStep(1);
    });
    this.#find(".stage").addEventListener("click", (event) => event.target === event.currentTarget && dialog.close());
    this.#find("[data-close]").addEventListener("click", () => dialog.close());
    this.#find("[data-copy]").addEventListener("click", () => onCopy(this.photograph));
    this.#find("[data-delete]").addEventListener("click", () => onDelete(this.photograph));
    for (const step of [-1, 1]) this.#find(`[data-step="${step}"]`).addEventListener("click", () => onStep(step));
  }

  show(photograph, { collection, steps }) {
    this.photograph = photograph;
    this.#overlay = new Overlay(photograph, { onPoint: (words) => this.#glow(words) });
    this.#rows = photograph.words.map((word, index) => wordRow(word, index, this.handlers));
    this.#find(".stage").replaceChildren(picture(photograph, this.#overlay));
    this.#find("h2").textContent = photograph.name;
    for (const step of [-1, 1]) this.#find(`[data-step="${step}"]`).disabled = !steps.includes(step);
    this.#showReading(photograph);
    this.#showDetails(photograph, collection);
    if (!this.dialog.open) this.dialog.showModal();
  }

  close() {
    this.photograph = null;
    if (this.dialog.open) this.dialog.close();
  }

  light(word, { pinned }) {
    this.#overlay?.light(word);
    this.#rows.forEach((row, index) => {
      row.classList.toggle("lit", index === word);
      row.setAttribute("aria-pressed", index === pinned);
    });
  }

  #find(selector) {
    return this.dialog.querySelector(selector);
  }

  #glow(words) {
    this.#rows.forEach((row, index) => row.classList.toggle("glowing", words.includes(index)));
  }

  #showReading({ words, score, rank }) {
    this.#find(".reading").replaceChildren(...this.#rows.map((row) => element("li", {}, row)));
    this.#find(".sum").hidden = words.length === 0;
    this.#find(".sum span").textContent = `score, rank ${rank}`;
    this.#find(".sum b").textContent = score === null ? "" : amount(score, 3);
  }

  async #showDetails({ id }, collection) {
    const list = this.#find(".details");
    list.replaceChildren();
    const told = await describeImage(id, collection).then(detailsOf, (problem) => [["File", problem.message]]);
    if (this.photograph?.id !== id) return; // another one is shown by now
    list.replaceChildren(...told.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  }
}

function wordRow({ text, share, contribution }, word, handlers) {
  const mark = markOf(word);
  const bar = element("span", { class: "share", "aria-hidden": "true" });
  const row = element(
    "button",
    { type: "button", class: share < FAINT ? "faint" : "" },
    element("span", { class: "number", "aria-hidden": "true" }, mark.number),
    element("span", { class: "text" }, text),
    bar,
    element("span", { class: "amount" }, amount(contribution, 3)),
  );
  row.style.setProperty("--colour", mark.colour);
  bar.style.setProperty("--share", share);
  return standFor(row, word, handlers);
}

/** Names and values, for people. */
function detailsOf(image) {
  return [
    ["Picture", `${image.width} × ${image.height} pixels, ${bytes(image.size)}`],
    ["Indexed", new Date(image.indexed_at).toLocaleString()],
    ["Collection", image.collection],
    ["Identifier", image.id],
    ...Object.entries(image.metadata).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  ];
}

function bytes(count) {
  return count < 1e6 ? `${Math.max(1, Math.round(count / 1e3))} kB` : `${(count / 1e6).toFixed(1)} MB`;
}
