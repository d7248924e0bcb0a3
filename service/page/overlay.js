/** The regions of a photograph, drawn over it: positions are shares of the picture, so they fit it at any size. */

import { FAINT } from "./answer.js";
import { svgElement } from "./element.js";
import { markOf } from "./marks.js";

const BADGE = { height: 18, gap: 5, padding: 11, digit: 6.5 }; // pixels

export class Overlay {
  /** `onPoint` gets the words of the region that is pointed at, and none when it is left. */
  constructor(photograph, { onPoint }) {
    this.photograph = photograph;
    const taken = new Set();
    this.drawings = photograph.regions.map((region) => new RegionDrawing(region, freeCorner(region.box, taken)));
    this.element = svgElement("svg", { class: "overlay", "aria-hidden": "true" });
    for (const { group, region } of this.drawings) {
      group.addEventListener("pointerenter", () => onPoint(region.words));
      group.addEventListener("pointerleave", () => onPoint([]));
      this.element.append(group);
    }
    this.light(null);
  }

  /** Light the region of one word, as strongly as the word counts; with null, none more than the others. */
  light(word) {
    this.element.classList.toggle("one-lit", word !== null);
    for (const drawing of this.drawings) {
      const lit = word !== null && drawing.region.words.includes(word);
      const shown = lit ? [word] : drawing.region.words; // of several, the first counts most
      drawing.group.classList.toggle("lit", lit);
      drawing.paint(shown, this.photograph.words[shown[0]].share);
    }
  }
}

class RegionDrawing {
  constructor(region, corner) {
    const [x0, y0, x1, y1] = region.box;
    const place = { x: percent(x0), y: percent(y0), width: percent(x1 - x0), height: percent(y1 - y0) };
    this.region = region;
    this.corner = corner;
    this.line = svgElement("rect", { ...place, class: "line" });
    this.pill = svgElement("rect", { height: BADGE.height, rx: BADGE.height / 2 });
    this.number = svgElement("text");
    const badge = svgElement(
      "svg",
      { x: percent(corner.x), y: percent(corner.y), class: "badge" },
      this.pill,
      this.number,
    );
    this.group = svgElement(
      "g",
      { class: "region" },
      svgElement("rect", { ...place, class: "casing" }),
      this.line,
      badge,
    );
  }

  paint(words, share) {
    const mark = markOf(words[0]);
    this.group.classList.toggle("faint", share < FAINT);
    this.group.style.setProperty("--colour", mark.colour);
    this.group.style.setProperty("--strength", (0.25 + 0.75 * share).toFixed(3));
    this.line.style.strokeDasharray = mark.dashes;
    this.number.textContent = words.map((word) => markOf(word).number).join(" ");
    this.#fitBadge();
  }

  #fitBadge() {
    const width = Math.max(BADGE.height, BADGE.padding + BADGE.digit * this.number.textContent.length);
    const left = this.corner.right ? -width - BADGE.gap : BADGE.gap;
    const top = this.corner.bottom ? -BADGE.height - BADGE.gap : BADGE.gap;
    for (const [name, value] of Object.entries({ x: left, y: top, width })) this.pill.setAttribute(name, value);
    this.number.setAttribute("x", left + width / 2);
    this.number.setAttribute("y", top + BADGE.height / 2);
  }
}

/** A corner of the box that holds no other number yet; the first one where all do. */
function freeCorner([x0, y0, x1, y1], taken) {
  const corners = [
    { x: x0, y: y0, right: false, bottom: false },
    { x: x1, y: y0, right: true, bottom: false },
    { x: x0, y: y1, right: false, bottom: true },
    { x: x1, y: y1, right: true, bottom: true },
  ];
  const nameOf = ({ x, y, right, bottom }) => [x.toFixed(2), y.toFixed(2), right, bottom].join();
  const corner = corners.find((one) => !taken.has(nameOf(one))) ?? corners[0];
  taken.add(nameOf(corner));
  return corner;
}

function percent(share) {
  return `${100 * share}%`;
}
