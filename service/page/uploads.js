/** The uploads in the corner of the page: a card each, with progress, and in the end with what failed and why. */

import { element } from "./element.js";
import { Upload } from "./upload.js";

const LISTED = 200; // failures

export class Uploads {
  #cards = new Map();

  /** `onIndexed` is called when an upload has ended. */
  constructor(list, { onIndexed }) {
    this.list = list;
    this.onIndexed = onIndexed;
    window.addEventListener("beforeunload", (event) => {
      if ([...this.#cards.keys()].some((upload) => upload.sending)) event.preventDefault(); // ask before files are lost
    });
  }

  send(files, collection) {
    const upload = Upload.of(files, { collection, onChange: (one) => this.#cards.get(one).show(one.progress()) });
    this.#run(upload, () => upload.send(files));
  }

  /** Go on following what was sent before the page was loaded anew. */
  resume() {
    for (const upload of Upload.remembered({ onChange: (one) => this.#cards.get(one).show(one.progress()) })) {
      this.#run(upload, () => upload.follow());
    }
  }

  async #run(upload, work) {
    const card = new UploadCard({ onCancel: () => upload.cancel(), onDismiss: () => this.#dismiss(upload) });
    this.#cards.set(upload, card);
    this.list.append(card.element);
    await work();
    if (!upload.progress().failures.length) upload.forget(); // else it is worth to be seen again
    this.onIndexed();
  }

  #dismiss(upload) {
    upload.forget();
    this.#cards.get(upload).element.remove();
    this.#cards.delete(upload);
  }
}

class UploadCard {
  constructor({ onCancel, onDismiss }) {
    this.handlers = { onCancel, onDismiss };
    this.finished = false;
    this.text = element("p", { role: "status" });
    this.end = element("button", { type: "button", onclick: () => this.#end() }, "Cancel");
    this.bar = element("progress", { "aria-label": "Progress of the upload" });
    this.failures = element("details", { hidden: true }, element("summary"), element("ul"));
    const head = element("div", { class: "head" }, this.text, this.end);
    this.element = element("section", { class: "upload", "aria-label": "Upload" }, head, this.bar, this.failures);
  }

  show(progress) {
    const done = progress.indexed + progress.duplicate + progress.failed + progress.cancelled;
    this.finished = progress.finished;
    const text = progress.finished ? endText(progress) : runningText(progress, done);
    if (this.text.textContent !== text) this.text.textContent = text; // a screen reader says it whenever it is set
    this.bar.max = progress.total;
    this.bar.value = done;
    this.bar.hidden = progress.finished;
    this.end.textContent = progress.finished ? "Dismiss" : "Cancel";
    if (progress.failures.length) this.#showFailures(progress.failures);
  }

  #showFailures(failures) {
    const [summary, list] = this.failures.children;
    const items = failures.slice(0, LISTED).map(({ name, detail }) => {
      return element("li", {}, element("b", {}, name), ` ${detail}`);
    });
    if (failures.length > LISTED) items.push(element("li", {}, `and ${failures.length - LISTED} more`));
    summary.textContent = `${failures.length} not indexed: why`;
    list.replaceChildren(...items);
    if (this.failures.hidden) this.failures.open = failures.length <= 3;
    this.failures.hidden = false;
  }

  #end() {
    if (this.finished) this.handlers.onDismiss();
    else this.handlers.onCancel();
  }
}

function runningText({ total, sent, ratePerS }, done) {
  if (sent < total && done === 0) return `Sending ${total === 1 ? "a photograph" : `${total} photographs`}`;
  const rate = ratePerS >= 1 ? `, ${Math.round(ratePerS)} a second` : "";
  return `${done} of ${total} indexed${rate}`;
}

function endText({ total, sent, indexed, duplicate, failed, cancelled, refused }) {
  const counts = {
    "known already": duplicate,
    failed,
    cancelled,
    "not sent": total - sent - refused, // the page was left, or the upload cancelled
  };
  const others = Object.entries(counts).filter(([, count]) => count > 0);
  return [`${indexed} added`, ...others.map(([fate, count]) => `${count} ${fate}`)].join(", ");
}
