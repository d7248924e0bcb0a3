/** What came of a search, in words: how much was found, that there is nothing yet, or what went wrong. */

import { element } from "./element.js";

const LONGEST_WAIT_S = 30;

export class Outcome {
  #ticking = null;
  #failures = 0; // one after the other

  constructor({ told, problem, empty }) {
    this.told = told;
    this.problem = problem;
    this.empty = empty;
  }

  /** A sentence is on its way: no need to ask again for the one before it. */
  expectAnswer() {
    clearInterval(this.#ticking);
  }

  tellAnswer(answer, { asked }) {
    this.#clear();
    this.#failures = 0;
    if (answer.photographs.length) this.told.textContent = asked ? foundText(answer) : "Some of the photographs here";
    else this.#tellEmpty(answer.reason);
  }

  /** Say what went wrong; where asking again may help, do so after a while, and later each time. */
  tellProblem(problem, retry) {
    this.#clear();
    this.#failures += 1;
    const waiting = element("span", { class: "waiting", "aria-live": "off" });
    const again = element("button", { type: "button", onclick: retry }, "Try again");
    this.problem.replaceChildren(element("p", {}, sentence(problem.message)), waiting, again);
    this.problem.hidden = false;
    if (problem.retryAfter !== null) this.#countDown(problem.retryAfter, waiting, retry);
  }

  #tellEmpty(reason) {
    this.empty.querySelector(".reason").textContent = reason === null ? "" : sentence(reason);
    this.empty.hidden = false;
  }

  #countDown(seconds, waiting, retry) {
    const wait = Math.min(LONGEST_WAIT_S, Math.max(seconds, 2 ** this.#failures));
    const ends = Date.now() + wait * 1000;
    const tick = () => {
      const remaining = Math.ceil((ends - Date.now()) / 1000);
      waiting.textContent = `Trying again in ${Math.max(0, remaining)} s.`;
      if (remaining <= 0) retry();
    };
    tick();
    this.#ticking = setInterval(tick, 200);
  }

  #clear() {
    clearInterval(this.#ticking);
    this.told.textContent = "";
    this.problem.hidden = true;
    this.empty.hidden = true;
  }
}

function foundText({ photographs, shortlisted, milliseconds, version, degraded }) {
  const found = photographs.length === 1 ? "1 photograph" : `${photographs.length} photographs`;
  const parts = [
    `${found} of ${shortlisted} shortlisted, in ${Math.max(1, Math.round(milliseconds))} ms`,
    version,
    ...degraded,
  ];
  return parts.join(" · ");
}

/** The service begins its details with a small letter and ends them without a stop. */
function sentence(detail) {
  const text = detail.charAt(0).toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
