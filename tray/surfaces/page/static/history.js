// The history: every session that was recorded, by the words of its texts, its project or its tags.

import { html, useEffect, useRef, useState } from "/app/vendor/ui.js";
import { call } from "/app/access.js";
import { tagHash } from "/app/annotations.js";
import { Icon } from "/app/icons.js";
import { addressOf } from "/app/pages.js";
import { Loading } from "/app/reading.js";
import { goTo, isOpen, route } from "/app/store.js";
import { amount, baseName, costOf, dayOf, timeOfDay } from "/app/text.js";

const PAUSE = 200; // ms without a key after which what was typed is searched for
const LEAD = 24; // characters of a text that are shown before the first word that was found
const FIELDS = ["q", "project", "program", "host", "tag", "pinned"];

/** Return what the address asks for, such as {q: "refund", tag: "ui"}. */
function asked() {
  const given = new URLSearchParams(route.value.name === "history" ? location.hash.slice(10) : "");
  return Object.fromEntries(FIELDS.filter((name) => given.get(name)).map((name) => [name, given.get(name)]));
}

function hashOf(values) {
  const shown = Object.entries(values).filter(([, value]) => value);
  return shown.length ? `#/history/${new URLSearchParams(shown)}` : "#/history";
}

/** Read the sessions that match, and more of them. The last ones are shown until the new ones have come. */
function useSearch(query) {
  const [state, setState] = useState({ sessions: null, next: null, choices: { projects: [], tags: [] }, problem: "" });
  const key = new URLSearchParams(query).toString();
  const current = useRef("");
  const read = async (after) => {
    try {
      const answer = await call("GET", `/api/history?${key}${after ? `&after=${after}` : ""}`);
      if (current.current !== key) return;
      setState((before) =>
        after && before.next !== after // it was read twice
          ? before
          : {
              sessions: after ? [...before.sessions, ...answer.sessions] : answer.sessions,
              next: answer.next,
              choices: answer.choices ?? before.choices,
              problem: "",
            },
      );
    } catch (error) {
      if (current.current === key) setState((before) => ({ ...before, problem: error.message }));
    }
  };
  useEffect(() => {
    current.current = key;
    read();
  }, [key, isOpen.value]);
  return { ...state, more: () => read(state.next) };
}

export function History() {
  const query = asked();
  const { sessions, next, choices, problem, more } = useSearch(query);
  const change = (values) => goTo(hashOf({ ...query, ...values }));
  const days = new Map();
  for (const session of sessions ?? []) {
    const day = session.touched ? dayOf(session.touched) : "";
    days.set(day, [...(days.get(day) ?? []), session]);
  }
  return html`<main class="single"><section class="records">
    <h1>History</h1>
    <${Words} words=${query.q ?? ""} change=${(q) => location.replace(hashOf({ ...asked(), q }))} />
    <div class="chooser">
      <${Choice} label="Project" value=${query.project} values=${choices.projects} name=${baseName}
        change=${(project) => change({ project })} />
      <${Choice} label="Tag" value=${query.tag} values=${choices.tags} change=${(tag) => change({ tag })} />
      <label class="chip"><input type="checkbox" checked=${Boolean(query.pinned)}
        onChange=${(event) => change({ pinned: event.target.checked ? "1" : "" })} /> Pinned</label>
    </div>
    ${problem && html`<p class="warning" role="alert">${problem}</p>`}
    ${!sessions && !problem && html`<${Loading} what="the history" />`}
    ${sessions?.length === 0 && html`<div class="empty"><p>
      ${Object.keys(query).length ? "No session matches." : "Nothing has been recorded yet."}</p></div>`}
    ${[...days].map(
      ([day, found]) => html`<h2>${day || "Date unknown"}</h2><ul class="rows">${found.map(
        (session) => html`<li key=${session.id}><${Found} session=${session} words=${query.q ?? ""} /></li>`,
      )}</ul>`,
    )}
    ${next && html`<button class="more" onClick=${more}>More sessions</button>`}
  </section></main>`;
}

function Words({ words, change }) {
  const [typed, setTyped] = useState(words);
  const sent = useRef(words); // what the address has, or soon will
  useEffect(() => {
    if (words !== sent.current) setTyped((sent.current = words));
  }, [words]);
  useEffect(() => {
    const timer = setTimeout(() => typed.trim() !== sent.current && change((sent.current = typed.trim())), PAUSE);
    return () => clearTimeout(timer);
  }, [typed]);
  return html`<input id="filter" type="search" value=${typed} onInput=${(event) => setTyped(event.target.value)} autocomplete="off"
    placeholder="Search titles, prompts, replies, requests and notes"
    aria-label="Search titles, prompts, replies, requests and notes" />`;
}

function Choice({ label, value = "", values, name = (text) => text, change }) {
  if (!values.length && !value) return null;
  const all = values.includes(value) || !value ? values : [value, ...values];
  return html`<select aria-label=${label} value=${value} onChange=${(event) => change(event.target.value)}>
    <option value="">${label}: all</option>
    ${all.map((each) => html`<option key=${each} value=${each}>${name(each)}</option>`)}</select>`;
}

const KINDS = { prompt: "Prompt", reply: "Reply", request: "Request", note: "Note" };

function Found({ session, words }) {
  const about = [baseName(session.project), session.program, session.host, session.is_deleted && "deleted"];
  const hits = session.hits.filter((hit) => KINDS[hit.kind]);
  return html`<a class="row found" href=${addressOf(session.id)} data-item>
      ${session.is_pinned && html`<${Icon} name="pin" />`}
      <span class="names"><span class="title">${marked(session.title || session.id, words)}</span>
        <span class="activity">${about.filter(Boolean).join(" · ")}</span></span>
      <span class="numbers"><span class="cost">${costOf(session) || (session.tokens ? amount(session.tokens) : "")}</span>
        <span class="age">${session.touched ? timeOfDay(session.touched) : ""}</span></span>
      ${hits.map((hit) => html`<span class="hit"><b>${KINDS[hit.kind]}</b> ${marked(hit.text, words)}</span>`)}
      ${session.note && !hits.some((hit) => hit.kind === "note") && html`<span class="hit"><b>Note</b> ${session.note.replace(/[*_`#]/g, "")}</span>`}
      </a>
    ${session.tags.length > 0 && html`<p class="tags">${session.tags.map((tag) => html`<a class="badge" key=${tag}
      href=${tagHash(tag)}>${tag}</a>`)}</p>`}`;
}

/** Return a text with the words marked; of a long one, from shortly before the first word. */
function marked(text, words) {
  const escaped = words.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!escaped.length) return text;
  const parts = text.split(new RegExp(`(${escaped.join("|")})`, "iu"));
  if (parts.length > 1 && parts[0].length > LEAD) parts[0] = `…${parts[0].slice(-LEAD)}`;
  return parts.map((part, number) => (number % 2 ? html`<mark>${part}</mark>` : part));
}
