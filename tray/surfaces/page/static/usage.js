// The usage: how much was used, when, and by what. Each mark leads to the days, the group or the session behind it.

import { html } from "/app/vendor/ui.js";
import { CallError, download } from "/app/access.js";
import { HeatMap, Hours, spanName, StackedDays, Times, TimeSpans } from "/app/charts.js";
import { Loading } from "/app/reading.js";
import { goTo, notify } from "/app/store.js";
import { duration } from "/app/text.js";
import { BY, dayNumber, FILTERS, isoDay, linkTo, linkToDays, METRICS, parameters, PERIODS, query, useUsage } from "/app/usage_query.js";
import { Files, FORMATS, Groups, Sessions, shortName, Tiles } from "/app/usage_parts.js";

const TITLES = { ...METRICS, time: "Model time", reported: "Reported cost", estimated: "Estimated cost" };
const OTHER = 8; // the colour of the groups that are shown as one

export function Usage() {
  const asked = query();
  const { found, problem, isLoading, retry } = useUsage(asked);
  return html`<main class="usage" aria-busy=${isLoading}>
    <header class="usage-head"><h1>Usage</h1><p class="note">${spanName(asked.from, asked.to)}</p>
      <${Export} asked=${asked} /></header>
    <${Chooser} asked=${asked} />
    ${problem && html`<p class="problem" role="alert">⚠ ${problem} <button onClick=${retry}>Try again</button></p>`}
    ${found ? html`<${Parts} asked=${asked} found=${found} />` : !problem && html`<${Loading} what="the usage" parts=${["", "tall", "tall"]} />`}
  </main>`;
}

function Segments({ name, values, chosen, link }) {
  return html`<nav class="segments" aria-label=${name}>${Object.entries(values).map(
    ([value, label]) => html`<a href=${link(value)} aria-current=${value === chosen ? "true" : undefined}>${label}</a>`,
  )}</nav>`;
}

function Chooser({ asked }) {
  const days = { from: isoDay(asked.from), to: isoDay(asked.to) };
  const period = (value) => linkTo(asked, { period: value, from: null, to: null, hour: null, ...(value === "custom" ? days : {}) });
  const change = (name) => (event) => {
    const changed = { ...days, [name]: event.target.value };
    if (!Number.isNaN(dayNumber(changed.from)) && changed.from <= changed.to)
      goTo(linkTo(asked, { period: "custom", ...changed, hour: null }));
  };
  return html`<div class="chooser">
    <${Segments} name="Period" values=${PERIODS} chosen=${asked.period} link=${period} />
    ${asked.period === "custom" && html`<span class="days"><input type="date" aria-label="First day" value=${days.from} max=${days.to}
      onChange=${change("from")} /> to <input type="date" aria-label="Last day" value=${days.to} min=${days.from} onChange=${change("to")} /></span>`}
    ${FILTERS.filter((name) => name in asked.filter).map((name) => html`<a class="chip" href=${linkTo(asked, { [name]: null })}
      aria-label=${`Remove the filter ${BY[name]}: ${asked.filter[name]}`} title=${asked.filter[name]}>${BY[name]} <b>
      ${shortName(name, asked.filter[name])}</b> <span aria-hidden="true">×</span></a>`)}
  </div>`;
}

function Export({ asked }) {
  const save = (kind) => async () => {
    try {
      await download(`/api/export.${kind}?${parameters(asked)}`, `usage-${isoDay(asked.from)}-${isoDay(asked.to)}.${kind}`);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      notify(error.message, true);
    }
  };
  return html`<span class="export"><button onClick=${save("csv")} title="One line for each response">Export CSV</button>
    <button onClick=${save("json")} title="One JSON object for each response">JSON</button></span>`;
}

function Parts({ asked, found }) {
  const { summary, heatmap, hours, times } = found;
  const hasFilter = Object.keys(asked.filter).length > 0;
  const none = !summary.total.steps && !Object.values(summary.turns ?? {}).some(Boolean);
  if (none && !heatmap.days.length) return html`<${Empty} asked=${asked} hasFilter=${hasFilter} />`;
  const groups = found.series.groups.map((group, at) => ({ ...group, colour: group[found.series.by] === null ? OTHER : at % 9 }));
  const heat = asked.heat === "activity" ? heatmap.activity : asked.heat;
  const heats = { activity: heatmap.activity === "turns" ? "Turns" : "Steps", tokens: "Tokens", reported: "Reported", estimated: "Estimated" };
  const shown = found.asked; // what the answers are about
  const toDays = (from, to) => linkToDays(asked, from, to);
  const { series } = found;
  const weekday = (new Date(shown.from).getUTCDay() + 6) % 7; // 0: Monday
  const toHour = (hour) => linkTo(asked, { hour: `${weekday}-${hour}` });
  return html`
    <${Tiles} asked=${asked} found=${found} />
    <section class="panel" aria-labelledby="days-title"><header><h2 id="days-title">${TITLES[series.metric]}</h2>
      <${Segments} name="Measure" values=${METRICS} chosen=${asked.metric} link=${(metric) => linkTo(asked, { metric })} />
      <${Segments} name="Group by" values=${BY} chosen=${asked.by} link=${(by) => linkTo(asked, { by })} /></header>
      ${none ? html`<p class="note">Nothing was used in these days.</p>` : html`
      <${StackedDays} from=${shown.from} to=${shown.to} hours=${series.hours} groups=${groups} format=${FORMATS[series.metric]}
        link=${series.hours ? toHour : toDays} label=${`${METRICS[series.metric]} by ${series.hours ? "hour" : "day"} and ${BY[shown.by].toLowerCase()}`} />
      <${Groups} asked=${shown} groups=${groups} />`}</section>
    <section class="panel" aria-labelledby="year-title"><header><h2 id="year-title">The last 365 days</h2>
      <${Segments} name="Measure of the year" values=${heats} chosen=${asked.heat} link=${(value) => linkTo(asked, { heat: value })} /></header>
      <${HeatMap} to=${shown.to} days=${heatmap.days} metric=${heat} link=${toDays} chosen=${shown}
        format=${(value) => `${FORMATS[heat](value)}${heat in { turns: 1, steps: 1, tokens: 1 } ? ` ${heat}` : ""}`}
        label=${`${heat} of each day of a year`} /></section>
    <div class="pair">
      <section class="panel" aria-labelledby="hours-title"><header><h2 id="hours-title">When turns begin</h2></header>
        ${hours.hours ? html`<${Hours} hours=${hours.hours} chosen=${asked.hour} link=${(hour) => linkTo(asked, { hour })}
          label="Turns by weekday and hour" />` : html`<p class="note">Turns are not recorded by model.</p>`}</section>
      <section class="panel" aria-labelledby="times-title"><header><h2 id="times-title">Response time, median · 90 %</h2></header>
        ${times.models?.length ? html`<${Times} models=${times.models.slice(0, 8)} format=${duration} label="Response times of models"
          link=${(model) => linkTo(asked, { model, hour: null })} />` : html`<p class="note">${times.models ? "No times were recorded." : "Times are recorded by model only."}</p>`}
        ${times.spans?.length > 1 && html`<${TimeSpans} spans=${times.spans} format=${duration} link=${toDays} label="Response times by day" />`}</section>
    </div>
    ${found.files.files?.length > 0 && html`<${Files} files=${found.files.files} />`}
    <${Sessions} asked=${asked} sessions=${found.sessions.sessions} />`;
}

function Empty({ asked, hasFilter }) {
  const all = Object.fromEntries(FILTERS.map((name) => [name, null]));
  return html`<div class="empty"><h2>No usage is recorded</h2>
    ${hasFilter ? html`<p>Nothing matches the filter.</p><a class="button" href=${linkTo(asked, all)}>Remove the filter</a>` : html`<p>Each response of a model appears here, with its tokens and cost.</p>
      <p>Sessions from before: <code>opencode-tray history import</code></p>`}</div>`;
}
