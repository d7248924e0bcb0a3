/** Short messages in the corner; some of them offer a button for as long as they are there. */

import { element } from "./element.js";

const SHOWN_FOR_S = 4;

export class Notices {
  constructor(list) {
    this.list = list;
  }

  tell(text) {
    const notice = element("p", { class: "notice" }, text);
    this.list.append(notice);
    setTimeout(() => notice.remove(), SHOWN_FOR_S * 1000);
  }

  /** Offer to take something back for some seconds; true when it was taken back, false when they have passed. */
  offerUndo(text, { seconds }) {
    return new Promise((resolve) => {
      const left = element("span", { "aria-hidden": "true" }, `${seconds} s`);
      const undo = element("button", { type: "button", onclick: () => end(true) }, "Undo");
      const notice = element("p", { class: "notice" }, text, left, undo);
      const ends = Date.now() + seconds * 1000;
      const ticking = setInterval(() => {
        const remaining = Math.ceil((ends - Date.now()) / 1000);
        left.textContent = `${remaining} s`;
        if (remaining <= 0) end(false);
      }, 200);
      const end = (undone) => {
        clearInterval(ticking);
        notice.remove();
        resolve(undone);
      };
      this.list.append(notice);
    });
  }
}
