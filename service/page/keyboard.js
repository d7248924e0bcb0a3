/** The keys that count anywhere on the page but in a field. */

/** `onDigit` gets the number of a word; `onEscape` is not called for a dialog, which closes by itself. */
export function listenToKeys({ onSlash, onHelp, onDigit, onEscape }) {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
    if (event.target.matches("input, textarea")) return;
    const inDialog = event.target.closest("dialog") !== null;
    if (/^[1-9]$/.test(event.key)) onDigit(Number(event.key) - 1);
    else if (inDialog) return;
    else if (event.key === "Escape") onEscape();
    else if (event.key === "/") take(event, onSlash);
    else if (event.key === "?") take(event, onHelp);
  });
}

function take(event, act) {
  event.preventDefault(); // the key is not to be typed where the focus goes
  act();
}
