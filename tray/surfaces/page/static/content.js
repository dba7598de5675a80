// The contents of a session: messages, whose Markdown the server has parsed into plain values, and file changes.

import { h, html } from "/app/vendor/ui.js";
import { patchLine, timeOfDay } from "/app/text.js";

const TAGS = new Set(
  "p h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong s a br hr table thead tbody tr th td".split(" "),
);
const LOWER = { h1: "h4", h2: "h4", h3: "h5", h4: "h5", h5: "h6" }; // the page's own headings are above those of a message

/** Return elements for the nodes of tray/surfaces/page/markdown.py: only known tags, and only links have an address. */
export function elements(nodes) {
  return nodes.map((node) => {
    if (typeof node === "string") return node;
    const [tag, attributes, ...children] = node;
    if (!TAGS.has(tag)) return elements(children);
    const link = tag === "a" ? { href: attributes.href, rel: "noreferrer noopener", target: "_blank" } : {};
    const scrolls = tag === "pre" ? { tabindex: 0 } : {};
    const element = h(LOWER[tag] ?? tag, { ...link, ...scrolls }, elements(children));
    return tag === "table" ? h("div", { class: "table", tabindex: 0 }, element) : element;
  });
}

export function Messages({ messages }) {
  if (!messages.length) return html`<p class="note">This session has no messages.</p>`;
  return html`<ol class="messages">${messages.map(
    (message) => html`<li class=${message.author === "you" ? "own" : ""}>
    <header><b>${message.author === "you" ? "You" : message.author}</b> <time>
      ${message.at ? timeOfDay(message.at) : ""}</time></header>
    ${message.parts.map((part) =>
      part.nodes
        ? html`<div class="prose">${elements(part.nodes)}</div>`
        : html`<p class=${`tool ${part.status}`}><b>${part.tool}</b> <span>
          ${part.title === part.tool ? "" : part.title}</span> <small>
          ${part.status === "completed" ? "" : part.status}</small></p>`,
    )}
    ${message.error && html`<p class="warning">${message.error}</p>`}
  </li>`,
  )}</ol>`;
}

export function Changes({ files }) {
  if (!files.length) return html`<p class="note">This session has changed no files.</p>`;
  return files.map(
    (file) => html`<details class="file" key=${file.file} open=${files.length < 4}>
    <summary><code>${file.file}</code> <span class="plus">+${file.additions}</span> <span
      class="minus">−${file.deletions}</span></summary>
    <pre class="patch" tabindex="0">${file.lines.map(patchLine)}</pre>
  </details>`,
  );
}

const TODO_MARKS = { completed: "✓", in_progress: "◐", cancelled: "✕" };

export function Todos({ todos }) {
  return html`<ul class="todos">${todos.map((todo) => html`<li class=${todo.status}><span
    aria-label=${todo.status.replace("_", " ")}>
    ${TODO_MARKS[todo.status] ?? "○"}</span> ${todo.content}</li>`)}</ul>`;
}
