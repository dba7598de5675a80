// The course of a session: its turns, and in each the tools, errors and requests, with who answered and how long it took.

import { html } from "/app/vendor/ui.js";
import { Loading, useRead } from "/app/reading.js";
import { costOf, dateTime, duration, revealed, timeOfDay } from "/app/text.js";

const READ = 100; // messages, for the tools of the last turns

/** Return the turns with what happened in them, the newest first. */
function turnsOf(stored, messages) {
  const tools = messages.flatMap((message) => message.parts.filter((part) => part.at));
  const errors = messages.filter((message) => message.error).map(({ at, error }) => ({ at, error }));
  const requests = stored.requests.map((request) => ({ ...request, at: request.asked }));
  const happened = [...tools, ...errors, ...requests].sort((one, other) => one.at - other.at);
  const turns = stored.turns.map((turn) => ({ ...turn, happened: [] }));
  const [before, running] = [{ happened: [] }, { happened: [] }]; // a turn is recorded when it ends
  const turnOf = (at) => (at > turns.at(-1)?.ended ? running : (turns.findLast((turn) => turn.started <= at) ?? before));
  for (const each of happened) turnOf(each.at).happened.push(each);
  return [before, ...turns, running].filter((turn) => turn.started || turn.happened.length).reverse();
}

/** `stored` is what the history knows. `change` differs whenever the session may have changed; undefined: it is not open. */
export function Timeline({ id, stored, problem, change }) {
  const { value } = useRead(change === undefined ? "" : id, `/messages?limit=${READ}`, change);
  if (problem) return html`<p class="note">${problem}</p>`;
  if (!stored)
    return html`<${Loading} what="the timeline" parts=${["tall"]} />`;
  const turns = turnsOf(stored, value?.messages ?? []);
  if (!turns.length) return html`<p class="note">No turn has been recorded yet.</p>`;
  return html`<ol class="timeline">${turns.map((turn) => html`<${Turn} key=${turn.started ?? turn.happened[0].at} turn=${turn} />`)}</ol>`;
}

const OUTCOMES = { completed: "", aborted: "stopped", failed: "failed" };

function Turn({ turn }) {
  const facts = turn.started && [
    duration(turn.ended - turn.started),
    costOf(turn, " est."),
    OUTCOMES[turn.outcome],
  ];
  return html`<li class=${turn.outcome ?? ""}>
    ${
      turn.started &&
      html`<header><time>${dateTime(turn.started)}</time> <span>${facts.filter(Boolean).join(" · ")}</span></header>
    ${turn.prompt && html`<p class="asked">${turn.prompt}</p>`}`
    }
    ${turn.happened.length > 0 && html`<ul>${turn.happened.map((each) => html`<${Happened} each=${each} />`)}</ul>`}
    ${turn.reply && html`<p class="reply">${turn.reply}</p>`}</li>`;
}

function Happened({ each }) {
  if (each.error) return html`<li class="warning">${each.error}</li>`;
  if (each.tool)
    return html`<li class="tool ${each.status}"><b>${each.tool}</b> <span>
      ${each.title === each.tool ? "" : each.title}</span> <small>
      ${[each.status === "completed" ? "" : each.status, each.took > 999 && duration(each.took)]
        .filter(Boolean)
        .join(" · ")}</small></li>`;
  return html`<li class="request"><time>${timeOfDay(each.asked)}</time> <b>${each.title || each.kind}</b>
    ${each.text && html` <code>${revealed(each.text)}</code>`} <small>${answer(each)}</small></li>`;
}

const VERDICTS = { once: "allowed once", always: "allowed always", reject: "rejected" };

/** Return who answered a request, and after what time. */
function answer({ asked, closed, verdict, surface }) {
  if (!closed) return "open";
  const how = VERDICTS[verdict] ?? (verdict || (surface ? "answered" : "closed"));
  const where = surface ? `in the ${surface}` : verdict ? "elsewhere" : "";
  return [how, where, `after ${duration(closed - asked)}`].filter(Boolean).join(" ");
}
