import { after } from "./timers.js"
import { SECOND } from "./values.js"
/** @import { Timer } from "./types.d.ts" */

/** The tray pings every 20 s: after three missing pings the connection is lost. */
export const MAX_SILENCE = 65 * SECOND

/** Calls `onSilence` when the tray has stopped pinging. Does nothing if the runtime does not show pings. */
export class Heartbeat {
  #onSilence
  #lastPing = 0 // ms of the clock that is never set
  /** @type {Timer | undefined} */
  #timer

  /** @param {() => void} onSilence */
  constructor(onSilence) {
    this.#onSilence = onSilence
  }

  /** Take a ping of the tray; the first one starts the watch. */
  pinged() {
    this.#lastPing = performance.now()
    if (!this.#timer) this.#checkLater()
  }

  stop() {
    this.#timer?.cancel()
  }

  #checkLater() {
    this.#timer = after(MAX_SILENCE / 2, () => {
      if (performance.now() - this.#lastPing > MAX_SILENCE) this.#onSilence()
      else this.#checkLater()
    })
  }
}
