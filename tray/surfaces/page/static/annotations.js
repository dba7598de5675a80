// What the user adds to a session in the history: a note, tags, and a pin.

import { html, signal } from "/app/vendor/ui.js";
import { call } from "/app/access.js";
import { elements } from "/app/content.js";
import { ask } from "/app/dialog.js";
import { Icon } from "/app/icons.js";
import { pathOf } from "/app/reading.js";
import { notify, scope } from "/app/store.js";

export const annotated = signal(null); // the answer to `/timeline` of the session that is shown

/** Return the commands that annotate the session that is shown. */
export function annotations() {
  const session = annotated.value?.session;
  if (!session || scope.value === "watch") return [];
  return [
    { name: "pin", label: session.is_pinned ? "Unpin" : "Pin" },
    { name: "note", label: session.note ? "Edit note" : "Add a note" },
    { name: "tags", label: "Tags" },
  ];
}

/** Ask for what is new if needed, and store it. */
export async function annotate(name) {
  const { session } = annotated.value;
  let body;
  if (name === "pin") body = { pinned: !session.is_pinned };
  else {
    const isNote = name === "note";
    const text = await ask({
      title: isNote ? "Note" : "Tags",
      input: isNote ? "Markdown; empty removes the note" : "Separated by commas; empty removes them",
      rows: isNote ? 8 : undefined,
      initial: isNote ? session.note : session.tags.join(", "),
      mayBeEmpty: true,
      action: "Save",
    });
    if (text === null) return;
    body = isNote ? { note: text.trim() } : { tags: text.split(",") };
  }
  try {
    const answer = await call("PUT", pathOf(session.id, "/annotation"), body);
    if (annotated.value?.session?.id === session.id) annotated.value = answer;
  } catch (error) {
    notify(error.message, true);
  }
}

export const tagHash = (tag) => `#/history/${new URLSearchParams({ tag })}`;

/** The note and the tags of the session that is shown. */
export function Annotations() {
  const { session, note } = annotated.value ?? {};
  if (!session) return null;
  return html`
    ${
      (session.is_pinned || session.tags.length > 0) &&
      html`<p class="tags">${session.is_pinned && html`<span class="badge"><${Icon} name="pin" /> pinned</span>`}
      ${session.tags.map((tag) => html`<a class="badge" key=${tag} href=${tagHash(tag)}>${tag}</a>`)}</p>`
    }
    ${note.length > 0 && html`<section class="remark prose" aria-label="Note">${elements(note)}</section>`}`;
}
