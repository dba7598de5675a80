// A session that only the history knows.

import { html } from "/app/vendor/ui.js";
import { call } from "/app/access.js";
import { annotate, annotated, Annotations, annotations } from "/app/annotations.js";
import { ask } from "/app/dialog.js";
import { Icon } from "/app/icons.js";
import { goTo, notify, scope } from "/app/store.js";
import { amount, costOf, dateTime } from "/app/text.js";
import { Timeline } from "/app/timeline.js";

export function PastSession({ stored }) {
  const session = annotated.value?.session ?? stored.session; // with what has just been changed
  const facts = [
    session.created && `begun ${dateTime(session.created)}`,
    session.touched && `last active ${dateTime(session.touched)}`,
    session.tokens && `${amount(session.tokens)} tokens`,
    costOf(session, " estimated"),
  ];
  const remove = async () => {
    const text = "Its title, turns, requests and note are removed from the history, with its subagents. Its usage stays in the sums.";
    if (!(await ask({ title: "Remove from the history?", text, action: "Remove", isDanger: true }))) return;
    try {
      notify((await call("DELETE", `/api/history/${encodeURIComponent(session.id)}`)).message);
      goTo("#/history");
    } catch (error) {
      notify(error.message, true);
    }
  };
  return html`<article class="session">
    <header class="head">
      <a class="back" href="#/history"><${Icon} name="back" /> History</a>
      <h2>${session.title || session.id}</h2>
      <p class="where">
        ${[session.is_deleted ? "deleted" : "not open", session.project, session.program, session.host].filter(Boolean).join(" · ")}</p>
      <p class="where numbers">${facts.filter(Boolean).map((text) => html`<span>${text}</span>`)}</p>
      <${Annotations} />
      <div class="buttons">${annotations().map(
        ({ name, label }) => html`<button key=${name} class="quiet" onClick=${() => annotate(name)}>${label}</button>`,
      )}${scope.value === "act" && html`<button class="quiet-danger" onClick=${remove}>Remove</button>`}</div>
    </header>
    <${Timeline} id=${session.id} stored=${stored} />
  </article>`;
}
