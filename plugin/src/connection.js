import { Channel } from "./channel.js"
import { CLOSE } from "./close-codes.js"
import { after } from "./timers.js"
import { SECOND } from "./values.js"
/** @import { Instance } from "./instance.js" */
/** @import { Endpoint, Event, Timer } from "./types.d.ts" */

const FIRST_WAIT = 2 * SECOND
const MAX_WAIT = 4 * SECOND // a tray that is back shows what is true within 5 s
const MAX_LOGGED = 5 // failures in a row

/**
 * Return the ms to wait after so many failures in a row: drawn from the upper half of a range that doubles up to 4 s.
 * All plugins lose a tray that restarts in the same moment, so the first wait is drawn at random as well.
 * @param {number} failures at least 1
 */
export function retryDelay(failures, random = Math.random()) {
  const most = Math.min(MAX_WAIT, FIRST_WAIT * 2 ** Math.max(0, failures - 2))
  return most * (0.5 + random / 2)
}

/** The connection of an instance to one tray. Connects again whenever it is lost. */
export class Connection {
  #instance
  #find
  #url = ""
  /** @type {Channel | undefined} */
  #channel
  #failures = 0
  /** @type {Timer | undefined} */
  #timer

  /**
   * @param {Instance} instance
   * @param {() => Promise<Endpoint>} find returns where the tray is now
   */
  constructor(instance, find) {
    this.#instance = instance
    this.#find = find
  }

  get isOpen() {
    return this.#channel?.isOpen ?? false
  }

  async connect() {
    if (this.#instance.isStopped || this.#channel) return
    const endpoint = await this.#find()
    this.#url = endpoint.url
    if (this.#instance.isStopped || this.#channel) return
    if (!endpoint.token) return this.#retry("no token")
    try {
      this.#channel = new Channel(endpoint, this.#instance, {
        onOpen: () => this.#opened(),
        onClose: (code) => this.#lost(code),
      })
    } catch (error) {
      this.#retry(`cannot connect: ${/** @type {Error} */ (error)?.name}`)
    }
  }

  close() {
    this.#timer?.cancel()
    this.#channel?.close()
    this.#channel = undefined
  }

  /** @param {Event} event */
  event(event) {
    this.#channel?.event(event)
  }

  #opened() {
    this.#failures = 0
    this.#instance.log(`connected to ${this.#url}`)
  }

  /** @param {number} code */
  #lost(code) {
    const isReplaced = this.isOpen && code === CLOSE.replaced // the tray has another connection of this instance
    this.#channel = undefined
    if (!isReplaced) this.#retry(`closed with ${code}`)
  }

  /** @param {string} reason */
  #retry(reason) {
    if (this.#instance.isStopped) return
    this.#failures += 1
    const wait = retryDelay(this.#failures)
    const line = `${this.#url} ${reason}, next attempt in ${Math.round(wait)} ms`
    if (this.#failures <= MAX_LOGGED) this.#instance.log(line)
    this.#timer = after(wait, () => this.connect())
  }
}
