/** Frames as text. */
import { isText } from "./values.js"
/** @import { Snapshot } from "./types.d.ts" */

export const MAX_FRAME = 4 * 1024 * 1024 // bytes

/** JSON's spelling of half a surrogate pair, as left by cutting a text within an emoji. */
const HALF_CHARACTER = /\\ud[89a-f]/

/**
 * Return the frame's text; undefined if it is larger than a frame may be. Half characters become U+FFFD.
 * @param {any} frame
 */
export function encode(frame) {
  const repair = (/** @type {string} */ _, /** @type {any} */ value) => (isText(value) ? value.toWellFormed() : value)
  let text = JSON.stringify(frame)
  if (HALF_CHARACTER.test(text)) text = JSON.stringify(frame, repair)
  if (text.length > MAX_FRAME) return undefined
  return text.length > MAX_FRAME / 4 && Buffer.byteLength(text) > MAX_FRAME ? undefined : text
}

/**
 * Remove what a snapshot can do without until it fits into a frame. The tray keeps what it knows of an absent section.
 * @param {Snapshot} snapshot
 */
export function shrink(snapshot) {
  const fits = () => Buffer.byteLength(JSON.stringify(snapshot)) <= MAX_FRAME
  if (!fits()) delete snapshot.todos
  if (!fits()) for (const session of snapshot.sessions ?? []) delete session.digest
  return snapshot
}
