/** A search response as the page shows it: words with their shares, regions with the words that they answered. */

export const FAINT = 0.12; // a word with a smaller share says next to nothing about a picture
const SHARP = 0.4; // a drop of so much of the whole range of scores parts the strong results from the weak
const LITTLE_WORDS = new Set("a an and are at by for from in is its of on the their to up with".split(" "));

export function readAnswer(response) {
  const hits = response.results;
  const most = Math.max(0, ...hits.flatMap((hit) => wordsOf(hit).map((word) => word.contribution)));
  return {
    words: hits.length ? wordsOf(hits[0]).map((word) => word.text) : [],
    photographs: hits.map((hit) => readHit(hit, { most, best: hits[0].score })),
    strong: countBeforeDrop(hits.map((hit) => hit.score)),
    shortlisted: response.total_shortlisted,
    version: response.index_version,
    milliseconds: response.took_ms.total,
    degraded: response.degraded.map((what) => what.replaceAll("_", " ")),
    reason: null,
  };
}

/** What is on the page before anything was found; `reason` says why an index has nothing to find, where it has one. */
export const NOTHING = { words: [], photographs: [], strong: 0, reason: null };

/** The photograph of an address, which no search has found. */
export function readImage(image) {
  return { ...image, score: null, bar: 0, words: [], regions: [] };
}

/** A score or a share of it, for people. */
export function amount(number, digits) {
  const text = Math.abs(number).toFixed(digits);
  return number < 0 && Number(text) > 0 ? `\u2212${text}` : text;
}

/** The words that a photograph answers best, for people: little words only where there are no others. */
export function matchesOf(photograph) {
  const clear = photograph.words.filter((word) => word.share >= FAINT);
  const telling = clear.filter((word) => !LITTLE_WORDS.has(word.text.toLowerCase()));
  const best = (telling.length ? telling : clear).toSorted((one, other) => other.share - one.share);
  return [...new Set(best.map((word) => word.text))].slice(0, 3);
}

/** How many results come before their score drops sharply: all of them where it never does. */
export function countBeforeDrop(scores) {
  const drops = scores.slice(1).map((score, rank) => scores[rank] - score);
  const largest = Math.max(...drops);
  const range = scores[0] - scores.at(-1);
  return drops.length > 2 && largest > SHARP * range ? drops.indexOf(largest) + 1 : scores.length;
}

function wordsOf(hit) {
  return hit.explanation?.words ?? [];
}

function readHit(hit, { most, best }) {
  const words = wordsOf(hit).map(({ text, region, contribution }) => {
    return { text, region: String(region), contribution, share: most > 0 ? Math.max(0, contribution / most) : 0 };
  });
  return { ...hit, bar: best > 0 ? Math.max(0, hit.score / best) : 0, words, regions: regionsOf(hit, words) };
}

/** Large regions first, so that small ones come to lie above them. */
function regionsOf(hit, words) {
  const regions = Object.entries(hit.explanation?.regions ?? {}).map(([number, { box }]) => {
    const answered = words.flatMap((word, index) => (word.region === number ? [index] : []));
    return { box, words: answered.sort((one, other) => words[other].share - words[one].share) };
  });
  return regions.sort((one, other) => areaOf(other.box) - areaOf(one.box));
}

function areaOf([x0, y0, x1, y1]) {
  return (x1 - x0) * (y1 - y0);
}
