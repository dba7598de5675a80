// The charts of the usage: drawn in SVG at the width that they have, so that no text is scaled. Every mark is a link.

import { html, useEffect, useRef, useState } from "/app/vendor/ui.js";
import { counted } from "/app/text.js";
import { isoDay } from "/app/usage_query.js";

const DAY = 86_400_000;
export const WEEKDAY_NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const WEEKDAYS = WEEKDAY_NAMES.map((name) => name.slice(0, 3));
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const long = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const month = new Intl.DateTimeFormat(undefined, { month: "short", timeZone: "UTC" });
export const dayName = (day) => long.format(day);
export const spanName = (from, to) => (from === to ? dayName(from) : `${short.format(from)} to ${dayName(to)}`);

function useWidth() {
  const frame = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  return [frame, width];
}

/** Move the focus between the links of a chart with the arrow keys; only one of them is reached with Tab. */
function moveFocus(event, steps) {
  const step = steps[event.key];
  if (!step) return;
  const links = [...event.currentTarget.querySelectorAll("a")];
  const next = links[links.indexOf(event.target.closest("a")) + step];
  next?.focus();
  event.preventDefault();
}

/** Return round values for an axis up to a maximum. */
export function ticks(maximum) {
  if (!maximum) return [0];
  const rough = maximum / 3;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 5, 10].find((factor) => factor * size >= rough) ?? 10);
  return Array.from({ length: Math.floor(maximum / step) + 1 }, (_, number) => number * step);
}

/** Put days together until each bar has some width: single days, weeks from Monday, or months. */
export function bins(from, to, room) {
  const count = (to - from) / DAY + 1;
  const start = (day) => {
    if (count <= room) return day;
    const date = new Date(day);
    if (count <= room * 7) return day - ((date.getUTCDay() + 6) % 7) * DAY;
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
  };
  const found = [];
  for (let number = 0, day = from; day <= to; number += 1, day += DAY) {
    const last = found.at(-1);
    if (last?.start === start(day)) Object.assign(last, { to: day, until: number + 1 });
    else found.push({ start: start(day), from: day, to: day, first: number, until: number + 1 });
  }
  return found;
}

/** Stacked bars of each day, or of weeks or months if there are many; of the hours of one day if `hours` has them. */
export function StackedDays({ from, to, hours, groups, format, link, label }) {
  const [frame, width] = useWidth();
  const [left, top, bottom, height] = [46, 8, 22, 208];
  const shown = hours
    ? hours.map((hour, number) => ({ from: hour, to: hour, first: number, until: number + 1 }))
    : bins(from, to, Math.max(7, Math.floor((width - left) / 6)));
  const nameOf = (bin) => (hours ? `${bin.from}:00 to ${bin.from + 1}:00` : spanName(bin.from, bin.to));
  const sum = (values, bin) => values.slice(bin.first, bin.until).reduce((total, value) => total + value, 0);
  const bars = shown.map((bin) => ({ bin, values: groups.map((group) => sum(group.values, bin)) }));
  const total = (bar) => bar.values.reduce((all, value) => all + value, 0);
  const marks = ticks(Math.max(0, ...bars.map(total)));
  const largest = Math.max(1e-9, ...bars.map(total), marks.at(-1));
  const y = (value) => top + (height - top - bottom) * (1 - value / largest);
  const each = (width - left) / bars.length;
  const wide = Math.max(1, Math.min(48, each * (each > 8 ? 0.72 : 0.86)));
  const longest = Math.max(...shown.map((bin) => bin.until - bin.first));
  const unit = longest > 7 ? "month" : longest > 1 ? "week" : "";
  const apart = Math.ceil(64 / each); // bars between two dates of the axis
  return html`<div class="chart" ref=${frame}>${
    width > 0 &&
    html`<svg width=${width} height=${height} role="group" aria-label=${label}
      onKeyDown=${(event) => moveFocus(event, { ArrowRight: 1, ArrowLeft: -1 })}>
      <g class="axis" aria-hidden="true">${marks.map((mark) => html`<line x1=${left} x2=${width} y1=${y(mark)} y2=${y(mark)} />
        <text x=${left - 8} y=${y(mark) + 4} text-anchor="end">${format(mark)}</text>`)}
        ${bars.map(({ bin }, number) => number % apart === 0 && number * each < width - left - 40 && html`<text x=${left + (number + 0.5) * each - (number ? 0 : wide / 2)}
          y=${height - 5} text-anchor=${number ? "middle" : "start"}>${hours ? `${bin.from}:00` : short.format(bin.from)}</text>`)}</g>
      ${bars.map((bar, number) => {
        let reached = 0;
        const name = `${nameOf(bar.bin)}: ${format(total(bar))}`;
        const x = left + (number + 0.5) * each;
        return html`<a href=${link(bar.bin.from, bar.bin.to)} aria-label=${name} tabindex=${number === bars.length - 1 ? 0 : -1}>
          <title>${[name, ...groups.map((group, at) => bar.values[at] && `${group.name}: ${format(bar.values[at])}`).filter(Boolean)].join("\n")}</title>
          <rect class="reach" x=${x - each / 2} y=${top} width=${each} height=${height - top - bottom} />
          ${bar.values.map((value, at) => {
            if (!value) return null;
            const bottomOf = y(reached);
            reached += value;
            return html`<rect class=${`group-${groups[at].colour}`} x=${x - wide / 2} width=${wide} y=${y(reached)}
              height=${Math.max(0.5, bottomOf - y(reached))} />`;
          })}</a>`;
      })}
    </svg>${unit && html`<p class="note">Each bar is a ${unit}.</p>`}`
  }</div>`;
}

/** Return the level (0 to 4) of a value among all values: quarters of the largest, without outliers. */
function levels(values) {
  const sorted = values.filter(Boolean).sort((one, other) => one - other);
  const high = sorted[Math.floor(sorted.length * 0.95)] ?? 1;
  return (value) => (value ? Math.min(4, Math.ceil((value / high) * 4)) : 0);
}

/** A year of days, a column for each week. `chosen` are the days of the period. */
export function HeatMap({ to, days, metric, format, link, chosen, label }) {
  const [frame, width] = useWidth();
  const cell = Math.max(11, Math.min(20, Math.floor((width - 34) / 53)));
  const first = to - 364 * DAY;
  const monday = first - ((new Date(first).getUTCDay() + 6) % 7) * DAY;
  const values = new Map(days.map((day) => [day.day, day[metric]]));
  const level = levels([...values.values()]);
  const cells = Array.from({ length: 365 }, (_, number) => first + number * DAY);
  const column = (day) => Math.floor((day - monday) / (7 * DAY));
  const row = (day) => ((day - monday) / DAY) % 7;
  const months = cells.filter((day) => new Date(day).getUTCDate() === 1 && column(day) < 51);
  useEffect(() => void (frame.current.scrollLeft = 10_000), [width]);
  return html`<div class="chart scrolls" ref=${frame}>${
    width > 0 &&
    html`<svg width=${34 + column(to) * cell + cell} height=${18 + 7 * cell} role="group" aria-label=${label}
      onKeyDown=${(event) => moveFocus(event, { ArrowRight: 7, ArrowLeft: -7, ArrowDown: 1, ArrowUp: -1 })}>
      <g class="axis" aria-hidden="true">
        ${[0, 2, 4].map((at) => html`<text x="0" y=${18 + at * cell + cell - 3}>${WEEKDAYS[at]}</text>`)}
        ${months.map((day) => html`<text x=${34 + column(day) * cell} y="11">${month.format(day)}</text>`)}</g>
      ${cells.map((day) => {
        const value = values.get(isoDay(day)) ?? 0;
        const name = `${dayName(day)}: ${format(value)}`;
        const isChosen = chosen && day >= chosen.from && day <= chosen.to;
        return html`<a href=${link(day, day)} aria-label=${name} tabindex=${day === to ? 0 : -1}><title>${name}</title>
          <rect class=${`level-${level(value)}${isChosen ? "" : " outside"}`} x=${34 + column(day) * cell}
            y=${18 + row(day) * cell} width=${cell - 2} height=${cell - 2} rx="2" /></a>`;
      })}
    </svg>`
  }</div>`;
}

/** Turns by weekday and hour. */
export function Hours({ hours, link, chosen, label }) {
  const [frame, width] = useWidth();
  const cell = Math.max(9, Math.min(40, (width - 34) / 24));
  const level = levels(hours.flat());
  return html`<div class="chart" ref=${frame}>${
    width > 0 &&
    html`<svg width=${width} height=${18 + 7 * Math.min(cell, 20)} role="group" aria-label=${label}
      onKeyDown=${(event) => moveFocus(event, { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 24, ArrowUp: -24 })}>
      <g class="axis" aria-hidden="true">${[0, 6, 12, 18].map((hour) => html`<text x=${34 + hour * cell} y="11">${hour}:00</text>`)}
        ${WEEKDAYS.map((name, at) => html`<text x="0" y=${18 + (at + 1) * Math.min(cell, 20) - Math.min(cell, 20) / 2 + 3}>${name}</text>`)}</g>
      ${hours.map((counts, weekday) =>
        counts.map((count, hour) => {
          const key = `${weekday}-${hour}`;
          const name = `${WEEKDAY_NAMES[weekday]}, ${hour}:00 to ${hour + 1}:00: ${counted(count, "turn", "turns")}`;
          return html`<a href=${link(key)} aria-label=${name} tabindex=${key === (chosen ?? "0-9") ? 0 : -1}
            aria-current=${key === chosen ? "true" : undefined}><title>${name}</title>
            <rect class=${`level-${level(count)}`} x=${34 + hour * cell} y=${18 + weekday * Math.min(cell, 20)}
              width=${cell - 2} height=${Math.min(cell, 20) - 2} rx="2" /></a>`;
        }),
      )}
    </svg>`
  }</div>`;
}

/** The median and the ninth decile of the times of days, weeks or months. */
export function TimeSpans({ spans, format, link, label }) {
  const [frame, width] = useWidth();
  const [left, top, bottom, height] = [46, 8, 22, 120];
  const largest = Math.max(1, ...spans.map((span) => span.p90));
  const y = (value) => top + (height - top - bottom) * (1 - value / largest);
  const each = (width - left) / spans.length;
  const wide = Math.max(1, Math.min(24, each * 0.72));
  return html`<div class="chart" ref=${frame}>${
    width > 0 &&
    html`<svg width=${width} height=${height} role="group" aria-label=${label}
      onKeyDown=${(event) => moveFocus(event, { ArrowRight: 1, ArrowLeft: -1 })}>
      <g class="axis" aria-hidden="true">${[largest / 2, largest].map((mark) => html`<line x1=${left} x2=${width}
        y1=${y(mark)} y2=${y(mark)} /><text x=${left - 8} y=${y(mark) + 4} text-anchor="end">${format(mark)}</text>`)}
        <text x=${left} y=${height - 5}>${short.format(Date.parse(spans[0].from))}</text></g>
      ${spans.map((span, number) => {
        const name = `${spanName(Date.parse(span.from), Date.parse(span.to))}: median ${format(span.p50)}, 90 % ${format(span.p90)}`;
        const x = left + (number + 0.5) * each;
        const bar = (level, value) => html`<rect class=${`level-${level}`} x=${x - wide / 2} width=${wide} y=${y(value)}
          height=${Math.max(0.5, y(0) - y(value))} />`;
        return html`<a href=${link(Date.parse(span.from), Date.parse(span.to))} aria-label=${name}
          tabindex=${number === spans.length - 1 ? 0 : -1}><title>${name}</title><rect class="reach" x=${x - each / 2} y=${top}
          width=${each} height=${height - top - bottom} />${bar(2, span.p90)}${bar(4, span.p50)}</a>`;
      })}
    </svg>`
  }</div>`;
}

/** The median and the ninth decile of each model's times, on one axis. */
export function Times({ models, format, link, label }) {
  const longest = Math.max(1, ...models.map((model) => model.p90));
  return html`<ul class="times" aria-label=${label}>${models.map(
    (model) => html`<li><a href=${link(model.model)}><span class="name">${model.name}</span>
      <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="6" />
        <rect class="level-2" width=${(model.p90 / longest) * 100} height="6" /><rect class="level-4"
        width=${(model.p50 / longest) * 100} height="6" /></svg>
      <span class="value"><b>${format(model.p50)}</b> · ${format(model.p90)}</span></a></li>`,
  )}</ul>`;
}
