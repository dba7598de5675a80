/** OpenCode, as its plugins can call it. */
import { RefusedError, UnsupportedError } from "./errors.js"
import { after, nextTurn } from "./timers.js"
import { SECOND } from "./values.js"

const CALL_TIMEOUT = 5 * SECOND // calls take 1–15 ms

/** @typedef {() => Promise<any>} Call */

/**
 * Return the data that a call answers with, for calls that the user does not wait for.
 * @param {Call} call
 * @throws {RefusedError} it failed or took longer than `timeout` ms
 */
export async function ask(call, timeout = CALL_TIMEOUT) {
  await nextTurn() // the thread is OpenCode's: let it work between two calls
  return askNow(call, timeout)
}

/**
 * Return the data that a call answers with.
 * @param {Call} call
 * @throws {RefusedError} it failed or took longer than `timeout` ms
 */
export async function askNow(call, timeout = CALL_TIMEOUT) {
  const deadline = after(timeout, () => {})
  try {
    const answer = await Promise.race([call(), deadline.done])
    if (answer === undefined) throw new RefusedError("OpenCode did not answer")
    const { data, error, response } = answer
    if (error !== undefined && error !== null) throw new RefusedError("OpenCode refused the call", response?.status)
    return data
  } finally {
    deadline.cancel()
  }
}

/**
 * Return the data that a call answers with; undefined if it fails.
 * @param {Call} call
 * @param {number} [timeout] ms
 */
export const tryAsk = (call, timeout) => ask(call, timeout).catch(() => undefined)

/** OpenCode's in-process client, bound to one directory. A call may throw, or never return. */
export class OpenCode {
  #client

  /** @param {any} input what OpenCode passes to its plugins */
  constructor({ client, directory, serverUrl }) {
    this.#client = client
    /** @type {string} */
    this.directory = directory
    /** OpenCode 1.0: it has no lists of requests, and asks the internet for paths that it does not know. */
    this.isOld = serverUrl === undefined
  }

  /** @param {string} url */
  get(url) {
    return this.#client._client.get(this.#bind({ url }))
  }

  /**
   * @param {string} url with {placeholders} for `path`
   * @param {Record<string, string>} path
   * @param {any} body
   */
  post(url, path, body) {
    const headers = { "content-type": "application/json", ...authorization() }
    return this.#client._client.post({ ...this.#bind({ url, path, body }), headers })
  }

  /** @param {number} limit */
  sessions(limit) {
    return this.#client.session.list(this.#bind({ query: { limit } }))
  }

  createSession() {
    return this.#client.session.create(this.#bind({ body: {} }))
  }

  statuses() {
    return this.#client.session.status(this.#bind({}))
  }

  providers() {
    return this.#client.config.providers(this.#bind({}))
  }

  /**
   * Call a function of the client's `session` namespace for one session.
   * @param {string} name
   * @param {string} id
   * @param {{ query?: any, body?: any }} [options]
   */
  session(name, id, { query, body } = {}) {
    if (typeof this.#client.session[name] !== "function") throw new UnsupportedError(`this OpenCode has no ${name}`)
    return this.#client.session[name](this.#bind({ path: { id }, query, ...(body && { body }) }))
  }

  /** @param {Record<string, any>} options */
  #bind({ query, ...options }) {
    const headers = authorization()
    // Without `directory` 1.0's client asks for the first directory of the process.
    return { ...options, query: { directory: this.directory, ...query }, ...(headers && { headers }) }
  }
}

/** Return the password's header: OpenCode 1.1 requires it of its own plugins, and its client does not send it. */
function authorization() {
  const { OPENCODE_SERVER_PASSWORD: password, OPENCODE_SERVER_USERNAME: user } = process.env
  if (!password) return undefined
  return { authorization: `Basic ${Buffer.from(`${user || "opencode"}:${password}`).toString("base64")}` }
}
