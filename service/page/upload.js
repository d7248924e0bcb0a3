/** Photographs on their way into the index: sent in chunks, each of which becomes a job, and followed to the end. */

import { cancelJob, describeJob, failedItems, submitFiles } from "./api.js";

const CHUNK = 32; // files
const ATTEMPTS = 6;
const FOLLOWED = 4; // jobs asked for at a time: the oldest, for they are worked on first
const POLL_MS = 700;
const PREFIX = "teran.upload.1."; // the number is that of the form of a record

export class Upload {
  #stopping = new AbortController();

  /** `record` is all that outlives the page; `onChange` is called whenever there is something new to tell. */
  constructor(record, { onChange }) {
    this.record = record;
    this.onChange = onChange;
    this.sending = false;
  }

  static of(files, { collection, onChange }) {
    const key = PREFIX + randomKey();
    return new Upload({ key, collection, total: files.length, sent: 0, jobs: [], refused: [] }, { onChange });
  }

  /** Those that were on their way when the page was left. */
  static remembered({ onChange }) {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    return keys.map((key) => new Upload(JSON.parse(localStorage.getItem(key)), { onChange }));
  }

  async send(files) {
    this.sending = true;
    const followed = this.follow();
    for (let start = 0; start < files.length && !this.#stopping.signal.aborted; start += CHUNK) {
      await this.#sendChunk(files.slice(start, start + CHUNK));
    }
    this.sending = false;
    await followed;
  }

  async follow() {
    for (;;) {
      await Promise.all(this.#unfinished().slice(0, FOLLOWED).map(refresh));
      this.#changed();
      if (!this.sending && !this.#unfinished().length) return;
      await pause(POLL_MS);
    }
  }

  /** Send no more, and let go of what has not begun. */
  async cancel() {
    this.#stopping.abort();
    await Promise.allSettled(this.#unfinished().map((job) => cancelJob(job.id)));
  }

  forget() {
    localStorage.removeItem(this.record.key);
  }

  progress() {
    const { total, sent, jobs, refused } = this.record;
    const sum = (name) => jobs.reduce((count, job) => count + (job.counts?.[name] ?? 0), 0);
    return {
      total,
      sent,
      refused: refused.length,
      indexed: sum("indexed"),
      duplicate: sum("duplicate"),
      cancelled: sum("cancelled"),
      failed: refused.length + sum("failed"),
      failures: [...refused, ...jobs.flatMap((job) => job.failures)],
      finished: !this.sending && !this.#unfinished().length,
      ratePerS: Math.max(0, ...this.#unfinished().map((job) => job.ratePerS)),
    };
  }

  async #sendChunk(files) {
    try {
      const job = await this.#submit(files);
      this.record.jobs.push({ id: job.id, counts: job.counts, ratePerS: 0, finished: false, failures: [] });
      this.record.sent += files.length;
    } catch (problem) {
      if (problem.name === "AbortError") return;
      this.record.refused.push(...files.map((file) => ({ name: file.name, detail: problem.message })));
    }
    this.#changed();
  }

  /** Sent again with the same key where the service is busy or out of reach: it stays one job. */
  async #submit(files) {
    const [key, signal] = [randomKey(), this.#stopping.signal];
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await submitFiles(files, { collection: this.record.collection, key, signal });
      } catch (problem) {
        if (!problem.retryAfter || attempt === ATTEMPTS) throw problem;
        await pause(1000 * Math.max(problem.retryAfter, 2 ** attempt));
      }
    }
  }

  #unfinished() {
    return this.record.jobs.filter((job) => !job.finished);
  }

  #changed() {
    try {
      localStorage.setItem(this.record.key, JSON.stringify(this.record));
    } catch {
      // where nothing can be kept, the upload goes on, but does not outlive the page
    }
    this.onChange(this);
  }
}

async function refresh(job) {
  try {
    const { counts, rate_per_s: ratePerS, finished_at: finishedAt } = await describeJob(job.id);
    const failed = finishedAt && counts.failed ? await failedItems(job.id) : [];
    const failures = failed.map(({ name, detail }) => ({ name, detail }));
    Object.assign(job, { counts, ratePerS, failures, finished: finishedAt !== null });
  } catch (problem) {
    if (problem.status === 404) job.finished = true; // the service no longer knows it; else it is asked again
  }
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // unlike randomUUID(), it works without TLS
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
