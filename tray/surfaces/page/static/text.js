// Numbers, times and untrusted texts as the page shows them.

import { html } from "/app/vendor/ui.js";

const MINUTE = 60_000;

/** Return a rounded age in the steps of the menu: "now", "4m", "2h", "3d". */
export function age(since, now) {
  const minutes = Math.floor(Math.max(0, now - since) / MINUTE);
  if (!since || minutes < 1) return "now";
  if (minutes < 60) return `${minutes}m`;
  return minutes < 24 * 60 ? `${Math.floor(minutes / 60)}h` : `${Math.floor(minutes / 1440)}d`;
}

export const money = (cost) => (cost ? `$${cost.toFixed(2)}` : "");

export function amount(number) {
  if (number < 1000) return String(number);
  return number < 1e6
    ? `${(number / 1000).toFixed(1).replace(".0", "")}k`
    : `${(number / 1e6).toFixed(1).replace(".0", "")}M`;
}

export const dollars = (value) => {
  if (value >= 10_000) return `$${amount(value)}`;
  return value && value < 0.005 ? "< $0.01" : `$${value.toFixed(2)}`;
};

/** Return a time in its two largest units: "0.8 s", "4 min 10 s", "3 h 5 min". */
/** Return the reported cost; else the estimated one and a word that says so; "" without either. */
export const costOf = ({ reported, estimated }, word = "") =>
  reported ? dollars(reported) : estimated ? dollars(estimated) + word : "";

export function duration(ms) {
  const seconds = ms / 1000;
  if (!ms) return "0\u00a0s";
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)}\u00a0s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return `${minutes}\u00a0min\u00a0${Math.floor(seconds % 60)}\u00a0s`;
  return minutes < 60 ? `${minutes}\u00a0min` : `${Math.floor(minutes / 60)}\u00a0h\u00a0${minutes % 60}\u00a0min`;
}

/** Return the last component of a path, with "/" or "\\" as separators. */
export const baseName = (path) => path.split(/[\\/]/).filter(Boolean).pop() || path;

export const counted = (number, one, many) => `${number} ${number === 1 ? one : many}`;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
export const timeOfDay = (at) => clock.format(at);
const dayOfYear = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
export const dayOf = (at) => (new Date(at).getFullYear() === new Date().getFullYear() ? day : dayOfYear).format(at);
export const dateTime = (at) => `${dayOf(at)}, ${clock.format(at)}`;

// Characters that are invisible or change the direction of what follows; the server lists more and then allows nothing.
const HIDDEN = /([\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\u00a0\u2000-\u200a\u202f\u205f\u3000\ufe00-\ufe0f])/u;

/** Return a text with hidden characters shown by their numbers. */
export function revealed(text) {
  return text
    .split(HIDDEN)
    .map((part) =>
      part.length === 1 || (part.length === 2 && HIDDEN.test(part))
        ? HIDDEN.test(part) && part !== "\n" && part !== "\t"
          ? html`<mark
            class="hidden-character">U+${part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}</mark>`
          : part
        : part,
    );
}

const isPatch = (text) => /^(@@ |\+\+\+ |--- |\*\*\* )/m.test(text);

/** Return the lines of a command, or of a patch with the changed lines marked. */
export function exactText(text) {
  if (!isPatch(text)) return html`<pre class="exact" tabindex="0">${revealed(text)}</pre>`;
  return html`<pre class="exact" tabindex="0">${text.split("\n").map(patchLine)}</pre>`;
}

export function patchLine(line) {
  const kind = { "+": "added", "-": "removed", "@": "hunk" }[line[0]] ?? "";
  return html`<span class=${`line ${kind}`}>${revealed(line)}${"\n"}</span>`;
}
