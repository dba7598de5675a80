// Questions to the user before something that cannot be undone, and texts that a command needs.

import { html, signal, useLayoutEffect, useRef, useState } from "/app/vendor/ui.js";

const asked = signal(null); // {title, text, action, isDanger, input, rows, initial, mayBeEmpty, resolve}

/** Ask the user. Returns true, or the text if `input` names one; false or null if the user cancelled. */
export const ask = (question) => new Promise((resolve) => (asked.value = { ...question, resolve }));

export const isAsking = () => asked.value !== null;

export function Dialog() {
  const question = asked.value;
  const dialog = useRef(null);
  useLayoutEffect(() => {
    if (question) dialog.current.showModal();
    else dialog.current.close();
  }, [question]);
  const finish = (answer) => {
    asked.value = null;
    question.resolve(answer);
  };
  const cancel = () => finish(question.input ? null : false);
  return html`<dialog ref=${dialog} class="ask" aria-labelledby="ask-title" onCancel=${(event) => {
    event.preventDefault();
    cancel();
  }}>${question && html`<${Form} question=${question} finish=${finish} cancel=${cancel} />`}</dialog>`;
}

function Form({ question, finish, cancel }) {
  const [text, setText] = useState(question.initial ?? "");
  const submit = (event) => {
    event.preventDefault();
    if (!question.input) finish(true);
    else if (text.trim() || question.mayBeEmpty) finish(text);
  };
  const isEnd = (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey || !question.rows);
  return html`<form onSubmit=${submit}>
      <h2 id="ask-title">${question.title}</h2>
      ${question.text && html`<p>${question.text}</p>`}
      ${
        question.input &&
        html`<label>${question.input}
        <textarea rows=${question.rows ?? 1} value=${text} onInput=${(event) => setText(event.target.value)}
          onKeyDown=${(event) => isEnd(event) && submit(event)}></textarea></label>`
      }
      <div class="buttons">
        <button type="button" onClick=${cancel}>Cancel</button>
        <button type="submit" class=${question.isDanger ? "danger" : "primary"}>${question.action}</button>
      </div>
    </form>`;
}
