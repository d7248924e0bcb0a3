/** The photographs in rows of one height, none of them cropped; the arrow keys move between them. */

import { element } from "./element.js";
import { Tile } from "./tile.js";

export class Grid {
  #tiles = [];
  #current = null; // the one tile that the Tab key reaches

  /** `onRead` gets the photograph that is pointed at or has the focus, or null; `onPoint` the words of a region. */
  constructor(list, { onOpen, onRead, onPoint }) {
    this.list = list;
    this.handlers = { onOpen, onRead, onPoint };
    list.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("focusin", (event) => this.#makeCurrent(this.#tileAt(event.target)));
  }

  show({ photographs, strong }, { hidden }) {
    this.#tiles = photographs.map((photograph) => new Tile(photograph, this.handlers));
    const items = this.#tiles.map((tile) => tile.item);
    if (strong < items.length) items.splice(strong, 0, filler(), divider());
    this.list.replaceChildren(...items, filler());
    for (const tile of this.#tiles) tile.item.hidden = hidden.has(tile.photograph.id);
    this.#makeCurrent(this.#visible()[0] ?? null);
  }

  /** The photographs that can be seen, in their order. */
  photographs() {
    return this.#visible().map((tile) => tile.photograph);
  }

  light(word) {
    for (const tile of this.#tiles) tile.light(word);
  }

  setHidden(id, hidden) {
    const tile = this.#tiles.find((one) => one.photograph.id === id);
    if (!tile) return;
    const next = hidden && tile === this.#current ? neighbour(this.#visible(), tile) : this.#current;
    tile.item.hidden = hidden;
    this.#makeCurrent(next ?? this.#visible()[0] ?? null);
  }

  /** Move the focus to a photograph, or to the one that had it last. */
  focus(id) {
    const tile = this.#visible().find((one) => one.photograph.id === id) ?? this.#current;
    tile?.button.focus();
  }

  #visible() {
    return this.#tiles.filter((tile) => !tile.item.hidden);
  }

  #tileAt(target) {
    return this.#tiles.find((tile) => tile.item.contains(target)) ?? null;
  }

  #makeCurrent(tile) {
    if (this.#current) this.#current.button.tabIndex = -1;
    this.#current = tile;
    if (tile) tile.button.tabIndex = 0;
  }

  #onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const tiles = this.#visible();
    const target = targetOf(event.key, tiles, this.#current);
    if (!target) return;
    event.preventDefault();
    target.button.focus();
  }
}

function targetOf(key, tiles, current) {
  const at = tiles.indexOf(current);
  switch (key) {
    case "ArrowRight":
      return tiles[at + 1];
    case "ArrowLeft":
      return tiles[at - 1];
    case "ArrowDown":
      return nearestInRow(tiles.slice(at + 1), current);
    case "ArrowUp":
      return nearestInRow(tiles.slice(0, at).reverse(), current);
    case "Home":
      return tiles[0];
    case "End":
      return tiles.at(-1);
    default:
      return undefined;
  }
}

/** Of the first row among `tiles` that is not the row of `current`, the tile that lies nearest to it. */
function nearestInRow(tiles, current) {
  const topOf = (tile) => tile.item.offsetTop;
  const middleOf = (tile) => tile.item.offsetLeft + tile.item.offsetWidth / 2;
  const distanceOf = (tile) => Math.abs(middleOf(tile) - middleOf(current));
  const first = tiles.find((tile) => topOf(tile) !== topOf(current));
  const row = tiles.filter((tile) => first && topOf(tile) === topOf(first));
  return row.toSorted((one, other) => distanceOf(one) - distanceOf(other))[0];
}

function neighbour(tiles, tile) {
  const at = tiles.indexOf(tile);
  return tiles[at + 1] ?? tiles[at - 1];
}

/** Takes the room that is left in a row, so that its photographs are not blown up to fill it. */
function filler() {
  return element("li", { class: "filler", "aria-hidden": "true" });
}

function divider() {
  return element("li", { class: "divider" }, element("span", {}, "weaker matches below"));
}
