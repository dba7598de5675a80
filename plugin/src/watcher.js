import { HANDLERS } from "./handlers.js"
/** @import { Event, Requests, Trace } from "./types.d.ts" */

const MAX_TRACES = 300

/**
 * Follows the events of one directory and emits, trimmed, those that a tray needs.
 *
 * It also keeps what a snapshot cannot ask OpenCode for: which sessions were touched, and which requests are pending
 * (OpenCode 1.0 has no list of them). All of it is bounded.
 */
export class Watcher {
  /** @type {Map<string, Trace>} by session, the least recently touched first */
  traces = new Map()
  /** @type {Requests} */
  permissions = new Map()
  /** @type {Requests} */
  questions = new Map()
  #send
  #hasListener

  /**
   * @param {(event: Event) => void} send
   * @param {() => boolean} hasListener whether any tray is connected
   */
  constructor(send, hasListener) {
    this.#send = send
    this.#hasListener = hasListener
  }

  get hasListener() {
    return this.#hasListener()
  }

  /**
   * Take an event of OpenCode. Constant time, no I/O.
   * @param {any} event
   */
  handle(event) {
    HANDLERS[event?.type]?.(this, event.properties ?? {}, event.type)
  }

  /**
   * Send an event to the trays that are connected.
   * @param {string} type
   * @param {any} properties nothing is sent if they are undefined or false
   */
  emit(type, properties) {
    if (properties && this.hasListener) this.#send({ type, properties })
  }

  /**
   * Return the session's trace as the most recently touched one; create it if there is none.
   * @param {string} sessionID
   */
  trace(sessionID) {
    const found = this.traces.get(sessionID)
    if (found) this.traces.delete(sessionID)
    else if (this.traces.size >= MAX_TRACES) this.dropTrace(this.traces.keys().next().value)
    const trace = found ?? newTrace(sessionID)
    this.traces.set(sessionID, trace)
    return trace
  }

  /** @param {string | undefined} sessionID */
  dropTrace(sessionID) {
    if (sessionID === undefined) return
    this.traces.get(sessionID)?.timer?.cancel()
    this.traces.delete(sessionID)
  }

  /**
   * Forget the session's pending requests.
   * @param {string} sessionID
   */
  dropRequests(sessionID) {
    for (const requests of [this.permissions, this.questions])
      for (const [id, request] of requests) if (request.sessionID === sessionID) requests.delete(id)
  }

  /**
   * Return the statuses of the sessions that are not idle.
   * @returns {Record<string, any>}
   */
  activeStatuses() {
    const active = [...this.traces.values()].filter(({ status }) => status && status.type !== "idle")
    return Object.fromEntries(active.map(({ id, status }) => [id, status]))
  }

  stop() {
    for (const { timer } of this.traces.values()) timer?.cancel()
  }
}

/**
 * @param {string} sessionID
 * @returns {Trace}
 */
function newTrace(sessionID) {
  return {
    id: sessionID,
    isIdle: false,
    status: undefined,
    userMessage: "",
    assistantMessage: "",
    lastEnd: "",
    tools: new Map(),
    tool: undefined,
    reportedTool: "",
    text: undefined,
    reportedText: "",
    reportedPrompt: "",
    draftUntil: 0,
    reportedAt: 0,
    timer: undefined,
  }
}
