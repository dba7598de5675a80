// The cards of requests that wait for the user: what is asked, exactly, and the answers.

import { html, useLayoutEffect, useRef, useState } from "/app/vendor/ui.js";
import { call } from "/app/access.js";
import { Mark } from "/app/icons.js";
import { isOpen, notify, now, unpair, waiting, waitingChangedAt, scope } from "/app/store.js";
import { age, exactText, revealed } from "/app/text.js";

const SETTLE = 700; // ms in which no click answers after a card appeared or disappeared: another one moved there

const STATES = { permission: "waiting_for_permission", question: "waiting_for_answer" };

/** Send an answer that is bound to what this page shows of the request. Returns whether the server took it. */
export async function answer(request, reply) {
  try {
    const result = await call("POST", `/api/requests/${encodeURIComponent(request.id)}/reply`, {
      ...reply,
      seen: request.seen,
    });
    notify(result.message, !result.ok);
    return result.ok;
  } catch (error) {
    if (error.status === 401) unpair("This browser is no longer paired.");
    else notify(error.message, true);
    return false;
  }
}

const hasMoved = () => performance.now() - waitingChangedAt < SETTLE;

export function RequestCard({ session, request, withSession = true }) {
  const [sending, setSending] = useState(false);
  const card = useRef(null);
  useLayoutEffect(
    () => () => {
      if (card.current?.contains(document.activeElement))
        requestAnimationFrame(() => document.querySelector("[data-item]")?.focus({ preventScroll: true }));
    },
    [],
  );
  const position = waiting.value.findIndex((other) => other.request === request) + 1;
  const isBusy = sending || request.sending || !isOpen.value;
  const send = async (reply, event) => {
    if (isBusy) return;
    if (event?.detail && hasMoved()) {
      notify("The cards have just moved. Look again, then answer", true);
      return;
    }
    setSending(true);
    await answer(request, reply);
    setSending(false);
  };
  const kind = request.kind === "permission" ? "Permission" : "Question";
  const readOnly = request.read_only
    ? `Read-only: ${request.read_only}`
    : scope.value === "watch" && "This browser may only watch";
  return html`<article class=${`card ${request.kind}`} ref=${card} tabindex="-1" data-item data-request=${request.id}
      aria-label=${`${kind}: ${request.title}, ${session.title}`}>
    <header>
      <${Mark} status=${STATES[request.kind]} name=${kind} />
      <h3>${request.title || kind}</h3>
      <span class="place">
        ${withSession && waiting.value.length > 1 ? `${position} of ${waiting.value.length} · ` : ""}${age(request.asked_at, now.value)}</span>
    </header>
    ${
      withSession &&
      html`<p class="source"><a href=${`#/s/${encodeURIComponent(session.id)}`}>${session.title}</a>
      <span>${[session.project, session.branch, session.agent_kind].filter(Boolean).join(" · ")}</span></p>`
    }
    ${request.subagent && html`<p class="source"><span>Asked by the subagent “${request.subagent}”</span></p>`}
    ${request.kind === "permission" && exactText(request.detail)}
    ${
      !request.readable &&
      html`<p
      class="warning">It cannot be shown in full here${request.read_only ? "" : ": open its terminal to allow it"}.</p>`
    }
    ${
      request.unreliable &&
      html`<p
      class="warning">This version of OpenCode may ignore answers that are sent from here.</p>`
    }
    ${request.refusal && html`<p class="warning">${request.refusal}</p>`}
    ${
      readOnly
        ? html`<p class="note">${readOnly}.</p>${
            request.kind === "question" &&
            html`<${Questions}
          request=${request} isReadOnly />`
          }`
        : request.kind === "permission"
          ? html`<${Permission} request=${request} send=${send} isBusy=${isBusy} />`
          : html`<${Questions} request=${request} send=${send} isBusy=${isBusy} />`
    }
    ${(sending || request.sending) && html`<p class="note" role="status">Sending…</p>`}
  </article>`;
}

function Permission({ request, send, isBusy }) {
  const [step, setStep] = useState(""); // "", "always" or "message"
  const message = useRef(null);
  if (step === "always")
    return html`<div class="step">
      <p>Do not ask again for:</p>
      <ul class="patterns">${request.always.map((pattern) => html`<li><code>${revealed(pattern)}</code></li>`)}</ul>
      <div class="buttons">
        <button class="primary" data-focus disabled=${isBusy}
          onClick=${(event) => send({ reply: "always" }, event)}>Confirm: always allow</button>
        <button onClick=${() => setStep("")}>Back</button>
      </div>
    </div>`;
  if (step === "message") {
    const submit = (event) => {
      event.preventDefault();
      send({ reply: "reject", message: message.current.value.trim() }, event);
    };
    return html`<form class="step" onSubmit=${submit}>
      <label>What should the agent do instead?
        <textarea ref=${message} rows="2" data-focus
          onKeyDown=${(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && submit(event)}>
          </textarea></label>
      <div class="buttons"><button class="danger" disabled=${isBusy}>Reject</button><button type="button"
        onClick=${() => setStep("")}>Back</button></div>
    </form>`;
  }
  return html`<div class="buttons">
    ${
      request.readable &&
      html`<button class="primary" data-key="a" disabled=${isBusy}
      onClick=${(event) => send({ reply: "once" }, event)}>Allow once</button>`
    }
    ${
      request.may_be_always &&
      scope.value === "act" &&
      html`<button data-key="A" disabled=${isBusy}
      onClick=${() => setStep("always")}>Always…</button>`
    }
    <span class="space"></span>
    <button class="quiet-danger" data-key="r" disabled=${isBusy}
      onClick=${(event) => send({ reply: "reject" }, event)}>Reject</button>
    ${
      request.takes_message &&
      html`<button class="quiet" data-key="m" disabled=${isBusy}
      onClick=${() => setStep("message")}>With a message…</button>`
    }
  </div>`;
}

function Questions({ request, send, isBusy, isReadOnly = false }) {
  const [chosen, setChosen] = useState(request.questions.map(() => []));
  const [typed, setTyped] = useState(request.questions.map(() => ""));
  const change = (number, labels, text = typed[number]) => {
    setChosen(chosen.map((old, other) => (other === number ? labels : old)));
    setTyped(typed.map((old, other) => (other === number ? text : old)));
  };
  const answers = chosen.map((labels, number) => (typed[number].trim() ? [...labels, typed[number].trim()] : labels));
  const isComplete = answers.every((given) => given.length);
  const submit = (event) => {
    event.preventDefault();
    if (isComplete) send({ answers }, event);
  };
  return html`<form class="questions" onSubmit=${submit}>
    ${request.questions.map(
      (question, number) => html`<fieldset disabled=${isReadOnly || isBusy}>
      <legend>${
        question.header &&
        question.header !== request.title &&
        html`<b>
        ${question.header} </b>`
      }${revealed(question.question)}</legend>
      ${question.options.map(
        (option, index) => html`<label class="option">
        <input type=${question.multiple ? "checkbox" : "radio"} name=${`${request.id}-${number}`}
          data-key=${number === 0 && index < 9 ? String(index + 1) : undefined}
          checked=${chosen[number].includes(option.label)}
          onChange=${(event) => {
            const others = question.multiple ? chosen[number].filter((label) => label !== option.label) : [];
            change(
              number,
              event.target.checked ? [...others, option.label] : others,
              question.multiple ? undefined : "",
            );
          }} />
        <span><b>${revealed(option.label)}</b>${
          option.description &&
          html`<small>
          ${revealed(option.description)}</small>`
        }</span></label>`,
      )}
      ${
        question.custom &&
        !isReadOnly &&
        html`<label class="own">Your own answer
        <input type="text" autocomplete="off" value=${typed[number]}
          onInput=${(event) => change(number, question.multiple ? chosen[number] : [], event.target.value)} />
            </label>`
      }
    </fieldset>`,
    )}
    ${
      !isReadOnly &&
      html`<div class="buttons">
      ${request.readable && html`<button class="primary" disabled=${isBusy || !isComplete}>Send</button>`}
      <span class="space"></span>
      <button type="button" class="quiet-danger" data-key="r" disabled=${isBusy}
        onClick=${(event) => send({ reject: true }, event)}>Reject</button>
    </div>`
    }
  </form>`;
}
