// Reading what the server knows of one session.

import { html, useEffect, useRef, useState } from "/app/vendor/ui.js";
import { call } from "/app/access.js";

const PAUSE = 1500; // ms between two reads of a session that keeps changing

/** What is shown while something is read: a line for each part, some of them tall. */
export const Loading = ({ what, parts = ["", ""] }) => html`<div class="loading" role="status"
  aria-label=${`Loading ${what}`}>${parts.map((size) => html`<div class=${`ghost ${size}`}></div>`)}</div>`;

export const pathOf = (id, rest = "") => `/api/sessions/${encodeURIComponent(id)}${rest}`;

/** Read something of a session again whenever `change` differs, at most every PAUSE. Without an id, read nothing. */
export function useRead(id, rest, change) {
  const [state, setState] = useState({ id: "", value: null, problem: "" });
  const readAt = useRef(0);
  useEffect(() => {
    if (!id) return undefined;
    let isCurrent = true;
    const wait = state.id === id + rest ? Math.max(0, readAt.current + PAUSE - Date.now()) : 0;
    const timer = setTimeout(async () => {
      readAt.current = Date.now();
      try {
        const value = await call("GET", pathOf(id, rest));
        if (isCurrent) setState({ id: id + rest, value, problem: "" });
      } catch (error) {
        if (isCurrent) setState({ id: id + rest, value: null, problem: error.message });
      }
    }, wait);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [id, rest, change]);
  return state.id === id + rest ? state : { value: null, problem: "" };
}
