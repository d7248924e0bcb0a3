/** Deleting: a photograph goes from sight at once, and from the service when the time to undo it has passed. */

import { deleteImage } from "./api.js";

const UNDO_S = 5;

export class Deletions {
  /** `onHide` gets an identifier and whether it is to be out of sight; `onGone` tells that the index has changed. */
  constructor(notices, { onHide, onGone }) {
    this.notices = notices;
    this.handlers = { onHide, onGone };
    this.waiting = new Map(); // identifier -> collection
    window.addEventListener("pagehide", () => this.#finishNow());
  }

  async delete({ id, name }, collection) {
    this.waiting.set(id, collection);
    this.handlers.onHide(id, true);
    const undone = await this.notices.offerUndo(`${name} is deleted.`, { seconds: UNDO_S });
    const failure = undone ? null : await failureOf(deleteImage(id, collection));
    this.waiting.delete(id);
    if (undone || failure) this.handlers.onHide(id, false);
    else this.handlers.onGone();
    if (failure) this.notices.tell(`${name} was not deleted. ${failure.message}`);
  }

  #finishNow() {
    for (const [id, collection] of this.waiting) failureOf(deleteImage(id, collection)); // nobody is left to tell
  }
}

/** What went wrong, or null; an image that somebody else deleted is as gone as it should be. */
function failureOf(deleting) {
  return deleting.then(
    () => null,
    (problem) => (problem.status === 404 ? null : problem),
  );
}
