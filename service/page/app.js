/** The page: the address says what is shown, and whatever one does changes the address first. */

import { addressOf, readAddress } from "./address.js";
import { NOTHING, readImage } from "./answer.js";
import { describeImage } from "./api.js";
import { Deletions } from "./deletion.js";
import { byId } from "./element.js";
import { Grid } from "./grid.js";
import { takeIn } from "./intake.js";
import { listenToKeys } from "./keyboard.js";
import { Lightbox } from "./lightbox.js";
import { Notices } from "./notices.js";
import { Outcome } from "./outcome.js";
import { Search } from "./search.js";
import { Uploads } from "./uploads.js";
import { Words } from "./words.js";

const field = byId("sentence");
const search = new Search();
const outcome = new Outcome({ told: byId("told"), problem: byId("problem"), empty: byId("empty") });
const words = new Words(byId("words"), { onHover: hover, onPress: pin });
const grid = new Grid(byId("results"), {
  onOpen: (photograph) => visit({ image: photograph.id }, { opened: true }),
  onRead: (photograph) => words.read(photograph),
  onPoint: (pointed) => words.glow(pointed),
});
const lightbox = new Lightbox(byId("lightbox"), {
  onClose: leaveImage,
  onStep: step,
  onCopy: copyLink,
  onDelete: remove,
  onHover: hover,
  onPress: pin,
});
const notices = new Notices(byId("notices"));
const deletions = new Deletions(notices, { onHide: hide, onGone: () => search.forget() });
const uploads = new Uploads(byId("uploads"), { onIndexed: lookAgain });

let place = readAddress(); // what the address says
let answer = NOTHING; // what is on the page
let asked = null; // the sentence and collection that it answers, or that were asked for since
let hovered = null; // the word that is pointed at

start();

function start() {
  history.scrollRestoration = "manual"; // the photographs come later than the browser would scroll
  document.addEventListener("scrollend", () => history.replaceState({ ...history.state, scroll: window.scrollY }, ""));
  window.addEventListener("popstate", () => {
    place = readAddress();
    show();
  });
  listenToSearch();
  for (const button of document.querySelectorAll("[data-open]")) {
    button.addEventListener("click", () => byId(button.dataset.open).showModal());
  }
  listenToKeys({
    onSlash: () => {
      field.focus();
      field.select();
    },
    onHelp: () => byId("help").showModal(),
    onDigit: (word) => word < answer.words.length && pin(word),
    onEscape: () => place.word !== null && pin(place.word),
  });
  takeIn({ curtain: byId("dropping"), choosers: document.querySelectorAll("[data-choosers]"), onFiles: send });
  uploads.resume();
  show();
}

function listenToSearch() {
  field.form.addEventListener("submit", (event) => {
    event.preventDefault();
    seek(field.value);
  });
  field.addEventListener("keydown", (event) => event.key === "ArrowDown" && grid.focus());
  for (const example of byId("examples").children) example.addEventListener("click", () => seek(example.textContent));
}

// What one does

function seek(text) {
  const sentence = text.trim();
  visit({ sentence, image: null, word: null }, { replace: sentence === place.sentence, fresh: true });
}

function hover(word) {
  hovered = word;
  light();
}

/** Keep a word lit; the same word again lets it go. */
function pin(word) {
  hovered = null;
  visit({ word: word === place.word ? null : word }, { replace: true });
}

function step(by) {
  const around = grid.photographs();
  const next = around[around.indexOf(lightbox.photograph) + by];
  if (next && around.includes(lightbox.photograph)) visit({ image: next.id }, { replace: true });
}

function leaveImage() {
  if (place.image === null) return; // it was closed because the address said so
  if (history.state?.opened) history.back();
  else visit({ image: null }, { replace: true });
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    notices.tell("The link is copied.");
  } catch {
    notices.tell(location.href); // without TLS there is no clipboard
  }
}

function remove(photograph) {
  deletions.delete(photograph, place.collection);
  leaveImage();
}

function hide(id, hidden) {
  grid.setHidden(id, hidden);
  if (!hidden) grid.focus(id);
}

function send(files) {
  byId("adding").close();
  if (files.length) uploads.send(files, place.collection);
  else notices.tell("There is no photograph among them.");
}

/** Photographs have come in: show them where nothing in particular was asked for. */
function lookAgain() {
  search.forget();
  if (!place.sentence || !answer.photographs.length) show({ fresh: true });
}

// What is shown

/** Change the address, with a new entry of the history unless it is a matter of `replace`, and show what it says. */
function visit(changes, { replace = false, opened = false, fresh = false } = {}) {
  place = { ...place, ...changes };
  if (replace) history.replaceState(history.state, "", addressOf(place));
  else history.pushState({ opened }, "", addressOf(place));
  return show({ fresh });
}

async function show({ fresh = false } = {}) {
  const asking = JSON.stringify([place.collection, place.sentence]);
  if (fresh || asking !== asked) {
    asked = asking;
    if (!(await showAnswer({ fresh }))) return;
  }
  await showImage();
  light();
}

/** False when there is no answer, or a newer sentence has overtaken this one. */
async function showAnswer({ fresh }) {
  announce();
  try {
    put(await search.ask(place, { fresh }));
  } catch (problem) {
    if (problem.name === "AbortError") return false;
    put(NOTHING);
    outcome.tellProblem(problem, () => show({ fresh: true }));
    return false;
  }
  outcome.tellAnswer(answer, { asked: place.sentence !== "" });
  return true;
}

function announce() {
  const { sentence, collection } = place;
  outcome.expectAnswer();
  field.value = sentence;
  document.title = sentence ? `${sentence} – teran` : "teran";
  document.body.dataset.view = sentence ? "results" : "home";
  document.body.setAttribute("aria-busy", "true");
  for (const name of document.querySelectorAll("[data-collection]")) name.textContent = collection;
  byId("home").href = addressOf({ sentence: "", collection, image: null, word: null });
}

function put(found) {
  answer = found;
  hovered = null; // the word that was pointed at is gone
  document.body.setAttribute("aria-busy", "false");
  words.show(answer);
  grid.show(answer, { hidden: deletions.waiting });
  window.scrollTo(0, history.state?.scroll ?? 0);
}

async function showImage() {
  const before = lightbox.photograph;
  if (place.image === (before?.id ?? null)) return;
  if (place.image === null) {
    lightbox.close();
    grid.focus(before.id);
    return;
  }
  const around = grid.photographs();
  const at = around.findIndex((photograph) => photograph.id === place.image);
  const steps = [-1, 1].filter((by) => at >= 0 && around[at + by]);
  try {
    const photograph = around[at] ?? readImage(await describeImage(place.image, place.collection));
    lightbox.show(photograph, { collection: place.collection, steps });
  } catch (problem) {
    notices.tell(problem.message);
    visit({ image: null }, { replace: true });
  }
}

function light() {
  const pinned = place.word < answer.words.length ? place.word : null;
  const word = hovered ?? pinned;
  words.light(word, { pinned });
  grid.light(word);
  lightbox.light(word, { pinned });
}
