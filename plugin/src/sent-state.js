import { MAX_LIST } from "./values.js"
/** @import { Event, Snapshot } from "./types.d.ts" */

const MAX_ENTRIES = 5 * MAX_LIST

/** Fields that a session info leaves out when they are 0, as they are sent once they have been something else. */
const ZEROS = { cost: 0, tokens: {}, summary: { additions: 0, deletions: 0, files: 0 } }

/** @param {any} a @param {any} b */
const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b)

/** What a connection has sent of sessions and statuses, so that only changes are sent. */
export class SentState {
  /** @type {Map<string, any>} */
  #sessions = new Map()
  /** @type {Map<string, string>} JSON by session */
  #statuses = new Map()
  /** @type {string | undefined} status of the sessions that are not in the map: unknown, or idle after a snapshot */
  #defaultStatus

  /** @param {Partial<Snapshot>} snapshot that was sent */
  constructor({ sessions = [], status } = {}) {
    for (const { digest, ...info } of sessions) this.#sessions.set(info.id, info)
    for (const [sessionID, value] of Object.entries(status ?? {})) this.#statuses.set(sessionID, JSON.stringify(value))
    this.#defaultStatus = status && '{"type":"idle"}'
  }

  /**
   * Return the event without what was sent before; undefined if nothing is left. The caller sends what is returned.
   * @param {Event} event
   * @returns {Event | undefined}
   */
  changes(event) {
    const { type, properties } = event
    if (type === "session.created" || type === "session.updated") return this.#sessionChanges(type, properties.info)
    if (type === "session.status") return this.#isNewStatus(properties) ? event : undefined
    if (type === "message.updated") return { type, properties: { info: this.#messageChanges(properties.info) } }
    if (type === "session.deleted") {
      this.#sessions.delete(properties.info.id)
      this.#statuses.delete(properties.info.id)
    }
    return event
  }

  /** @param {any} properties */
  #isNewStatus({ sessionID, status }) {
    const before = this.#statuses.get(sessionID) ?? this.#defaultStatus
    const now = JSON.stringify(status)
    this.#statuses.set(sessionID, now)
    return before !== now
  }

  /**
   * Leave out agent and model if the session has the same.
   * @param {any} info
   */
  #messageChanges(info) {
    const { agent, modelID, providerID, ...rest } = info
    const session = this.#sessions.get(info.sessionID)
    if (!session || !modelID) return info
    const model = { id: modelID, providerID }
    if (session.agent === agent && session.model?.id === modelID && session.model.providerID === providerID) return rest
    this.#sessions.set(info.sessionID, { ...session, agent, model })
    return info
  }

  /**
   * @param {string} type
   * @param {any} info
   */
  #sessionChanges(type, info) {
    const before = this.#sessions.get(info.id)
    const archived = info.time?.archived ?? 0
    if (archived) {
      this.#sessions.delete(info.id)
      return before && { type, properties: { info: { id: info.id, time: { archived } } } }
    }
    this.#makeRoom()
    if (!before || type === "session.created") {
      this.#sessions.set(info.id, info)
      return { type, properties: { info } }
    }
    const now = { ...before, ...info }
    for (const [name, zero] of Object.entries(ZEROS)) if (name in before && !(name in info)) now[name] = zero
    this.#sessions.set(info.id, now)
    /** @type {Record<string, any>} */
    const changed = { id: info.id }
    for (const [name, value] of Object.entries(now))
      if (name !== "time" && !isSame(value, before[name])) changed[name] = value
    if (before.time?.archived) changed.time = { archived }
    return Object.keys(changed).length > 1 ? { type, properties: { info: changed } } : undefined
  }

  #makeRoom() {
    if (this.#sessions.size > MAX_ENTRIES) this.#sessions.clear()
    if (this.#statuses.size > MAX_ENTRIES) {
      this.#statuses.clear()
      this.#defaultStatus = undefined
    }
  }
}
