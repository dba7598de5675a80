// The palette: every session and every command by a few letters of its name.

import { html, signal, useLayoutEffect, useRef, useState } from "/app/vendor/ui.js";
import { addressOf, pages } from "/app/pages.js";
import { commands, opened, run } from "/app/session.js";
import { hasSounds, isSpoken, toggle } from "/app/sounds.js";
import { goTo, route, sessions } from "/app/store.js";

const SHOWN = 12;
const THEMES = [
  ["", "Colours of the system"],
  ["light", "Light colours"],
  ["dark", "Dark colours"],
];

const isShown = signal(false);
export const openPalette = () => (isShown.value = true);
export const isPaletteOpen = () => isShown.value;

export function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

function entriesOf() {
  const found = route.value.name === "s" ? opened.value : null;
  const own = found
    ? commands(found).map((command) => ({
        name: command.label,
        about: found.session.title,
        act: () => run(found.session, command),
      }))
    : [];
  return [
    ...own,
    ...sessions.value.map((row) => ({
      name: row.title,
      about: `${row.project} · ${row.status_name}`,
      act: () => goTo(addressOf(row.id)),
    })),
    ...pages.value.map(({ label, hash }) => ({ name: label, about: "page", act: () => goTo(hash) })),
    ...[
      ["sounds", "sounds", hasSounds],
      ["speech", "spoken summaries", isSpoken],
    ].map(([name, label, chosen]) => ({
      name: `Turn ${chosen.value ? "off" : "on"} ${label}`,
      about: "sound",
      act: () => toggle(name),
    })),
    ...THEMES.map(([theme, name]) => ({ name, about: "appearance", act: () => setTheme(theme) })),
  ];
}

/** Return how well an entry fits the query; 0 is best, -1: not at all. */
function rank({ name, about }, query) {
  const text = name.toLowerCase();
  if (text.startsWith(query)) return 0;
  if (text.includes(` ${query}`)) return 1;
  if (text.includes(query)) return 2;
  if (`${text} ${about.toLowerCase()}`.includes(query)) return 4;
  let from = 0;
  for (const letter of query.replaceAll(" ", "")) {
    from = text.indexOf(letter, from) + 1;
    if (!from) return -1;
  }
  return 3;
}

export function Palette() {
  const dialog = useRef(null);
  useLayoutEffect(() => {
    if (isShown.value) dialog.current.showModal();
    else dialog.current.close();
  }, [isShown.value]);
  const close = () => (isShown.value = false);
  return html`<dialog ref=${dialog} class="palette" aria-label="Search sessions and commands"
    onCancel=${close} onClose=${close}
    onClick=${(event) => event.target === dialog.current && close()}>
    ${isShown.value && html`<${Search} />`}
  </dialog>`;
}

function Search() {
  const [query, setQuery] = useState("");
  const [chosen, setChosen] = useState(0);
  const lower = query.trim().toLowerCase();
  const found = entriesOf()
    .map((entry) => [rank(entry, lower), entry])
    .filter(([order]) => order >= 0)
    .sort(([one], [other]) => one - other)
    .slice(0, SHOWN)
    .map(([, entry]) => entry);
  const act = (entry) => {
    isShown.value = false;
    entry?.act();
  };
  const onKeyDown = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setChosen((chosen + step + found.length) % Math.max(1, found.length));
    else if (event.key === "Enter") act(found[chosen]);
    else return;
    event.preventDefault();
  };
  return html`<input type="text" role="combobox" aria-expanded="true" aria-controls="found" autofocus
      aria-label="Search sessions and commands" autocomplete="off" placeholder="Sessions and commands…"
      aria-activedescendant=${found.length ? `found-${chosen}` : undefined} value=${query} onKeyDown=${onKeyDown}
      onInput=${(event) => (setQuery(event.target.value), setChosen(0))} />
    <ul id="found" role="listbox" aria-label="Results">${found.map(
      (entry, number) => html`<li role="option" id=${`found-${number}`} aria-selected=${number === chosen}
      onClick=${() => act(entry)} onMouseMove=${() => setChosen(number)}><span>${entry.name}</span><small>
        ${entry.about}</small></li>`,
    )}</ul>
    ${found.length === 0 && html`<p class="note">Nothing matches.</p>`}`;
}
