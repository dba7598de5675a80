// The parts of the usage page that are text: main numbers, the table of groups, and the sessions.

import { html, useState } from "/app/vendor/ui.js";
import { WEEKDAY_NAMES } from "/app/charts.js";
import { addressOf } from "/app/pages.js";
import { amount, baseName, counted, dollars, duration, timeOfDay } from "/app/text.js";
import { BY, FILTERS, linkTo } from "/app/usage_query.js";

const KINDS = ["reported", "estimated"];
const SHOWN = 12; // sessions that are listed at first
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
export const percent = (share) => `${Math.round(share * 100)} %`;
const seconds = (value) => duration(value * 1000);
export const FORMATS = { tokens: amount, steps: amount, turns: String, reported: dollars, estimated: dollars, time: seconds };

function Change({ value, before }) {
  if (!before || !value) return null;
  const change = Math.round((value / before - 1) * 100);
  const text = Math.abs(change) > 999 ? `× ${Math.round(value / before)}` : `${change > 0 ? "+" : change < 0 ? "−" : "±"}${Math.abs(change)} %`;
  return html`<small class="change">${text}</small>`;
}

function Tile({ name, text, value, before, note, href, onClick, isChosen }) {
  const content = html`<dt>${name}</dt><dd>${text} <${Change} value=${value} before=${before} /></dd><dd class="note">${note}</dd>`;
  return html`<a class="tile" href=${href} onClick=${onClick} aria-current=${isChosen ? "true" : undefined}><dl>${content}</dl></a>`;
}

const toSessions = (event) => {
  event.preventDefault();
  const list = document.querySelector("#top-sessions");
  list.scrollIntoView({ block: "start" });
  list.focus({ preventScroll: true });
};

/** The main numbers. Reported and estimated money are two numbers, which are never added. */
export function Tiles({ asked, found }) {
  const { total, sessions, turns, waits } = found.summary;
  const { before } = found;
  const all = (counts) => Object.values(counts).reduce((one, other) => one + other, 0);
  const here = linkTo(asked, {});
  const metric = (name) => ({ href: linkTo(asked, { metric: name }), isChosen: asked.metric === name });
  const ended = turns && ["aborted", "failed"].filter((name) => turns[name]).map((name) => `${turns[name]} ${name}`);
  const kind = found.forecast.reported.spent || !found.forecast.estimated.spent ? "reported" : "estimated";
  const month = found.forecast[kind];
  return html`<div class="tiles">
    <${Tile} name="Reported cost" text=${dollars(total.reported_cost)} value=${total.reported_cost}
      before=${before.total.reported_cost} note="by the agents" ...${metric("reported")} />
    <${Tile} name="Estimated cost" text=${dollars(total.estimated_cost)} value=${total.estimated_cost}
      before=${before.total.estimated_cost} ...${metric("estimated")}
      note=${total.unpriced_steps ? `${counted(total.unpriced_steps, "step", "steps")} without a price` : "where none is reported"} />
    <${Tile} name="Tokens" text=${amount(total.tokens)} value=${total.tokens} before=${before.total.tokens}
      note=${`${amount(total.tokens + total.cache_read)} with the cache`} ...${metric("tokens")} />
    <${Tile} name="Cache hit" text=${percent(total.cache_hit)} href=${here}
      note=${before.total.steps ? `${percent(before.total.cache_hit)} before` : "of the input"} />
    <${Tile} name="Steps" text=${amount(total.steps)} value=${total.steps} before=${before.total.steps}
      note="responses of models" ...${metric("steps")} />
    <${Tile} name="Sessions" text=${sessions} value=${sessions} before=${before.sessions} href=${here}
      onClick=${toSessions} note=${turns ? counted(all(turns), "turn", "turns") + (ended.length ? `, ${ended.join(", ")}` : "") : "turns have no model"} />
    <${Tile} name="Waited for you" text=${waits ? duration(waits.waited) : "–"} value=${waits?.waited}
      before=${before.waits?.waited} href=${here} onClick=${toSessions}
      note=${waits?.answers ? `${counted(waits.answers, "answer", "answers")}, median ${duration(waits.answer_time)}` : "no answers"} />
    <${Tile} name="This month" text=${dollars(month.expected)} note=${`forecast; ${dollars(month.spent)} ${kind} so far`}
      href=${linkTo(asked, { period: "month", metric: kind, hour: null })} />
  </div>`;
}

/** The groups with their shares of what is shown. A name sets the filter. */
export function Groups({ asked, groups }) {
  if (asked.by === "kind") return html`<${TokenKinds} groups=${groups} />`;
  const value = (group) => group[KINDS.includes(asked.metric) ? `${asked.metric}_cost` : asked.metric === "time" ? "model_time" : asked.metric];
  const all = groups.reduce((sum, group) => sum + value(group), 0);
  const largest = Math.max(1e-9, ...groups.map(value));
  const name = (group) =>
    FILTERS.includes(asked.by) && group[asked.by] !== null
      ? html`<a href=${linkTo(asked, { [asked.by]: group[asked.by], hour: null })}>${shortName(asked.by, group.name)}</a>`
      : shortName(asked.by, group.name);
  return html`<div class="table" tabindex="0" role="region" aria-label=${`Usage by ${asked.by}`}><table class="groups">
    <thead><tr><th scope="col">${BY[asked.by]}</th><th scope="col" class="share">Share</th><th scope="col">Tokens</th>
      <th scope="col" class="wide">Cache hit</th><th scope="col">Reported</th><th scope="col">Estimated</th>
      <th scope="col" class="wide">Steps</th></tr></thead>
    <tbody>${groups.map((group) => html`<tr>
      <th scope="row" title=${group.name}><i class=${`group-${group.colour}`}></i>${name(group)}</th>
      <td class="share"><div><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect
        class=${`group-${group.colour}`} width=${(value(group) / largest) * 100} height="6" /></svg>
        <span>${percent(all ? value(group) / all : 0)}</span></div></td>
      <td>${amount(group.tokens)}</td><td class="wide">${percent(group.cache_hit)}</td>
      <td>${group.reported_cost ? dollars(group.reported_cost) : "–"}</td>
      <td>${group.estimated_cost ? dollars(group.estimated_cost) : "–"}</td>
      <td class="wide">${amount(group.steps)}</td></tr>`)}</tbody>
  </table></div>`;
}

function TokenKinds({ groups }) {
  const all = groups.reduce((sum, group) => sum + group.tokens, 0);
  return html`<ul class="kinds">${groups.map((group) => html`<li><i class=${`group-${group.colour}`}></i>${group.name}
    <b>${amount(group.tokens)}</b> <small>${percent(group.tokens / all)}</small></li>`)}</ul>`;
}

/** The kinds of files that were changed most often. */
export function Files({ files }) {
  const most = files[0].edits;
  return html`<section class="panel" aria-labelledby="files-title"><header><h2 id="files-title">Changed files</h2></header>
    <ul class="times files" aria-label="Changes by extension">${files.map((kind) => html`<li><span class="name">
      ${kind.extension || "(no extension)"}</span>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="6" />
        <rect class="level-4" width=${(kind.edits / most) * 100} height="6" /></svg>
      <span class="value"><b>${counted(kind.edits, "change", "changes")}</b> · <span class="plus">+${kind.added}</span>${" "}
      <span class="minus">−${kind.removed}</span></span></li>`)}</ul></section>`;
}

/** Return a name without the folders above a project. */
export const shortName = (by, name) => (by === "project" ? baseName(name) : name) || "(unknown)";

function hourName(hour) {
  const [weekday, at] = hour.split("-").map(Number);
  return ` with a turn begun on ${WEEKDAY_NAMES[weekday]}, ${at}:00 to ${at + 1}:00`;
}

/** The root sessions behind the filter, with the sums of their subagents. */
export function Sessions({ asked, sessions }) {
  const [showsAll, setShowsAll] = useState(false);
  const shown = showsAll ? sessions : sessions.slice(0, SHOWN);
  const order = (name, label) => html`<a href=${linkTo(asked, { order: name })}
    aria-current=${asked.order === name ? "true" : undefined}>${label}</a>`;
  return html`<section class="panel" id="top-sessions" tabindex="-1" aria-labelledby="sessions-title">
    <header><h2 id="sessions-title">Sessions${asked.hour ? hourName(asked.hour) : ""}</h2>
      ${asked.hour && html`<a class="chip" href=${linkTo(asked, { hour: null })}>All hours <span aria-hidden="true">×</span></a>`}
      <nav class="segments" aria-label="Order of the sessions">${order("newest", "Newest")}${order("cost", "Most expensive")}</nav></header>
    ${sessions.length === 0 && html`<p class="note">No session worked then.</p>`}
    <ul class="rows">${shown.map((session) => html`<li key=${session.id}><${Row} session=${session} asked=${asked} /></li>`)}</ul>
    ${shown.length < sessions.length && html`<button class="more" onClick=${() => setShowsAll(true)}>
      ${counted(sessions.length - SHOWN, "more session", "more sessions")}</button>`}
    ${shown.length === 50 && html`<p class="note">Only the first 50 are listed.</p>`}
    <p class="note">The numbers are those of the whole session and its subagents, also on other days.</p>
  </section>`;
}

function Row({ session, asked }) {
  const title = session.title || (session.is_removed ? "Removed from the history" : session.id);
  const money = KINDS.filter((kind) => session[kind]).map((kind) => `${dollars(session[kind])}${kind === "estimated" ? " est." : ""}`);
  const when = session.last ? `${shortDay.format(session.last)}, ${timeOfDay(session.last)}` : "";
  const about = [shortName("project", session.project), session.program, when];
  const href = session.is_removed ? linkTo(asked, { project: session.project, hour: null }) : addressOf(session.id);
  return html`<a class="row" href=${href} data-item >
    <span class="names"><span class="title">${title}</span><span class="activity">${about.filter(Boolean).join(" · ")}</span></span>
    <span class="numbers"><span>${amount(session.tokens)}</span><span class="cost">${money[0] ?? "–"}${money[1] && html`<span class="wide"> · ${money[1]}</span>`}</span></span></a>`;
}
