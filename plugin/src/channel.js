import { CallServer } from "./calls.js"
import { Feed } from "./feed.js"
import { FlowControl } from "./flow-control.js"
import { encode, MAX_FRAME } from "./frames.js"
import { CLOSE, Handshake } from "./handshake.js"
import { Heartbeat } from "./heartbeat.js"
import { after, attempt } from "./timers.js"
import { SECOND } from "./values.js"
import { PROTOCOL } from "./version.js"
/** @import { Instance } from "./instance.js" */
/** @import { Event, Socket } from "./types.d.ts" */

const WELCOME_TIMEOUT = 10 * SECOND // from the attempt to connect; the tray waits 5 s for each frame of the handshake

/**
 * @typedef {object} Callbacks
 * @property {() => void} onOpen the tray has welcomed us
 * @property {(code: number) => void} onClose called once, unless `close` is called
 */

/** One WebSocket to a tray: the handshake, then snapshots and events out, and calls in. */
export class Channel {
  #instance
  #callbacks
  #socket
  #flow
  #heartbeat
  #timeout
  /** @type {Handshake | undefined} */
  #handshake
  /** @type {Feed | undefined} there is one after the handshake */
  #feed
  /** @type {CallServer | undefined} */
  #calls
  #isClosed = false

  /**
   * @param {string} url
   * @param {string} token
   * @param {Instance} instance
   * @param {Callbacks} callbacks
   * @throws {SyntaxError} `url` is not a WebSocket URL
   */
  constructor(url, token, instance, callbacks) {
    this.#instance = instance
    this.#callbacks = callbacks
    const socket = /** @type {Socket} */ (new WebSocket(url))
    this.#socket = socket
    this.#flow = new FlowControl(socket)
    this.#heartbeat = new Heartbeat(() => this.#drop(CLOSE.silent))
    this.#timeout = after(WELCOME_TIMEOUT, () => this.#drop(CLOSE.silent))
    socket.onopen = this.#guard(() => this.#hello(token))
    socket.onmessage = this.#guard(({ data }) => this.#receive(data))
    socket.onclose = this.#guard(({ code }) => this.#lost(code))
    socket.onerror = () => {} // `onclose` follows
    // Only Bun has these events, and the `ping()` that FlowControl needs.
    socket.addEventListener?.("ping", this.#guard(() => this.#heartbeat.pinged()))
    socket.addEventListener?.("pong", this.#guard(() => this.#flow.ponged()))
  }

  get isOpen() {
    return this.#feed !== undefined
  }

  /** @param {Event} event */
  event(event) {
    this.#feed?.event(event)
  }

  /** Say goodbye and close. Returns at once. */
  close() {
    if (this.isOpen) this.#send({ type: "goodbye" })
    this.#end()
    attempt(() => this.#socket.close(CLOSE.normal))
  }

  /**
   * Return a listener that does nothing after the end, and drops the connection if it fails.
   * @param {(event: any) => unknown} act
   */
  #guard(act) {
    return (/** @type {any} */ event) => {
      if (!this.#isClosed) attempt(() => act(event), (error) => this.#failed(error))
    }
  }

  /** @param {string} token */
  async #hello(token) {
    const fields = await this.#instance.hello()
    if (this.#isClosed) return
    this.#handshake = new Handshake(token, this.#instance.id)
    this.#send({ type: "hello", protocol: PROTOCOL, instance: this.#instance.id, nonce: this.#handshake.nonce, ...fields })
  }

  /** @param {unknown} data */
  #receive(data) {
    if (typeof data !== "string") return this.#drop(CLOSE.unexpected)
    if (data.length > MAX_FRAME) return this.#drop(CLOSE.tooBig)
    /** @type {any} */
    let frame
    try {
      frame = JSON.parse(data)
    } catch {}
    if (this.#calls) return this.#answer(this.#calls, frame)
    const next = this.#handshake?.receive(frame) ?? { close: CLOSE.unexpected }
    if ("send" in next) this.#send(next.send)
    else if ("close" in next) this.#drop(next.close)
    else this.#welcomed()
  }

  #welcomed() {
    this.#timeout.cancel()
    const feed = new Feed(this.#instance, {
      send: (frame) => this.#send(frame),
      unread: () => this.#flow.unread,
      onStuck: () => this.#drop(CLOSE.silent),
    })
    const { opencode, watcher } = this.#instance
    this.#feed = feed
    this.#calls = new CallServer({ opencode, watcher, sendSnapshot: () => feed.sendSnapshot() })
    this.#callbacks.onOpen()
    if (this.#socket.ping) this.#heartbeat.pinged() // where pings can be seen, the watch starts now
    feed.sendSnapshot()
  }

  /**
   * @param {CallServer} calls
   * @param {any} frame
   */
  async #answer(calls, frame) {
    const answer = await calls.answer(frame)
    if (answer && !this.#isClosed && !this.#send(answer)) this.#send(calls.tooLarge(answer))
  }

  /**
   * Send a frame, unless it is too large.
   * @param {any} frame
   */
  #send(frame) {
    const text = encode(frame)
    if (text === undefined) return false
    try {
      this.#socket.send(text)
      this.#flow.sent(text.length)
    } catch (error) {
      this.#instance.log(`cannot send: ${/** @type {Error} */ (error)?.name}`)
    }
    return true
  }

  /** @param {any} error */
  #failed(error) {
    this.#instance.log(`failed: ${error?.name}`)
    this.#drop(CLOSE.unexpected)
  }

  /**
   * Close for a reason, without waiting for the tray, which may never answer.
   * @param {number} code
   */
  #drop(code) {
    if (this.#isClosed) return
    this.#lost(code)
    attempt(() => {
      if (code === CLOSE.silent && this.#socket.terminate) this.#socket.terminate() // frees what was never read
      else this.#socket.close(code)
    })
  }

  /** @param {number} code */
  #lost(code) {
    this.#end()
    this.#callbacks.onClose(code)
  }

  #end() {
    this.#isClosed = true
    this.#timeout.cancel()
    this.#heartbeat.stop()
    this.#feed?.close()
  }
}
