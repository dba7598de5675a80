/** Calls that answer a pending permission or question. */
import { NotFoundError, RefusedError, UnsupportedError } from "./errors.js"
import { askNow } from "./opencode.js"
import { checkParameters, isId, isMessage } from "./parameters.js"
import { listOrNothing } from "./values.js"
/** @import { Method } from "./calls.js" */
/** @import { Call, OpenCode } from "./opencode.js" */
/** @import { Requests } from "./types.d.ts" */

const REPLIES = ["once", "always", "reject"]
const MAX_ANSWERS = 50 // questions of one request, and choices of one question

/**
 * Make a call that OpenCode answers with `true`. It may answer a path that it does not know with its web page.
 * @param {Call} call
 * @throws {UnsupportedError}
 */
export async function expectTrue(call) {
  if ((await askNow(call)) !== true) throw new UnsupportedError("this OpenCode cannot do that")
  return {}
}

/**
 * Return the pending request. Not every version refuses to answer a request that is not pending.
 * @param {OpenCode} opencode
 * @param {Requests} seen
 * @param {string} url of OpenCode's list
 * @param {string} requestID
 * @throws {NotFoundError}
 */
async function pendingRequest(opencode, seen, url, requestID) {
  if (seen.has(requestID)) return seen.get(requestID)
  const listed = opencode.isOld ? [] : listOrNothing(await askNow(() => opencode.get(url)))
  if (!listed) throw new RefusedError("OpenCode did not list its pending requests")
  const request = listed.find((item) => item?.id === requestID)
  if (!request) throw new NotFoundError("the request is no longer pending")
  return request
}

/** @type {Method} */
export async function replyToPermission({ opencode, watcher }, params) {
  const { requestID, reply, message } = checkParameters(params, {
    requestID: isId,
    reply: (value) => REPLIES.includes(value),
    "message?": (text) => isMessage(text),
  })
  const { sessionID } = await pendingRequest(opencode, watcher.permissions, "/permission", requestID)
  if (!opencode.isOld) {
    const body = { reply, ...(message && { message }) }
    return expectTrue(() => opencode.post("/permission/{requestID}/reply", { requestID }, body))
  }
  if (message) throw new UnsupportedError("this OpenCode takes no message with a rejection")
  const path = { id: sessionID, permissionID: requestID }
  return expectTrue(() => opencode.post("/session/{id}/permissions/{permissionID}", path, { response: reply }))
}

/** @type {Method} */
export async function replyToQuestion({ opencode, watcher }, params) {
  const isListOf = (/** @type {any} */ value, /** @type {(item: any) => boolean} */ isValid) =>
    Array.isArray(value) && value.length <= MAX_ANSWERS && value.every(isValid)
  const isAnswer = (/** @type {any} */ value) => isListOf(value, (text) => isMessage(text))
  const { requestID, answers } = checkParameters(params, {
    requestID: isId,
    answers: (value) => isListOf(value, isAnswer) && value.length > 0,
  })
  await pendingRequest(opencode, watcher.questions, "/question", requestID)
  return expectTrue(() => opencode.post("/question/{requestID}/reply", { requestID }, { answers }))
}

/** @type {Method} */
export async function rejectQuestion({ opencode, watcher }, params) {
  const { requestID } = checkParameters(params, { requestID: isId })
  await pendingRequest(opencode, watcher.questions, "/question", requestID)
  return expectTrue(() => opencode.post("/question/{requestID}/reject", { requestID }, {}))
}
