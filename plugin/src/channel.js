import { CallServer } from "./calls.js"
import { CLOSE } from "./close-codes.js"
import { Feed } from "./feed.js"
import { Handshake } from "./handshake.js"
import { after } from "./timers.js"
import { Transport } from "./transport.js"
import { SECOND } from "./values.js"
import { PROTOCOL } from "./version.js"
/** @import { Instance } from "./instance.js" */
/** @import { Endpoint, Event } from "./types.d.ts" */

const WELCOME_TIMEOUT = 10 * SECOND // from the attempt to connect; the tray waits 5 s for each frame of the handshake

/**
 * @typedef {object} Callbacks
 * @property {() => void} onOpen the handshake is done
 * @property {(code: number) => void} onClose called once, unless `close` is called
 */

/** One connection to a tray from its handshake to its end: snapshots and events out, calls in. */
export class Channel {
  #instance
  #callbacks
  #transport
  #timeout
  /** @type {Handshake | undefined} */
  #handshake
  /** @type {{ feed: Feed, calls: CallServer } | undefined} after the handshake */
  #services

  /**
   * @param {Endpoint} endpoint
   * @param {Instance} instance
   * @param {Callbacks} callbacks
   * @throws {SyntaxError} the endpoint's URL is not a WebSocket URL
   */
  constructor({ url, token, key }, instance, callbacks) {
    this.#instance = instance
    this.#callbacks = callbacks
    this.#transport = new Transport(url, instance.log, {
      onOpen: () => this.#hello(token, key),
      onFrame: (frame) => this.#receive(frame),
      onClose: (code) => this.#lost(code),
    })
    this.#timeout = after(WELCOME_TIMEOUT, () => this.#transport.drop(CLOSE.silent))
  }

  get isOpen() {
    return this.#services !== undefined
  }

  /** @param {Event} event */
  event(event) {
    this.#services?.feed.event(event)
  }

  /** Say goodbye and close. Returns at once. */
  close() {
    if (this.isOpen) this.#transport.send({ type: "goodbye" })
    this.#stop()
    this.#transport.close()
  }

  /**
   * @param {string} token
   * @param {string} key
   */
  async #hello(token, key) {
    const { id } = this.#instance
    const fields = await this.#instance.hello()
    if (this.#transport.isClosed) return
    this.#handshake = new Handshake(token, id)
    this.#transport.send({ type: "hello", protocol: PROTOCOL, instance: id, nonce: this.#handshake.nonce, ...(key && { key }), ...fields })
  }

  /** @param {any} frame */
  #receive(frame) {
    if (frame === undefined) return this.#transport.drop(CLOSE.unexpected) // it was changed on the way
    if (this.#services) return this.#answer(this.#services.calls, frame)
    const next = this.#handshake?.receive(frame) ?? { close: CLOSE.unexpected }
    if ("send" in next) this.#transport.send(next.send)
    else if ("close" in next) this.#transport.drop(next.close)
    else this.#welcomed(next)
  }

  /** @param {import("./handshake.js").Welcome} welcome */
  #welcomed({ wishes, isNumbered }) {
    this.#timeout.cancel()
    const transport = this.#transport
    const { opencode, watcher } = this.#instance
    const feed = new Feed(this.#instance, {
      send: (frame) => transport.send(frame),
      unread: () => transport.unread,
      onStuck: () => transport.drop(CLOSE.silent),
    })
    feed.wishes = wishes
    feed.isNumbered = isNumbered
    const calls = new CallServer({ opencode, watcher, feed })
    this.#services = { feed, calls }
    this.#callbacks.onOpen()
    transport.watchPings()
    feed.sendSnapshot()
  }

  /**
   * @param {CallServer} calls
   * @param {any} frame
   */
  async #answer(calls, frame) {
    const answer = await calls.answer(frame)
    if (!answer || this.#transport.isClosed) return
    if (!this.#transport.send(answer)) this.#transport.send(calls.tooLarge(answer))
  }

  /** @param {number} code */
  #lost(code) {
    this.#stop()
    this.#callbacks.onClose(code)
  }

  #stop() {
    this.#timeout.cancel()
    this.#services?.feed.close()
  }
}
