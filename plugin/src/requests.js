/** Pending permissions and questions, kept up to date from events. */
import { trimRequest, withCommand } from "./trim.js"
import { isText, pick } from "./values.js"
/** @import { Requests } from "./types.d.ts" */
/** @import { Watcher } from "./watcher.js" */

const MAX_REQUESTS = 200

/**
 * Return the id of the tool call that a permission is for.
 * @param {any} request
 */
const callOf = (request) => request.tool?.callID ?? request.callID

/**
 * Keep a request until it is answered, and report it.
 * @param {Watcher} watcher
 * @param {Requests} requests
 * @param {string} type
 * @param {any} properties
 */
export function addRequest(watcher, requests, type, properties) {
  const trimmed = trimRequest(properties)
  if (!trimmed) return
  const call = watcher.trace(trimmed.sessionID).tools.get(callOf(trimmed))
  const request = withCommand(trimmed, call?.command)
  const [oldest] = requests.keys()
  if (oldest !== undefined && requests.size >= MAX_REQUESTS) requests.delete(oldest)
  requests.set(request.id, request)
  watcher.emit(type, request)
}

/**
 * Forget a request that was answered, and report that.
 * @param {Watcher} watcher
 * @param {Requests} requests
 * @param {string} type
 * @param {any} properties
 */
export function closeRequest(watcher, requests, type, properties) {
  requests.delete(properties.requestID ?? properties.permissionID)
  if (!isText(properties.sessionID)) return
  watcher.emit(type, pick(properties, ["sessionID", "requestID", "permissionID", "reply", "response"]))
}

/**
 * Add a tool's command to the permission that was asked for it, and report the permission again.
 * @param {Watcher} watcher
 * @param {string} sessionID
 * @param {string} call
 * @param {string} command
 */
export function addCommand(watcher, sessionID, call, command) {
  for (const [id, request] of watcher.permissions) {
    if (request.sessionID !== sessionID || callOf(request) !== call) continue
    const completed = withCommand(request, command)
    if (completed === request) continue
    watcher.permissions.set(id, completed)
    watcher.emit("permission.asked", completed)
  }
}
