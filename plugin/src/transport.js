import { CLOSE } from "./close-codes.js"
import { FlowControl } from "./flow-control.js"
import { encode, MAX_FRAME } from "./frames.js"
import { Heartbeat } from "./heartbeat.js"
import { attempt } from "./timers.js"
/** @import { Log, Socket } from "./types.d.ts" */

/**
 * @typedef {object} Callbacks none is called after the end; one that fails ends the connection
 * @property {() => unknown} onOpen
 * @property {(frame: any) => unknown} onFrame with undefined for a text that is not JSON
 * @property {(code: number) => void} onClose called once, unless `close` is called
 */

/** One WebSocket that carries frames, with flow control and the tray's heartbeat. */
export class Transport {
  #callbacks
  #log
  #socket
  #flow
  #heartbeat = new Heartbeat(() => this.drop(CLOSE.silent))
  #isClosed = false

  /**
   * @param {string} url
   * @param {Log} log
   * @param {Callbacks} callbacks
   * @throws {SyntaxError} `url` is not a WebSocket URL
   */
  constructor(url, log, callbacks) {
    this.#callbacks = callbacks
    this.#log = log
    const socket = /** @type {Socket} */ (new WebSocket(url))
    this.#socket = socket
    this.#flow = new FlowControl(socket)
    socket.onopen = this.#guard(() => callbacks.onOpen())
    socket.onmessage = this.#guard(({ data }) => this.#receive(data))
    socket.onclose = this.#guard(({ code }) => this.#lost(code))
    socket.onerror = () => {} // `onclose` follows
    // Only Bun has these events, and the `ping()` that FlowControl needs.
    socket.addEventListener?.("ping", this.#guard(() => this.#heartbeat.pinged()))
    socket.addEventListener?.("pong", this.#guard(() => this.#flow.ponged()))
  }

  get isClosed() {
    return this.#isClosed
  }

  /** Bytes that the tray has not read. */
  get unread() {
    return this.#flow.unread
  }

  /** Close the connection when the tray stops pinging, if the runtime shows pings. */
  watchPings() {
    if (this.#socket.ping) this.#heartbeat.pinged()
  }

  /**
   * Send a frame. Return false if it is too large.
   * @param {any} frame
   */
  send(frame) {
    const text = encode(frame)
    if (text === undefined) return false
    try {
      this.#socket.send(text)
      this.#flow.sent(text.length)
    } catch (error) {
      this.#log(`cannot send: ${/** @type {Error} */ (error)?.name}`)
    }
    return true
  }

  /** Close without a call of `onClose`. Returns at once. */
  close(code = CLOSE.normal) {
    this.#isClosed = true
    this.#heartbeat.stop()
    attempt(() => {
      if (code === CLOSE.silent && this.#socket.terminate) this.#socket.terminate() // frees what was never read
      else this.#socket.close(code)
    })
  }

  /**
   * Close for a reason, without waiting for the tray, which may never answer.
   * @param {number} code
   */
  drop(code) {
    if (this.#isClosed) return
    this.close(code)
    this.#callbacks.onClose(code)
  }

  /** @param {number} code */
  #lost(code) {
    this.#isClosed = true
    this.#heartbeat.stop()
    this.#callbacks.onClose(code)
  }

  /** @param {unknown} data */
  #receive(data) {
    if (typeof data !== "string") return this.drop(CLOSE.unexpected)
    if (data.length > MAX_FRAME) return this.drop(CLOSE.tooBig)
    let frame
    try {
      frame = JSON.parse(data)
    } catch {}
    return this.#callbacks.onFrame(frame)
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

  /** @param {any} error */
  #failed(error) {
    this.#log(`failed: ${error?.name}`)
    this.drop(CLOSE.unexpected)
  }
}
