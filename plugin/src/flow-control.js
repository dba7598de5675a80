/** @import { Socket } from "./types.d.ts" */

/** Bytes that the tray may leave unread before events are dropped. */
export const MAX_UNREAD = 1024 * 1024
const PING_AFTER = MAX_UNREAD / 4 // bytes

/**
 * Counts the bytes that the tray has not read. Bun's `bufferedAmount` is always 0, so a WebSocket ping is sent from time
 * to time: what was sent before a ping was read when its pong arrives.
 */
export class FlowControl {
  #socket
  #unread = 0
  #beforePing = 0 // bytes sent before the ping that has no pong yet; 0: there is no such ping

  /** @param {Socket} socket */
  constructor(socket) {
    this.#socket = socket
  }

  get unread() {
    return Math.max(this.#socket.bufferedAmount, this.#unread)
  }

  /** @param {number} bytes */
  sent(bytes) {
    if (!this.#socket.ping) return
    this.#unread += bytes
    this.#pingIfNeeded()
  }

  ponged() {
    this.#unread -= this.#beforePing
    this.#beforePing = 0
    this.#pingIfNeeded()
  }

  #pingIfNeeded() {
    if (this.#unread < PING_AFTER || this.#beforePing) return
    this.#beforePing = this.#unread
    this.#socket.ping?.()
  }
}
