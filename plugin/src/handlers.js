import { endTurn, handleDelta, handlePart, takeNewLine } from "./activity.js"
import { addRequest, closeRequest } from "./requests.js"
import { trimAssistant, trimError, trimSession, trimStatus, trimTodos } from "./trim.js"
import { isText, pick, truncate } from "./values.js"
/** @import { Watcher } from "./watcher.js" */

/** The event type for a change of the MCP or LSP servers. It is the plugin's own and is not sent to the tray. */
export const SERVICES_CHANGED = "services"

/** @typedef {(watcher: Watcher, properties: any, type: string) => void} Handler */

/** @type {Handler} */
function sessionChanged(watcher, { info }, type) {
  const session = trimSession(info)
  watcher.emit(type, session && { info: session })
}

/** @type {Handler} */
function sessionDeleted(watcher, { info }, type) {
  if (!isText(info?.id)) return
  watcher.dropTrace(info.id)
  watcher.dropRequests(info.id)
  watcher.emit(type, { info: { id: info.id } })
}

/** @type {Handler} */
function statusChanged(watcher, properties, type) {
  const trimmed = trimStatus(properties)
  if (!trimmed) return
  const trace = watcher.trace(trimmed.sessionID)
  trace.status = trimmed.status
  trace.isIdle = trimmed.status.type === "idle"
  if (trace.isIdle) {
    endTurn(trace)
    watcher.dropRequests(trace.id)
  }
  watcher.emit(type, trimmed)
}

/**
 * Report a user's message once and an assistant's when it ends. OpenCode sends both many times.
 * @type {Handler}
 */
function messageChanged(watcher, { info }, type) {
  if (!isText(info?.id) || !isText(info.sessionID)) return
  const trace = watcher.trace(info.sessionID)
  if (info.role === "user") {
    if (info.id <= trace.userMessage) return
    trace.userMessage = info.id
    return watcher.emit(type, { info: pick(info, ["id", "sessionID", "role"]) })
  }
  if (info.role !== "assistant") return
  if (info.id > trace.assistantMessage) trace.assistantMessage = info.id
  if (!info.time?.completed && !info.error) return
  const message = trimAssistant(info)
  const end = `${message.id} ${message.finish} ${message.error?.name} ${message.tokens?.output}`
  if (end === trace.lastEnd) return
  trace.lastEnd = end
  const output = takeNewLine(watcher, trace)
  watcher.emit(type, { info: output ? { ...message, output } : message })
}

/** @type {Handler} */
const permissionAsked = (watcher, properties, type) => addRequest(watcher, watcher.permissions, type, properties)
/** @type {Handler} */
const permissionClosed = (watcher, properties, type) => closeRequest(watcher, watcher.permissions, type, properties)
/** @type {Handler} */
const questionAsked = (watcher, properties, type) => addRequest(watcher, watcher.questions, type, properties)
/** @type {Handler} */
const questionClosed = (watcher, properties, type) => closeRequest(watcher, watcher.questions, type, properties)
/** @type {Handler} */
const servicesChanged = (watcher) => watcher.emit(SERVICES_CHANGED, {})

/**
 * The handler of each event type. Events of other types are dropped.
 * @type {Record<string, Handler | undefined>}
 */
export const HANDLERS = {
  // @ts-expect-error: no inherited keys such as "constructor"
  __proto__: null,
  "session.created": sessionChanged,
  "session.updated": sessionChanged,
  "session.deleted": sessionDeleted,
  "session.status": statusChanged,
  "session.error": (watcher, properties, type) => watcher.emit(type, trimError(properties)),
  "permission.asked": permissionAsked,
  "permission.updated": permissionAsked,
  "permission.replied": permissionClosed,
  "question.asked": questionAsked,
  "question.replied": questionClosed,
  "question.rejected": questionClosed,
  "todo.updated": (watcher, { sessionID, todos }, type) =>
    watcher.emit(type, isText(sessionID) && Array.isArray(todos) && { sessionID, todos: trimTodos(todos) }),
  "message.updated": messageChanged,
  "message.part.updated": (watcher, { part }) => handlePart(watcher, part),
  "message.part.delta": handleDelta,
  "mcp.tools.changed": servicesChanged,
  "lsp.updated": servicesChanged,
  "vcs.branch.updated": (watcher, { branch }, type) =>
    watcher.emit(type, isText(branch) && { branch: truncate(branch) }),
}
