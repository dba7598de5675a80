import { EDITED, PROMPT_WRITTEN } from "./activity.js"
import { MAX_UNREAD } from "./flow-control.js"
import { shrink } from "./frames.js"
import { SERVICES_CHANGED } from "./handlers.js"
import { MAX_SILENCE } from "./heartbeat.js"
import { tryAsk } from "./opencode.js"
import { SentState } from "./sent-state.js"
import { readLimits, SECTIONS } from "./snapshot.js"
import { after, attempt } from "./timers.js"
import { trimServices } from "./trim.js"
import { isRecord, SECOND } from "./values.js"
/** @import { Instance } from "./instance.js" */
/** @import { Event, Snapshot, Timer } from "./types.d.ts" */

const MAX_QUEUE = 500 // events that wait for a snapshot
const CATCH_UP_INTERVAL = SECOND
const SERVICES_INTERVAL = SECOND
const FIRST_RETRY = 2 * SECOND // of a snapshot that is not complete; doubled each time
const MAX_RETRIES = 5

/**
 * @typedef {object} Output a connection that is open
 * @property {(frame: any) => boolean} send returns whether the frame was small enough
 * @property {() => number} unread bytes that the tray has not read
 * @property {() => void} onStuck called if the tray has not read anything for a minute
 */

/** Sends the state of an instance to one tray: a snapshot, then events. */
export class Feed {
  #instance
  #output
  #isClosed = false
  #sent = new SentState()
  /** @type {Promise<void> | undefined} the snapshot that is being taken */
  #snapshot
  /** @type {Event[] | undefined} events that follow the snapshot that is being taken */
  #queue
  #isBehind = false // events were dropped
  #retries = 0
  #hasLimits = false
  #number = 0 // of the last frame that was sent
  /** @type {Record<string, Timer | undefined>} by what they do next */
  #timers = {}
  /** @type {import("./handshake.js").Wishes} */
  wishes = { prompts: false, edits: false }
  isNumbered = false // whether the tray asks for the number of each frame

  /**
   * @param {Instance} instance
   * @param {Output} output
   */
  constructor(instance, output) {
    this.#instance = instance
    this.#output = output
  }

  close() {
    this.#isClosed = true
    for (const timer of Object.values(this.#timers)) timer?.cancel()
  }

  /**
   * Send what is new in an event, after the snapshot if one is being taken.
   * @param {Event} event
   */
  event(event) {
    if (this.#isClosed) return
    if (event.type === SERVICES_CHANGED) return this.#sendServicesSoon()
    if (event.type === EDITED && !this.wishes.edits) return
    if (event.type === PROMPT_WRITTEN) {
      if (!this.wishes.prompts) return
      event = { ...event, type: "message.part.updated" }
    }
    if (this.#queue) return this.#enqueue(this.#queue, event)
    if (this.#isBehind) return
    if (this.#output.unread() > MAX_UNREAD) return this.#fallBehind()
    const changes = this.#sent.changes(event)
    if (changes) this.#send([changes.type, changes.properties])
    if (event.type === "session.status" && !this.#hasLimits) attempt(() => this.#sendLimits())
  }

  /**
   * @param {Event[]} queue
   * @param {Event} event
   */
  #enqueue(queue, event) {
    if (queue.length < MAX_QUEUE) queue.push(event)
    else this.#isBehind = true
  }

  /** Send a snapshot and the events that happen meanwhile. While one is being taken, no second one is started. */
  sendSnapshot() {
    this.#snapshot ??= this.#sendSnapshot().catch(() => {}).then(() => (this.#snapshot = undefined))
    return this.#snapshot
  }

  async #sendSnapshot() {
    /** @type {Event[]} */
    const queue = (this.#queue = [])
    this.#isBehind = false
    const snapshot = await this.#instance.snapshot().catch((error) => this.#instance.log(`no snapshot: ${error?.name}`))
    if (this.#isClosed) return
    if (snapshot && this.#send(shrink(snapshot))) this.#sent = new SentState(snapshot)
    this.#queue = undefined
    if (this.#isBehind) this.#fallBehind()
    else for (const event of queue) this.event(event)
    this.#retryIfIncomplete(snapshot ?? {})
    if (!this.#hasLimits && this.#instance.watcher.traces.size) await this.#sendLimits()
  }

  /** @param {Partial<Snapshot>} snapshot */
  #retryIfIncomplete(snapshot) {
    if (SECTIONS.every((name) => name in snapshot)) this.#retries = 0
    else if (this.#retries < MAX_RETRIES) {
      this.#later("retry", FIRST_RETRY * 2 ** this.#retries, () => this.sendSnapshot())
      this.#retries += 1
    }
  }

  /** Drop events, and send a snapshot as soon as the tray has read enough. */
  #fallBehind(since = performance.now()) {
    this.#isBehind = true
    if (this.#timers.catchUp) return
    this.#later("catchUp", CATCH_UP_INTERVAL, () => {
      if (!this.#isBehind) return
      if (this.#output.unread() <= MAX_UNREAD / 2) return this.sendSnapshot()
      if (performance.now() - since > MAX_SILENCE) return this.#output.onStuck()
      this.#fallBehind(since)
    })
  }

  /** Send the context sizes once, when a session works: before, OpenCode would need a second to load its models. */
  async #sendLimits() {
    this.#hasLimits = true
    const limits = await readLimits(this.#instance.opencode)
    if (this.#isClosed) return
    if (limits) this.#send({ type: "snapshot", limits })
    else this.#hasLimits = false
    this.#sendServicesSoon()
  }

  #sendServicesSoon() {
    if (!this.#timers.services) this.#later("services", SERVICES_INTERVAL, () => this.#sendServices())
  }

  /** Send the state of the MCP and LSP servers. OpenCode starts them when it is asked, so this waits for a session. */
  async #sendServices() {
    const { opencode } = this.#instance
    if (opencode.isOld) return
    const mcp = await tryAsk(() => opencode.get("/mcp"))
    const lsp = await tryAsk(() => opencode.get("/lsp"))
    if (this.#isClosed) return
    /** @type {Record<string, any>} */
    const services = {}
    if (isRecord(mcp)) services.mcp = trimServices(mcp)
    if (Array.isArray(lsp)) services.lsp = trimServices(lsp)
    if (Object.keys(services).length) this.#send({ type: "snapshot", ...services })
  }

  /**
   * Send a frame; return false if it is too large. The numbers ascend by 1, so the tray finds out what was lost on the way.
   * @param {any} frame
   */
  #send(frame) {
    if (!this.isNumbered) return this.#output.send(frame)
    const number = this.#number + 1
    const isSent = this.#output.send(Array.isArray(frame) ? [...frame, number] : { ...frame, number })
    if (isSent) this.#number = number
    return isSent
  }

  /**
   * @param {string} name
   * @param {number} ms
   * @param {() => unknown} act
   */
  #later(name, ms, act) {
    this.#timers[name]?.cancel()
    this.#timers[name] = after(ms, () => {
      this.#timers[name] = undefined
      return act()
    })
  }
}
