// One session: what it does, its requests, its commands, and its contents.

import { html, signal, useEffect, useState } from "/app/vendor/ui.js";
import { call } from "/app/access.js";
import { annotate, annotated, Annotations, annotations } from "/app/annotations.js";
import { Changes, Messages, Todos } from "/app/content.js";
import { Draft } from "/app/draft.js";
import { ask } from "/app/dialog.js";
import { Icon, Mark } from "/app/icons.js";
import { Child, Context } from "/app/live.js";
import { addressOf } from "/app/pages.js";
import { PastSession } from "/app/past_session.js";
import { Loading, pathOf, useRead } from "/app/reading.js";
import { RequestCard } from "/app/requests.js";
import { entries, goTo, isOpen, notify, now, scope } from "/app/store.js";
import { age, amount, counted, money } from "/app/text.js";
import { Timeline } from "/app/timeline.js";

const TABS = [
  ["messages", "Messages"],
  ["timeline", "Timeline"],
  ["diff", "Changes"],
  ["facts", "Details"],
];

const ANNOTATIONS = new Set(["pin", "note", "tags"]);

export const opened = signal(null); // the details of the session that is shown, for the palette

/** Run a command on a session; ask for its text, or for a confirmation of one that destroys something. */
export async function run(session, command) {
  if (ANNOTATIONS.has(command.name)) return annotate(command.name);
  let body = {};
  if (["prompt", "new", "rename"].includes(command.name)) {
    const isPrompt = command.name !== "rename";
    const text = await ask({
      title: command.label.replace("…", ""),
      input: isPrompt ? "Prompt" : "Title",
      rows: isPrompt ? 4 : undefined,
      initial: isPrompt ? "" : session.title,
      action: isPrompt ? (command.name === "new" ? "Start" : "Send") : "Rename",
    });
    if (text === null) return;
    body = isPrompt ? { text } : { title: text };
  } else if (command.confirm && !(await ask({ title: `${command.confirm}?`, action: command.label, isDanger: true })))
    return;
  try {
    const isDelete = command.name === "delete";
    const result = isDelete
      ? await call("DELETE", pathOf(session.id), { confirm: command.confirm })
      : await call("POST", pathOf(session.id, `/${command.name}`), { ...body, ...command.body });
    notify(result.message, !result.ok);
    if (isDelete && result.ok) goTo("#/");
    if (["fork", "new"].includes(command.name) && result.id) goTo(addressOf(result.id));
  } catch (error) {
    notify(error.message, true);
  }
}

/** Return all commands of the session that is shown. */
export function commands(found) {
  if (scope.value !== "act") return annotations();
  return [
    { name: "attach", label: "Open in its terminal" },
    ...found.commands,
    found.muted
      ? { name: "unmute", label: "Unmute" }
      : { name: "mute", label: "Mute for 2 hours", body: { duration: "2h" } },
    ...(["error", "completed"].includes(found.session.status) ? [{ name: "dismiss", label: "Dismiss" }] : []),
    ...annotations(),
  ];
}

export function Session({ id }) {
  const [tab, setTab] = useState("messages");
  const live =
    entries.value.get(`session:${id}`) ??
    [...entries.value.values()].find((entry) => entry.children?.some((child) => child.id === id));
  const change =
    live &&
    JSON.stringify([
      live.status,
      live.messages,
      live.activity,
      live.todos,
      live.files,
      live.title,
      live.children.length,
      live.requests.length,
    ]);
  const isPast = !live && entries.value.size > 0;
  const { value: found, problem } = useRead(isPast ? "" : id, "", change);
  const { value: stored, problem: unreadable } = useRead(id, "/timeline", tab === "timeline" ? change : live?.status);
  useEffect(() => {
    opened.value = found;
    return () => (opened.value = null);
  }, [found]);
  useEffect(() => {
    annotated.value = stored;
    return () => (annotated.value = null);
  }, [stored]);
  if (isPast && stored?.session) return html`<${PastSession} stored=${stored} />`;
  if (isPast ? stored || unreadable : problem)
    return html`<div class="empty"><h2>${isPast && stored ? "This session is gone" : "It cannot be read"}</h2>
    <p>${isPast ? unreadable || "It was deleted, or its server has ended, and the history does not have it." : problem}</p><a
      class="button" href="#/">All sessions</a></div>`;
  if (!found || !live)
    return html`<${Loading} what="the session" parts=${["", "tall"]} />`;
  const isRoot = live.id === id;
  const shown = isRoot ? live : { ...live, ...live.children.find((child) => child.id === id) };
  const requests = live.requests.filter((request) => isRoot || request.session === id);
  return html`<article class="session">
    <${Head} session=${shown} root=${live} isRoot=${isRoot} found=${found} />
    ${requests.map(
      (request) => html`<${RequestCard} key=${request.seen} session=${live} request=${request}
      withSession=${false} />`,
    )}
    ${
      isRoot &&
      live.children.length > 0 &&
      html`<details class="part" open=${live.children.length < 6}><summary>
        ${counted(live.children.length, "subagent session", "subagent sessions")}</summary>
      <ul class="children">${live.children.map((child) => html`<${Child} key=${child.id} child=${child} />`)}</ul>
        </details>`
    }
    ${
      found.todos.length > 0 &&
      html`<details class="part" open><summary>Todos <small>
      ${live.todos[0]} of ${live.todos[1]} done</small></summary><${Todos} todos=${found.todos} /></details>`
    }
    <div class="tabs" role="tablist" aria-label="Contents">${TABS.map(
      ([name, label]) => html`<button role="tab" id=${`tab-${name}`} aria-selected=${tab === name}
      aria-controls="contents" onClick=${() => setTab(name)}>
        ${label}${name === "diff" && live.files[0] ? html` <small>${live.files[0]}</small>` : ""}</button>`,
    )}</div>
    <div id="contents" role="tabpanel" aria-labelledby=${`tab-${tab}`}>
      ${
        tab === "facts"
          ? html`<${Facts} found=${found} />`
          : html`<${Contents} id=${id} kind=${tab}
        change=${change} isWorking=${shown.status === "busy"} stored=${stored} problem=${unreadable} />`
      }</div>
    ${isRoot && commands(found).some((command) => command.name === "prompt") && html`<${Prompt} session=${live} />`}
  </article>`;
}

function Head({ session, root, isRoot, found }) {
  const numbers = [
    session.tokens && isRoot && `${amount(session.tokens)} tokens`,
    money(session.cost),
    session.messages && isRoot && counted(session.messages, "message", "messages"),
  ];
  return html`<header class="head">
    <a class="back" href=${isRoot ? "#/" : addressOf(root.id)}><${Icon} name="back" />
      ${isRoot ? "All sessions" : root.title}</a>
    <h2>${session.title}</h2>
    <p class="state"><${Mark} status=${session.status} name="" /><b>
      ${session.status_name}</b> ${age(session.since, now.value)}
      ${session.activity && html`<span class="activity">${session.activity}</span>`}</p>
    <p class="where">
      ${[root.project, root.branch, root.agent_kind, root.model, root.host].filter(Boolean).join(" · ")}</p>
    <p class="where numbers">${
      isRoot &&
      root.context !== null &&
      html`<${Context} percent=${root.context} /> <span>
      ${Math.round(root.context)} % of the context</span>`
    }
      ${numbers.filter(Boolean).map((text) => html`<span>${text}</span>`)}</p>
    ${isRoot && root.read_only && html`<p class="note">Read-only: ${root.read_only}.</p>`}
    ${isRoot && html`<${Annotations} />`}
    ${
      isRoot &&
      html`<div class="buttons">${commands(found)
        .filter(({ name }) => name !== "prompt")
        .map(
          (command) => html`<button key=${command.name}
      class=${command.name === "delete" ? "quiet-danger" : "quiet"} disabled=${!isOpen.value}
        onClick=${() => run(found.session, command)}>${command.label}</button>`,
        )}</div>`
    }
  </header>`;
}

function Contents({ id, kind, change, isWorking, stored, problem }) {
  if (kind === "timeline")
    return html`<${Timeline} id=${id} stored=${stored} problem=${problem} change=${change} />`;
  return html`<${Read} id=${id} kind=${kind} change=${change} isWorking=${isWorking} />`;
}

function Read({ id, kind, change, isWorking }) {
  const { value, problem } = useRead(id, kind === "diff" ? "/diff" : "/messages?limit=30", change);
  if (problem) return html`<p class="note">${problem}</p>`;
  if (!value)
    return html`<${Loading} what="the contents" parts=${["", "tall"]} />`;
  return kind === "diff"
    ? html`<${Changes} files=${value.files} />`
    : html`<${Messages} messages=${value.messages} />${isWorking && html`<${Draft} id=${id} />`}`;
}

function Facts({ found }) {
  return html`<ul class="facts">${found.details.map(({ text }) => html`<li>${text}</li>`)}<li><code>${found.id}</code>
    </li></ul>`;
}

function Prompt({ session }) {
  const [text, setText] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    if (!text.trim() || !isOpen.value) return;
    setText("");
    try {
      const result = await call("POST", pathOf(session.id, "/prompt"), { text });
      notify(result.message, !result.ok);
      if (!result.ok) setText(text);
    } catch (error) {
      notify(error.message, true);
      setText(text);
    }
  };
  return html`<form class="prompt" onSubmit=${submit}>
    <textarea rows="1" aria-label="Prompt" placeholder="Prompt…" value=${text}
      onInput=${(event) => setText(event.target.value)}
      onKeyDown=${(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && submit(event)}></textarea>
    <button class="primary" disabled=${!text.trim() || !isOpen.value}>Send</button>
  </form>`;
}
