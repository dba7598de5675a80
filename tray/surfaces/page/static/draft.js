// The text that the agent is writing in the session that is shown.

import { html, useEffect, useState } from "/app/vendor/ui.js";
import { call } from "/app/access.js";
import { pathOf } from "/app/reading.js";

const PAUSE = 250; // ms between two reads; none while the page is hidden

export function Draft({ id }) {
  const [text, setText] = useState("");
  useEffect(() => {
    let timer;
    let isCurrent = true;
    const read = async () => {
      try {
        if (!document.hidden) setText((await call("GET", pathOf(id, "/draft"))).text);
        if (isCurrent) timer = setTimeout(read, PAUSE);
      } catch {
        setText(""); // this agent does not show what it writes
      }
    };
    timer = setTimeout(read, PAUSE);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [id]);
  return text && html`<p class="draft" aria-label="Being written">${text}</p>`;
}
