/** The words of the sentence as buttons: pointing at one lights its regions, pressing it keeps them lit. */

import { FAINT } from "./answer.js";
import { element } from "./element.js";
import { markOf } from "./marks.js";

export class Words {
  #buttons = [];

  /** `onHover` gets the number of a word, or null when it is left; `onPress` gets the number of a word. */
  constructor(group, { onHover, onPress }) {
    this.group = group;
    this.handlers = { onHover, onPress };
  }

  show({ words }) {
    this.#buttons = words.map((text, word) => this.#button(text, word));
    this.group.replaceChildren(...this.#buttons);
    this.group.hidden = words.length === 0;
  }

  /** Show what each word adds to the score of one photograph; with null, of none. */
  read(photograph) {
    this.#buttons.forEach((button, word) => {
      const share = photograph?.words[word]?.share ?? null;
      button.classList.toggle("faint", share !== null && share < FAINT);
      button.style.setProperty("--share", share ?? 0);
    });
  }

  /** Let the words of a region glow. */
  glow(words) {
    this.#buttons.forEach((button, word) => button.classList.toggle("glowing", words.includes(word)));
  }

  light(word, { pinned }) {
    this.#buttons.forEach((button, index) => {
      button.classList.toggle("lit", index === word);
      button.setAttribute("aria-pressed", index === pinned);
    });
  }

  #button(text, word) {
    const mark = markOf(word);
    const number = element("span", { class: "number", "aria-hidden": "true" }, mark.number);
    const button = element("button", { type: "button", class: "word", "aria-pressed": "false" }, number, text);
    button.style.setProperty("--colour", mark.colour);
    return standFor(button, word, this.handlers);
  }
}

/** Let a button stand for a word: a pointer on it or the focus of the keyboard hovers, a tap or Enter presses. */
export function standFor(button, word, { onHover, onPress }) {
  button.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && onHover(word));
  button.addEventListener("pointerleave", () => onHover(null));
  button.addEventListener("focus", () => button.matches(":focus-visible") && onHover(word));
  button.addEventListener("blur", () => onHover(null));
  button.addEventListener("click", () => onPress(word));
  return button;
}
