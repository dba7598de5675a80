// The keyboard: one key for each thing that is done often. Keys do nothing while the user types.

import { isAsking } from "/app/dialog.js";
import { pages } from "/app/pages.js";
import { isPaletteOpen, openPalette } from "/app/palette.js";
import { goTo, route } from "/app/store.js";
import { html, signal, useLayoutEffect, useRef } from "/app/vendor/ui.js";

const KEYS = [
  ["j, k", "next, previous request or session"],
  ["Enter", "open the session"],
  ["a", "allow once"],
  ["A", "allow always: shows the patterns, then Enter confirms"],
  ["r", "reject"],
  ["m", "reject with a message"],
  ["1 … 9", "choose an option of a question, then Enter sends"],
  ["/", "filter or search the sessions"],
  ["Ctrl K", "search sessions and commands"],
  ["g l, g h, g u, g a, g d", "live, history, usage, answers, devices"],
  ["Esc", "back to the list"],
  ["?", "this help"],
];

const isHelpShown = signal(false);
export const showHelp = () => (isHelpShown.value = true);

let isGoing = false; // "g" was pressed

const items = () => [...document.querySelectorAll("[data-item]")].filter((item) => item.offsetParent);
const current = () => document.activeElement?.closest("[data-item]");

function move(step) {
  const all = items();
  const at = all.indexOf(current());
  const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

/** Press the button or choose the option that has this key in the focused card. Without a focused card, focus the first. */
function press(key) {
  const card = current()?.closest("[data-request]");
  if (!card) {
    const first = document.querySelector("[data-request]");
    first?.focus();
    return Boolean(first);
  }
  const target = [...card.querySelectorAll("[data-key]")].find((element) => element.dataset.key === key);
  if (!target || target.disabled) return false;
  target.click();
  if (target.matches("input")) target.focus();
  requestAnimationFrame(() => card.querySelector("[data-focus]")?.focus());
  return true;
}

function onKey(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  const isTyping = event.target.closest?.("textarea, select, input:not([type=radio]):not([type=checkbox])");
  if (event.ctrlKey || event.metaKey || event.altKey || isAsking() || isPaletteOpen() || isHelpShown.value) return;
  if (event.key === "Escape") {
    if (isTyping) event.target.blur();
    else if (route.value.name) goTo("#/");
    return;
  }
  if (isTyping) return;
  if (isGoing) {
    isGoing = false;
    const page = pages.value.find(({ key }) => key === event.key);
    if (page) goTo(page.hash);
    return;
  }
  const isDone =
    {
      j: () => (move(1), true),
      k: () => (move(-1), true),
      g: () => (isGoing = true),
      "?": () => (showHelp(), true),
      "/": () => (document.querySelector("#filter")?.focus(), true),
    }[event.key]?.() ??
    (/^[aArm1-9]$/.test(event.key) && !event.repeat && press(event.key));
  if (isDone) event.preventDefault();
}

export const listenToKeys = () => addEventListener("keydown", onKey);

export function Help() {
  const dialog = useRef(null);
  useLayoutEffect(() => {
    if (isHelpShown.value) dialog.current.showModal();
    else dialog.current.close();
  }, [isHelpShown.value]);
  const close = () => (isHelpShown.value = false);
  return html`<dialog ref=${dialog} class="help" aria-labelledby="help-title"
    onCancel=${close} onClose=${close}>
    <h2 id="help-title">Keys</h2>
    <dl>${KEYS.map(([keys, text]) => html`<div><dt>
      ${keys.split(" ").map((key) => (/[,…]$/.test(key) && key.length > 1 ? html`<kbd>
      ${key.slice(0, -1)}</kbd>, ` : key === "…" ? " … " : html`<kbd>${key}</kbd> `))}</dt><dd>${text}</dd>
      </div>`)}</dl>
    <div class="buttons"><button onClick=${close}>Close</button></div>
  </dialog>`;
}
