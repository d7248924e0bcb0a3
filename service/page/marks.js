/** How the n-th word of a sentence is told from the others: by number, by dashes and by colour. */

const COLOURS = ["#5bb8f0", "#f2a33a", "#46cfa0", "#f593c5", "#f0e04a", "#b7a0ff", "#ff8b66"];
const DASHES = ["none", "11 5", "3 4", "16 4 3 4", "6 3"];

export function markOf(word) {
  return { number: String(word + 1), colour: COLOURS[word % COLOURS.length], dashes: DASHES[word % DASHES.length] };
}
