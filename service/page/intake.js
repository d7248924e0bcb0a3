/** The ways in for photographs: dropped anywhere, pasted, or chosen as files or as a folder. */

import { element } from "./element.js";
import { filesOfDrop, filesOfFolder } from "./photographs.js";

/** `curtain` is shown while something is dragged over the page; every place in `choosers` gets two buttons. */
export function takeIn({ curtain, choosers, onFiles }) {
  listenToDrops(curtain, onFiles);
  document.addEventListener("paste", (event) => {
    const files = Array.from(event.clipboardData.files);
    if (files.length) onFiles(files);
  });
  for (const place of choosers) {
    place.replaceChildren(
      chooser("Choose photographs", { multiple: true, accept: "image/*" }, (files) => onFiles(Array.from(files))),
      chooser("Choose a folder", { webkitdirectory: true }, (files) => onFiles(filesOfFolder(files))),
    );
  }
}

function listenToDrops(curtain, onFiles) {
  const bringsFiles = (event) => event.dataTransfer.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault(); // else the browser opens what is dropped
    curtain.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) curtain.hidden = true; // out of the window
  });
  document.addEventListener("drop", async (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    curtain.hidden = true;
    onFiles(await filesOfDrop(event.dataTransfer));
  });
}

function chooser(text, attributes, onChosen) {
  const input = element("input", { type: "file", class: "unseen", ...attributes });
  input.addEventListener("change", () => {
    onChosen(input.files);
    input.value = ""; // so that the same choice counts again
  });
  return element("label", { class: "choose" }, input, text);
}
