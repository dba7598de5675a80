// The list: requests that wait for the user, then the sessions by project, in the order of the menu.

import { html, signal } from "/app/vendor/ui.js";
import { Mark } from "/app/icons.js";
import { addressOf } from "/app/pages.js";
import { Loading } from "/app/reading.js";
import { RequestCard } from "/app/requests.js";
import { connection, entries, filter, now, route, sessions, summary, waiting } from "/app/store.js";
import { age, amount, counted, money } from "/app/text.js";

const QUIET = new Set(["idle", "aborted", "disconnected"]);
const QUIET_SHOWN = 3; // quiet sessions of a project that are shown at first

const expanded = signal(new Set()); // projects whose quiet sessions are all shown

export function Live() {
  if (!entries.value.size) return connection.value === "lost" ? null : html`<${Loading} what="the sessions" parts=${["", "", "", ""]} />`;
  const query = filter.value.trim().toLowerCase();
  const found = query ? sessions.value.filter((session) => matches(session, query)) : sessions.value;
  if (!sessions.value.length) return html`<${NoSessions} />`;
  const cards = waiting.value; // whatever the filter is
  return html`
    ${
      cards.length > 0 &&
      html`<section aria-labelledby="needs-you">
      <h2 id="needs-you">Needs you</h2>
      ${cards.map(({ session, request }) => html`<${RequestCard} key=${request.seen} session=${session}
        request=${request} />`)}
    </section>`
    }
    ${projects(found).map(([name, rows]) => html`<${Project} key=${name} name=${name} rows=${rows}
      showAll=${Boolean(query)} />`)}
    ${
      query &&
      !found.length &&
      html`<div class="empty"><p>No session matches “${filter.value}”.</p>
      <button onClick=${() => (filter.value = "")}>Show all</button></div>`
    }`;
}

const matches = (session, query) =>
  [session.title, session.project, session.branch, session.agent_kind, session.activity].some((text) =>
    text?.toLowerCase().includes(query),
  );

function projects(rows) {
  const groups = new Map();
  for (const row of rows) groups.set(row.project, [...(groups.get(row.project) ?? []), row]);
  return [...groups];
}

function Project({ name, rows, showAll }) {
  const isExpanded = showAll || expanded.value.has(name);
  const quiet = rows.filter((row) => QUIET.has(row.status));
  const hidden = isExpanded ? 0 : Math.max(0, quiet.length - QUIET_SHOWN);
  const shown = hidden ? rows.filter((row) => !quiet.slice(QUIET_SHOWN).includes(row)) : rows;
  const host = rows.length && new Set(sessions.value.map((row) => row.host)).size > 1 ? rows[0].host : "";
  return html`<section class="project" aria-label=${`Project ${name}`}>
    <h2>${name}${host && html`<small> ${host}</small>`}</h2>
    <ul class="rows">${shown.map((row) => html`<${Row} key=${row.id} row=${row} />`)}</ul>
    ${
      hidden > 0 &&
      html`<button class="more" onClick=${() => (expanded.value = new Set([...expanded.value, name]))}>
      ${counted(hidden, "more idle session", "more idle sessions")}</button>`
    }
  </section>`;
}

function Row({ row }) {
  const isSelected = route.value.name === "s" && route.value.id === row.id;
  const working = row.children.filter((child) => !["idle", "completed", "aborted"].includes(child.status));
  return html`<li>
    <a class=${`row ${row.status}`} href=${addressOf(row.id)} data-item
      aria-current=${isSelected ? "true" : undefined}>
      <${Mark} status=${row.status} name=${row.status_name} />
      <span class="names"><span class="title">${row.title}</span>
        <span class="activity">${activity(row)}</span></span>
      <span class="numbers">${row.context !== null && html`<${Context} percent=${row.context} />`}
        <span class="cost">${money(row.cost) || (row.tokens ? amount(row.tokens) : "")}</span>
        <span class="age">${age(row.since, now.value)}</span></span>
    </a>
    ${working.length > 0 && html`<ul class="children">${working.map((child) => html`<${Child} key=${child.id}
      child=${child} />`)}</ul>`}
  </li>`;
}

function activity(row) {
  const count = row.requests.length;
  const parts = [row.activity || (count ? `${row.status_name}${count > 1 ? ` (${count})` : ""}` : row.status_name)];
  if (row.branch) parts.unshift(row.branch);
  if (row.muted) parts.push("muted");
  if (row.read_only) parts.push("read-only");
  return parts.join(" · ");
}

export function Child({ child }) {
  return html`<li class=${`child depth-${Math.min(child.depth, 4)}`}>
    <a href=${addressOf(child.id)}><${Mark} status=${child.status} name=${child.status_name} />
      <span class="title">${child.title}</span><span class="activity">
        ${[child.agent, child.activity].filter(Boolean).join(" · ")}</span>
      <span class="cost">${money(child.cost)}</span></a></li>`;
}

export function Context({ percent }) {
  const level = percent >= 90 ? "high" : percent >= 70 ? "middle" : "";
  const name = `Context ${Math.round(percent)} % full`;
  return html`<svg class=${`context ${level}`} viewBox="0 0 32 4" preserveAspectRatio="none" role="img"
    aria-label=${name}><title>${name}</title>
    <rect width="32" height="4" rx="2" class="track" /><rect width=${Math.max(1, Math.min(32, percent * 0.32))}
      height="4" rx="2" /></svg>`;
}

function NoSessions() {
  return html`<div class="empty"><h2>No sessions yet</h2>
    <p>Start <code>opencode</code> or another agent in a terminal. Its session appears here at once.</p>
    <p>Nothing appears? Run <code>opencode-tray doctor</code>.</p></div>`;
}

/** What a wide window shows beside the list while no session is chosen. */
export function Overview() {
  const rows = sessions.value;
  const count = (...states) => rows.filter((row) => states.includes(row.status)).length;
  const numbers = [
    ["need you", waiting.value.length, "waiting_for_permission"],
    ["working", count("busy", "retry"), "busy"],
    ["failed", count("error"), "error"],
    ["finished", count("completed"), "completed"],
  ];
  return html`<div class="overview">
    <dl>${numbers.map(([label, number, status]) => html`<div class=${number ? "" : "none"}><dt><${Mark}
      status=${status} name="" />${label}</dt><dd>${number}</dd></div>`)}</dl>
    <p>${summary.value ? "Choose a session to see its messages, todos and file changes." : ""}</p>
    <p class="keys">
      <kbd>j</kbd> <kbd>k</kbd> move · <kbd>Enter</kbd> open · <kbd>a</kbd> allow once · <kbd>r</kbd> reject · <kbd>?</kbd> all keys</p>
  </div>`;
}
