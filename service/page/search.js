/** Sentences to the service, one at a time: a newer one ends the one before it. */

import { NOTHING, readAnswer } from "./answer.js";
import { failingChecks, Problem, search } from "./api.js";

const LIMIT = 60;
const SAMPLE = { sentence: "a photograph", limit: 30, explain: false }; // what is shown where nothing was asked
const REMEMBERED = 20;

export class Search {
  #running = new AbortController();
  #answers = new Map(); // so that Back is at once, and as it was

  /** Throws Problem, or AbortError when a newer sentence came. */
  async ask({ sentence, collection }, { fresh }) {
    this.#running.abort();
    this.#running = new AbortController();
    const { signal } = this.#running;
    const key = JSON.stringify([collection, sentence]);
    if (fresh || !this.#answers.has(key)) {
      const asked = sentence ? { sentence, limit: LIMIT, explain: true } : SAMPLE;
      const found = await explained({ ...asked, collection }, signal).then(readAnswer, nothingFrom);
      signal.throwIfAborted();
      this.#remember(key, found);
    }
    return this.#answers.get(key);
  }

  /** The index has changed: what was remembered is no longer as it was. */
  forget() {
    this.#answers.clear();
  }

  #remember(key, answer) {
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    if (this.#answers.size > REMEMBERED) this.#answers.delete(this.#answers.keys().next().value);
  }
}

/** Not every model can say which region answered a word; its images are shown as they are. */
async function explained(asked, signal) {
  try {
    return await search(asked, signal);
  } catch (problem) {
    if (problem.code !== "no_explanation") throw problem;
    return search({ ...asked, explain: false }, signal);
  }
}

/** An index that holds nothing yet is no problem. */
async function nothingFrom(problem) {
  if (problem.code === "not_found") return { ...NOTHING, reason: problem.message };
  if (problem.code !== "index_not_ready") throw problem;
  const failing = await failingChecks();
  if (!failing.length) return NOTHING;
  const { status, code, retryAfter } = problem;
  throw new Problem({ status, code, retryAfter, detail: `The service is not ready: ${failing[0].detail}` });
}
