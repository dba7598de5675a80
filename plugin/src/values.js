/** Checks and limits for values of unknown shape. Nothing here throws. */

export const SECOND = 1_000 // ms
export const DAY = 24 * 3_600 * SECOND
export const MAX_TEXT = 2_000 // characters of any string that is sent
export const MAX_LINE = 200 // characters of a line of output
export const MAX_LIST = 200 // entries of any list that is sent
const MAX_FIELDS = 100 // of any object that is sent
const MAX_DEPTH = 8

/** @param {any} value @returns {value is string} */
export const isText = (value) => typeof value === "string" && value !== ""

/** @param {any} value @returns {value is Record<string, any>} */
export const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Return the value if it is a list. OpenCode answers a path that it does not know with its web page.
 * @param {any} value
 * @returns {any[] | undefined}
 */
export const listOrNothing = (value) => (Array.isArray(value) ? value : undefined)

/** @param {string} text */
export const truncate = (text, most = MAX_TEXT) => (text.length > most ? text.slice(0, most) : text)

/**
 * Return `value` with long strings, long lists and deep nesting cut.
 * @param {any} value
 * @param {() => void} onCut called if anything was cut
 * @returns {any}
 */
export function truncateDeep(value, onCut = () => {}, depth = MAX_DEPTH) {
  if (typeof value === "string") {
    if (value.length > MAX_TEXT) onCut()
    return truncate(value)
  }
  if (typeof value !== "object" || value === null) return value
  const isList = Array.isArray(value)
  const entries = isList ? value : Object.entries(value)
  const most = isList ? MAX_LIST : MAX_FIELDS
  if (depth === 0 || entries.length > most) onCut()
  if (depth === 0) return undefined
  if (isList) return value.slice(0, most).map((item) => truncateDeep(item, onCut, depth - 1))
  return Object.fromEntries(entries.slice(0, most).map(([key, item]) => [key, truncateDeep(item, onCut, depth - 1)]))
}

/**
 * Return the named fields of `value` that are not undefined, null or "".
 * @param {any} value
 * @param {string[]} names
 */
export function pick(value, names) {
  /** @type {Record<string, any>} */
  const picked = {}
  for (const name of names) {
    const field = value[name]
    if (field === undefined || field === null || field === "") continue
    picked[name] = typeof field === "string" ? truncate(field) : field
  }
  return picked
}

/**
 * Return the extension of a file in lower case, such as ".py"; "" if it has none, or a strange one.
 * @param {string} path
 */
export const extensionOf = (path) => (/[^/\\](\.[A-Za-z0-9]{1,12})$/.exec(path)?.[1] ?? "").toLowerCase()

/**
 * Return the end of a text that is long enough for `lastLine`.
 * @param {string} text
 */
export const tailOf = (text) => text.slice(-4 * MAX_LINE)

/**
 * Return the last line of `text` that is not blank.
 * @param {string} text
 */
export function lastLine(text) {
  const tail = tailOf(text).trimEnd()
  return truncate(tail.slice(tail.lastIndexOf("\n") + 1).trim(), MAX_LINE)
}
