import { hostname } from "node:os"
import { basename } from "node:path"
import { Connection } from "./connection.js"
import { commandOf, openCodeVersion, readPlace, repositoryOf } from "./environment.js"
import { findLocalTray, readRemoteTray, remoteTrays } from "./endpoint.js"
import { OpenCode, tryAsk } from "./opencode.js"
import { findServer } from "./server-address.js"
import { takeSnapshot } from "./snapshot.js"
import { attempt } from "./timers.js"
import { pick, SECOND, truncate } from "./values.js"
import { VERSION } from "./version.js"
import { Watcher } from "./watcher.js"
/** @import { Endpoint, Log, Settings, Snapshot } from "./types.d.ts" */

const MAX_NAME = 256 // characters

/** One directory of one OpenCode process, reported to all listeners. */
export class Instance {
  isStopped = false
  /** @type {Connection[]} */
  #connections = []
  #input
  /** @type {Promise<unknown>} */
  #lastSnapshot = Promise.resolve()
  /** @type {Record<string, string> | undefined} */
  #place
  /** @type {string | undefined} */
  #repository
  /** @type {string | undefined} */
  #serverUrl

  /**
   * @param {any} input what OpenCode passes to its plugins
   * @param {Settings} settings
   * @param {string} id
   * @param {Log} log
   */
  constructor(input, settings, id, log) {
    this.#input = input
    this.opencode = new OpenCode(input)
    this.settings = settings
    this.id = id
    this.log = log
    this.watcher = new Watcher(
      (event) => this.#connections.forEach((connection) => connection.event(event)),
      () => this.#connections.some((connection) => connection.isOpen),
    )
  }

  async start() {
    const { settings } = this
    const urls = settings.listeners.length ? settings.listeners : [undefined]
    for (const url of urls) this.#connect(() => findLocalTray(settings, url))
    for (const file of await remoteTrays(settings)) this.#connect(() => readRemoteTray(file))
  }

  /** @param {() => Promise<Endpoint>} find */
  #connect(find) {
    if (this.isStopped) return
    const connection = new Connection(this, find)
    this.#connections.push(connection)
    attempt(() => connection.connect())
  }

  stop() {
    if (this.isStopped) return
    this.isStopped = true
    for (const connection of this.#connections) connection.close()
    this.watcher.stop()
  }

  /** @param {any} event of OpenCode */
  handle(event) {
    if (this.isStopped) return
    const isEnd = event?.type === "server.instance.disposed" && event.properties?.directory === this.#input.directory
    if (isEnd) this.stop()
    else this.watcher.handle(event)
  }

  /**
   * Take a snapshot. One at a time, so that several listeners cannot keep OpenCode busy.
   * @returns {Promise<Snapshot>}
   */
  snapshot() {
    const next = this.#lastSnapshot.then(() => takeSnapshot(this.opencode, this.watcher))
    this.#lastSnapshot = next.catch(() => {})
    return next
  }

  /** Return the fields of `hello` other than type, protocol, instance and nonce. */
  async hello() {
    const { project, serverUrl } = this.#input
    const directory = this.#input.directory ?? ""
    this.#place ??= await readPlace(process.env)
    this.#repository ??= await repositoryOf(directory)
    this.#serverUrl ??= await findServer(process.env, serverUrl)
    const vcs = await tryAsk(() => this.opencode.get("/vcs"), SECOND)
    return {
      serverId: truncate(`${hostname()}-${process.pid}`, MAX_NAME),
      serverName: truncate(project?.name || basename(directory) || directory || "opencode", MAX_NAME),
      serverUrl: this.#serverUrl ?? "disabled",
      ...pick({ directory, project: project?.id, branch: vcs?.branch }, ["directory", "project", "branch"]),
      ...pick({ repository: this.#repository }, ["repository"]),
      pid: process.pid,
      hostname: truncate(hostname(), MAX_NAME),
      ...pick({ opencode: openCodeVersion(), command: commandOf(process.argv) }, ["opencode", "command"]),
      plugin: VERSION,
      time: Date.now(),
      place: this.#place,
    }
  }
}
