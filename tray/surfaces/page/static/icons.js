// The marks of the states, in the shapes and colours of the tray icon (tray/surfaces/icon.py).

import { html } from "/app/vendor/ui.js";

const ring = html`<circle cx="8" cy="8" r="5.6" fill="none" stroke="currentColor" stroke-width="2" />`;
const SHAPES = {
  waiting_for_permission: html`<path class="tile" d="M5 1.2h6L14.8 5v6L11 14.8H5L1.2 11V5z" /><path class="on-tile" d="M8 4.2v4.4M8 11.2v.2" />`,
  waiting_for_answer: html`<path class="tile" d="M5.5 1.2h5a4.3 4.3 0 0 1 4.3 4.3v2.6a4.3 4.3 0 0 1-4.3 4.3H8l-3.6 2.4.5-2.7a4.3 4.3 0 0 1-3.7-4V5.5a4.3 4.3 0 0 1 4.3-4.3z" /><path class="on-tile" d="M6.2 5.3a1.9 1.9 0 1 1 2.7 1.9c-.6.3-.9.6-.9 1.2M8 10.6v.1" />`,
  error: html`<circle cx="8" cy="8" r="7" fill="currentColor" /><path d="M5.5 5.5l5 5M10.5 5.5l-5 5" stroke="#fff" stroke-width="2" stroke-linecap="round" />`,
  retry: html`<path d="M12.8 9.8A5.2 5.2 0 1 1 11.7 4.3" fill="none" stroke="currentColor" stroke-width="2" /><path d="M9.3 4.7l4.3 1.2.3-4.5z" fill="currentColor" />`,
  busy: html`${ring}<path d="M8 2.4a5.6 5.6 0 0 0 0 11.2z" fill="currentColor" />`,
  completed: html`<path d="M2.8 8.7l3.6 3.7 6.8-8.2" fill="none" stroke="currentColor" stroke-width="2.3" stroke-linecap="round" stroke-linejoin="round" />`,
  idle: ring,
  aborted: ring,
  disconnected: html`${ring}<path d="M4.2 11.8l7.6-7.6" stroke="currentColor" stroke-width="2" />`,
};

/** Return the mark of a state; `name` is read by screen readers, "" if the text beside it says the same. */
export function Mark({ status, name }) {
  const role = name ? { role: "img", "aria-label": name } : { "aria-hidden": "true" };
  return html`<svg class=${`mark ${status}`} viewBox="0 0 16 16" ...${role}>${SHAPES[status]}</svg>`;
}

const PATHS = {
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3l3.5 3.5",
  back: "M10 3L5 8l5 5",
  device: "M2.5 3.5h11v7h-11zM6 13.5h4",
  chart: "M2.5 13.5h11M4.5 11V8M8 11V3M11.5 11V5.5",
  list: "M3 4.5h10M3 8h10M3 11.5h6",
  clock: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2zM8 4.8V8l2.2 1.6",
  pin: "M6 2.5h4v4l1.8 2.5H4.2L6 6.5zM8 9v4.5",
  live: "M2 8h2.5l2-5 3 10 2-5H14",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
