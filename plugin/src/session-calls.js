/** Calls that read or change one session. */
import { readDraft } from "./activity.js"
import { NotFoundError, ParameterError, UnsupportedError } from "./errors.js"
import { ask } from "./opencode.js"
import { checkParameters, isId, isMessage } from "./parameters.js"
import { expectTrue } from "./request-calls.js"
import { listOrNothing, MAX_LIST, pick, truncateDeep } from "./values.js"
/** @import { Method } from "./calls.js" */
/** @import { OpenCode } from "./opencode.js" */

const MAX_PROMPT = 50_000 // characters
const MAX_TITLE = 200 // characters
const DEFAULT_MESSAGES = 50

/**
 * Return a function that calls OpenCode's `session` namespace for the session in `params`. Not every version refuses a
 * session that does not exist.
 * @param {{ opencode: OpenCode }} context
 * @param {any} params
 * @throws {NotFoundError}
 */
async function existingSession({ opencode }, params) {
  const { sessionID } = checkParameters(params, { sessionID: isId })
  const found = await ask(() => opencode.session("get", sessionID))
  if (found?.id !== sessionID) throw new NotFoundError("no such session")
  return (/** @type {string} */ name, /** @type {{ query?: any, body?: any }} */ options = {}) =>
    ask(() => opencode.session(name, sessionID, options))
}

/** @type {Method} */
export async function readMessages(context, params) {
  const isLimit = (/** @type {any} */ count) => Number.isInteger(count) && count >= 1 && count <= MAX_LIST
  const { limit = DEFAULT_MESSAGES } = checkParameters(params, { "limit?": isLimit })
  const call = await existingSession(context, params)
  const messages = listOrNothing(await call("messages", { query: { limit } })) ?? []
  return truncateDeep(messages.slice(-limit))
}

/** @type {Method} */
export async function readTodos(context, params) {
  const call = await existingSession(context, params)
  return truncateDeep(listOrNothing(await call("todo")) ?? [])
}

/**
 * Return the session's changes. OpenCode 1.18 has them for each prompt only: then those of the newest prompt.
 * @type {Method}
 */
export async function readDiff(context, params) {
  const call = await existingSession(context, params)
  const whole = listOrNothing(await call("diff"))
  const newest = context.watcher.traces.get(params.sessionID)?.userMessage
  if (whole?.length || !newest) return truncateDeep(whole ?? [])
  return truncateDeep(listOrNothing(await call("diff", { query: { messageID: newest } })) ?? [])
}

/** @type {Method} */
export async function abortSession(context, params) {
  const call = await existingSession(context, params)
  await call("abort")
  return {}
}

/** @type {Method} */
export async function deleteSession(context, params) {
  const call = await existingSession(context, params)
  await call("abort") // otherwise its status stays busy
  await call("delete")
  return {}
}

/** @type {Method} */
export async function forkSession(context, params) {
  const { messageID } = checkParameters(params, { "messageID?": isId })
  const call = await existingSession(context, params)
  const forked = await call("fork", { body: messageID ? { messageID } : {} })
  return pick(forked ?? {}, ["id", "title"])
}

/** @type {Method} */
export async function updateSession(context, params) {
  const { title, archived } = checkParameters(params, {
    "title?": (text) => isMessage(text, MAX_TITLE),
    "archived?": (time) => Number.isInteger(time) && time >= 0,
  })
  if (title === undefined && archived === undefined) throw new ParameterError("needs title or archived")
  const call = await existingSession(context, params)
  await call("update", { body: { ...(title && { title }), ...(archived !== undefined && { time: { archived } }) } })
  return {}
}

/**
 * Start a turn; return before it ends.
 * @type {Method}
 */
export async function promptSession(context, params) {
  const { text } = checkParameters(params, { text: (value) => isMessage(value, MAX_PROMPT) })
  const call = await existingSession(context, params)
  await call("promptAsync", { body: { parts: [{ type: "text", text }] } })
  return {}
}

/**
 * Return the text that is being written, without a call to OpenCode.
 * @type {Method}
 */
export async function readDraftOf({ watcher }, params) {
  const { sessionID } = checkParameters(params, { sessionID: isId })
  return { text: readDraft(watcher.traces.get(sessionID)) }
}

/**
 * Start a session with a prompt, beside an existing one; return before its turn ends.
 * @type {Method}
 */
export async function createSession(context, params) {
  const { text } = checkParameters(params, { text: (value) => isMessage(value, MAX_PROMPT) })
  await existingSession(context, params)
  const created = await ask(() => context.opencode.createSession())
  if (!isId(created?.id)) throw new UnsupportedError("this OpenCode created no session")
  await ask(() => context.opencode.session("promptAsync", created.id, { body: { parts: [{ type: "text", text }] } }))
  return pick(created, ["id", "title"])
}

/**
 * Show the session in the terminal UIs of this OpenCode.
 * @type {Method}
 */
export async function selectSession({ opencode }, params) {
  const { sessionID } = checkParameters(params, { sessionID: isId })
  if (opencode.isOld) throw new UnsupportedError("this OpenCode cannot switch its terminal UI")
  return expectTrue(() => opencode.post("/tui/select-session", {}, { sessionID }))
}
