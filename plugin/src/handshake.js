/** The handshake: both sides prove that they have the token, and the token itself is not sent (PROTOCOL.md). */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { CLOSE } from "./close-codes.js"
import { PROTOCOL } from "./version.js"

/** @typedef {{ prompts: boolean, edits: boolean }} Wishes whether the beginning of prompts and changes of files are sent */
/** @typedef {{ welcomed: true, wishes: Wishes, isNumbered: boolean }} Welcome */

/** The plugin's side of one handshake. */
export class Handshake {
  #token
  #instance
  /** @type {"challenge" | "welcome"} the frame that has to come next */
  #expected = "challenge"

  /** Sent with `hello`. */
  nonce = randomBytes(32).toString("hex")

  /**
   * @param {string} token
   * @param {string} instance id
   */
  constructor(token, instance) {
    this.#token = token
    this.#instance = instance
  }

  /**
   * Take the tray's next frame. Return the frame to `send`, or the code to `close` with, or that the tray `welcomed` us.
   * @param {any} frame
   * @returns {{ send: object } | { close: number } | Welcome}
   */
  receive(frame) {
    if (frame?.type !== this.#expected) return { close: CLOSE.unexpected }
    if (frame.type === "welcome") return { welcomed: true, wishes: wishesOf(frame), isNumbered: frame.numbers === true }
    const { nonce, proof } = frame
    const isTrusted = /^[0-9a-f]{64}$/.test(nonce) && isEqual(this.#proof("tray", nonce), String(proof))
    if (!isTrusted) return { close: CLOSE.untrusted }
    this.#expected = "welcome"
    return { send: { type: "auth", proof: this.#proof("plugin", nonce) } }
  }

  /**
   * @param {"tray" | "plugin"} side
   * @param {string} trayNonce
   */
  #proof(side, trayNonce) {
    const text = `opencode-tray ${PROTOCOL} ${side}\n${this.#instance}\n${this.nonce}\n${trayNonce}`
    return createHmac("sha256", this.#token).update(text).digest("hex")
  }
}

/**
 * Return what the tray asks for in a `welcome`, or in a call of `wishes`.
 * @param {any} frame
 * @returns {Wishes}
 */
export function wishesOf(frame) {
  return { prompts: frame?.prompts === true, edits: frame?.edits === true }
}

/**
 * Compare two texts in constant time.
 * @param {string} a
 * @param {string} b
 */
function isEqual(a, b) {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
