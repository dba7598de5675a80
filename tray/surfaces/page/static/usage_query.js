// What the page of the usage shows: a period, a filter and a grouping, all of which are in its address.

import { useEffect, useState } from "/app/vendor/ui.js";
import { call } from "/app/access.js";
import { connection, now, route } from "/app/store.js";

const DAY = 86_400_000;
export const PERIODS = { today: "Today", week: "Week", month: "Month", quarter: "90 days", year: "Year", custom: "Custom" };
export const BY = { model: "Model", project: "Project", agent: "Agent", program: "Program", host: "Host", kind: "Token kind" };
export const METRICS = { tokens: "Tokens", reported: "Reported", estimated: "Estimated", steps: "Steps", time: "Time" };
export const FILTERS = ["project", "model", "program", "host"];
const DEFAULTS = { period: "month", by: "model", metric: "tokens", order: "newest", heat: "activity" };

// Days are dates at midnight UTC, so that a day is always as long.
export const isoDay = (day) => new Date(day).toISOString().slice(0, 10);
export const dayNumber = (text) => Date.parse(`${text}T00:00:00Z`);
const shifted = (day, months) => {
  const date = new Date(day);
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months + 1, 0)).getUTCDate();
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, Math.min(last, date.getUTCDate()));
};

function today() {
  const date = new Date(now.peek());
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
}

/** Return what the address asks for: {period, from, to, before: {from, to}, by, metric, order, hour, filter}. */
export function query() {
  const given = Object.fromEntries(new URLSearchParams(route.value.name === "usage" ? location.hash.slice(8) : ""));
  const known = (name, values) => (given[name] in values ? given[name] : DEFAULTS[name]);
  const found = {
    period: known("period", PERIODS),
    by: known("by", BY),
    metric: known("metric", METRICS),
    order: known("order", { newest: 1, cost: 1 }),
    heat: known("heat", { activity: 1, tokens: 1, reported: 1, estimated: 1 }),
    hour: given.hour,
    filter: Object.fromEntries(FILTERS.filter((name) => name in given).map((name) => [name, given[name]])),
  };
  const last = today();
  const date = new Date(last);
  let [from, to] = {
    today: [last, last],
    week: [last - ((date.getUTCDay() + 6) % 7) * DAY, last],
    month: [last - (date.getUTCDate() - 1) * DAY, last],
    quarter: [last - 89 * DAY, last],
    year: [Date.UTC(date.getUTCFullYear(), 0, 1), last],
    custom: [dayNumber(given.from), dayNumber(given.to)],
  }[found.period];
  if (!(from <= to)) [from, to] = [last, last];
  const length = to - from + DAY;
  const [start, end] = {
    week: [from - 7 * DAY, to - 7 * DAY],
    month: [shifted(from, -1), shifted(to, -1)],
    year: [shifted(from, -12), shifted(to, -12)],
  }[found.period] ?? [from - length, to - length];
  return { ...found, from, to, before: { from: start, to: end } };
}

/** Return the address of the page with other values; null removes one. */
export function linkTo(asked, changes) {
  const values = {
    period: asked.period,
    ...(asked.period === "custom" ? { from: isoDay(asked.from), to: isoDay(asked.to) } : {}),
    by: asked.by,
    metric: asked.metric,
    order: asked.order,
    heat: asked.heat,
    hour: asked.hour,
    ...asked.filter,
    ...changes,
  };
  const shown = Object.entries(values).filter(([name, value]) => value != null && value !== DEFAULTS[name]);
  return `#/usage/${new URLSearchParams(shown)}`;
}

export const linkToDays = (asked, from, to) =>
  linkTo(asked, { period: "custom", from: isoDay(from), to: isoDay(to), hour: null });

/** Return the parameters of a call about the days and the filter. */
export const parameters = (asked, more = {}, days = asked) =>
  new URLSearchParams({ from: isoDay(days.from), to: isoDay(days.to), ...asked.filter, ...more }).toString();

/** Read the answers of all parts. The last ones are shown until new ones have come. */
export function useUsage(asked) {
  const [state, setState] = useState({ found: null, problem: "", isLoading: true });
  const [attempt, setAttempt] = useState(0);
  const parts = {
    summary: parameters(asked),
    before: parameters(asked, {}, asked.before),
    series: parameters(asked, { by: asked.by, metric: asked.metric }),
    heatmap: parameters(asked),
    hours: parameters(asked),
    times: parameters(asked),
    sessions: parameters(asked, { order: asked.order, ...(asked.hour ? { hour: asked.hour } : {}) }),
    files: parameters(asked),
    forecast: parameters(asked),
  };
  useEffect(() => {
    const again = () => document.hidden || setAttempt((before) => before + 1);
    document.addEventListener("visibilitychange", again);
    return () => document.removeEventListener("visibilitychange", again);
  }, []);
  const isOpen = connection.value === "open";
  useEffect(() => {
    let isCurrent = true;
    setState((before) => ({ ...before, isLoading: true }));
    const names = Object.keys(parts);
    const calls = names.map((name) => call("GET", `/api/usage/${name === "before" ? "summary" : name}?${parts[name]}`));
    Promise.all(calls).then(
      (answers) =>
        isCurrent &&
        setState({
          found: { asked, ...Object.fromEntries(names.map((name, number) => [name, answers[number]])) },
          problem: "",
          isLoading: false,
        }),
      (error) => isCurrent && setState((before) => ({ ...before, problem: error.message, isLoading: false })),
    );
    return () => (isCurrent = false);
  }, [Object.values(parts).join(), attempt, isOpen]);
  return { ...state, retry: () => setAttempt((before) => before + 1) };
}
