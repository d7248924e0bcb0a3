/** What the page asks of the service; every refusal is a Problem. */

const UNREACHABLE = "The service cannot be reached.";

export class Problem extends Error {
  constructor({ status, code, detail, retryAfter = null }) {
    super(detail);
    this.status = status; // 0 where there was no answer at all
    this.code = code;
    this.retryAfter = retryAfter; // seconds, where asking again may help
  }
}

export function search({ sentence, collection, limit, explain }, signal) {
  const body = JSON.stringify({ text: sentence, collection, limit, explain });
  return ask("/v1/search", { method: "POST", headers: { "Content-Type": "application/json" }, body, signal });
}

export function describeImage(id, collection) {
  return ask(imageUrl(id, collection));
}

/** Goes through even when the page is being left. */
export function deleteImage(id, collection) {
  return ask(imageUrl(id, collection), { method: "DELETE", keepalive: true });
}

/** The same key with the same files makes one job, however often it is sent. */
export function submitFiles(files, { collection, key, signal }) {
  const body = new FormData();
  body.append("collection", collection);
  for (const file of files) body.append("files", file, file.name);
  return ask("/v1/index", { method: "POST", headers: { "Idempotency-Key": key }, body, signal });
}

export function describeJob(id) {
  return ask(`/v1/jobs/${encodeURIComponent(id)}`);
}

export function cancelJob(id) {
  return ask(`/v1/jobs/${encodeURIComponent(id)}:cancel`, { method: "POST" });
}

export async function failedItems(id) {
  const found = await ask(`/v1/jobs/${encodeURIComponent(id)}/items?state=failed&limit=1000`);
  return found.items;
}

/** What keeps the service from answering, or a collection from being searched. */
export async function failingChecks() {
  const response = await reached("/readyz");
  const { checks } = await response.json();
  return checks.filter(({ name, state }) => state === "fail" || (name === "index" && state === "warn"));
}

async function ask(path, options) {
  const response = await reached(path, options);
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ status: 0, code: "unreachable", detail: UNREACHABLE, retryAfter: 2 });
  }
}

async function problemOf(response) {
  const { code, detail } = await response.json().catch(() => ({})); // a proxy answers in its own words
  const seconds = Number.parseInt(response.headers.get("Retry-After"), 10);
  const mayHelp = response.status === 503 || response.status === 429;
  return new Problem({
    status: response.status,
    code: code ?? "unknown",
    detail: detail ?? `The service answered ${response.status} ${response.statusText}`.trim(),
    retryAfter: mayHelp ? seconds || 1 : null,
  });
}

function imageUrl(id, collection) {
  const url = `/v1/images/${encodeURIComponent(id)}`;
  return collection === "default" ? url : `${url}?collection=${encodeURIComponent(collection)}`;
}
