/** The calls that a tray may make (PROTOCOL.md, "Calls"). There is no other way from the tray into OpenCode. */
import { NotFoundError, ParameterError, UnsupportedError } from "./errors.js"
import { wishesOf } from "./handshake.js"
import { rejectQuestion, replyToPermission, replyToQuestion } from "./request-calls.js"
import * as session from "./session-calls.js"
import { isRecord, MAX_LINE, truncate } from "./values.js"
/** @import { Feed } from "./feed.js" */
/** @import { OpenCode } from "./opencode.js" */
/** @import { Watcher } from "./watcher.js" */

/** @typedef {{ opencode: OpenCode, watcher: Watcher, feed: Feed }} Context */
/** @typedef {(context: Context, params: any) => Promise<any>} Method checks its parameters and returns the result */

const MAX_CALLS = 4 // at once
const MAX_IDS = 100 // of calls that are remembered

/** Error codes: the first two are JSON-RPC's. */
const CODES = { noMethod: -32601, badParameters: -32602, refused: -32000, notFound: -32001, unsupported: -32002 }

/** @type {Method} */
async function snapshot({ feed }) {
  await feed.sendSnapshot()
  return {}
}

/** @type {Method} */
async function wishes({ feed }, params) {
  feed.wishes = wishesOf(params)
  return {}
}

/** @type {Record<string, Method | undefined>} */
const METHODS = {
  // @ts-expect-error: no inherited keys such as "constructor"
  __proto__: null,
  snapshot,
  wishes,
  "permission.reply": replyToPermission,
  "question.reply": replyToQuestion,
  "question.reject": rejectQuestion,
  "session.messages": session.readMessages,
  "session.draft": session.readDraftOf,
  "session.todo": session.readTodos,
  "session.diff": session.readDiff,
  "session.abort": session.abortSession,
  "session.delete": session.deleteSession,
  "session.fork": session.forkSession,
  "session.update": session.updateSession,
  "session.create": session.createSession,
  "session.prompt": session.promptSession,
  "tui.select": session.selectSession,
}

/** Answers the calls of one tray. */
export class CallServer {
  #context
  #running = 0
  /** @type {Set<number>} ids of the newest calls */
  #ids = new Set()

  /** @param {Context} context */
  constructor(context) {
    this.#context = context
  }

  /**
   * Return the answer to a call; undefined if the frame is not a call.
   * @param {any} frame
   */
  async answer(frame) {
    if (!isRecord(frame) || !Number.isInteger(frame.id) || typeof frame.method !== "string") return undefined
    if (this.#isCopy(frame.id)) return undefined
    if (this.#running >= MAX_CALLS) return failure(frame.id, CODES.refused, "too many calls at once")
    this.#running += 1
    try {
      return await this.#call(frame.id, frame.method, frame.params)
    } finally {
      this.#running -= 1
    }
  }

  /**
   * Whether a call has been served: a relay on the way may send a frame twice, and a prompt must not be sent twice.
   * @param {number} id
   */
  #isCopy(id) {
    if (this.#ids.has(id)) return true
    this.#ids.add(id)
    if (this.#ids.size > MAX_IDS) this.#ids.delete([...this.#ids][0])
    return false
  }

  /**
   * Return what is sent instead of an answer that does not fit into a frame.
   * @param {{ id: number }} answer
   */
  tooLarge({ id }) {
    return failure(id, CODES.refused, "the answer is larger than 4 MiB")
  }

  /**
   * @param {number} id
   * @param {string} name
   * @param {any} params
   */
  async #call(id, name, params) {
    const method = METHODS[name]
    if (!method) return failure(id, CODES.noMethod, "no such method")
    try {
      return { id, result: await method(this.#context, params) }
    } catch (error) {
      return failureOf(id, error)
    }
  }
}

/**
 * @param {number} id
 * @param {number} code
 * @param {string} message
 * @param {number} [status] OpenCode's HTTP status
 */
function failure(id, code, message, status) {
  return { id, error: { code, message: truncate(message, MAX_LINE), ...(status && { status }) } }
}

/**
 * @param {number} id
 * @param {any} error
 */
function failureOf(id, error) {
  const message = String(error?.message)
  if (error instanceof ParameterError) return failure(id, CODES.badParameters, message)
  if (error instanceof UnsupportedError) return failure(id, CODES.unsupported, message)
  if (error instanceof NotFoundError || error?.status === 404) return failure(id, CODES.notFound, message)
  return failure(id, CODES.refused, message, error?.status)
}
