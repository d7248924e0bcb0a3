/** The address says what the page shows: ?q=sentence &c=collection &i=image &w=number of a word. */

export function readAddress(search = location.search) {
  const given = new URLSearchParams(search);
  const number = Number.parseInt(given.get("w"), 10);
  return {
    sentence: (given.get("q") ?? "").trim(),
    collection: given.get("c") || "default",
    image: given.get("i") || null,
    word: number >= 1 ? number - 1 : null,
  };
}

export function addressOf({ sentence, collection, image, word }) {
  const told = new URLSearchParams();
  if (sentence) told.set("q", sentence);
  if (collection !== "default") told.set("c", collection);
  if (image) told.set("i", image);
  if (word !== null) told.set("w", word + 1);
  return told.size ? `/?${told}` : "/";
}
