/** A tray, an OpenCode and a clock for tests that load the bundle and use only its export. */
import assert from "node:assert/strict"
import { createHmac } from "node:crypto"
import { readFileSync } from "node:fs"
import { setImmediate as realTick } from "node:timers/promises"
import { mock } from "node:test"
import { OpenCodeTray } from "../opencode-tray.js"

export const frames = JSON.parse(readFileSync(new URL("../examples/frames.json", import.meta.url), "utf8"))
export const { token } = frames
export const directory = "/home/dev/project"
export const ses = frames.events[0][1].info.id
const trayNonce = frames.challenge.nonce

const proof = (token, who, hello, nonce) =>
  createHmac("sha256", token).update(`opencode-tray 2 ${who}\n${hello.instance}\n${hello.nonce}\n${nonce}`).digest("hex")

const realTimeout = globalThis.setTimeout // before any test mocks it

/** The network: listeners by URL. `globalThis.WebSocket` is its client. */
export class Network {
  listeners = new Map()
  attempts = [] // { url, at }

  listen(tray) {
    this.listeners.set(tray.url, tray)
    return tray
  }

  get WebSocket() {
    const network = this
    return class {
      bufferedAmount = 0 // as Bun's, whatever waits
      handlers = {}
      constructor(url) {
        new URL(url) // as the real one: throws for a wrong URL
        network.attempts.push({ url, at: Date.now() })
        this.tray = network.listeners.get(url)
        queueMicrotask(() => (this.tray ? this.#opened() : this.closed(1006)))
      }
      #opened() {
        this.tray.sockets.push(this)
        this.onopen?.({})
      }
      send(text) {
        assert.equal(typeof text, "string")
        if (!this.isClosed) this.tray.receive(this, text)
      }
      ping() {
        if (!this.tray.faults.readsNothing) queueMicrotask(() => this.handlers.pong())
      }
      close(code) {
        this.closedByPlugin ??= code
        this.isClosed = true
      }
      addEventListener(type, act) {
        this.handlers[type] = act
      }
      closed(code) {
        this.isClosed = true
        this.onclose?.({ code })
      }
      say(frame) {
        this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) })
      }
    }
  }
}

/** A listener that follows PROTOCOL.md, except for its `faults`. */
export class Tray {
  sockets = []
  frames = []
  bytes = 0

  token = token

  constructor({ url = "ws://127.0.0.1:41235/", faults = {}, welcome = {} } = {}) {
    this.url = url
    this.welcome = welcome
    this.faults = faults
  }

  receive(socket, text) {
    this.bytes += Buffer.byteLength(text)
    const frame = JSON.parse(text)
    this.frames.push(frame)
    if (frame.type === "hello") {
      socket.hello = frame
      if (this.faults.challenge) this.faults.challenge(socket, frame)
      else socket.say({ type: "challenge", nonce: trayNonce, proof: proof(this.token, "tray", frame, trayNonce) })
    }
    if (frame.type === "auth") {
      assert.equal(frame.proof, proof(this.token, "plugin", socket.hello, trayNonce))
      socket.say({ type: "welcome", version: "0.1.0", ...this.welcome })
    }
  }

  get socket() {
    return this.sockets.at(-1)
  }
  of(type) {
    return this.frames.filter((frame) => frame.type === type)
  }
  get events() {
    return this.frames.filter(Array.isArray).map(([type, properties]) => ({ type, properties }))
  }
  get snapshots() {
    return this.of("snapshot").filter((frame) => !frame.limits)
  }
  get answers() {
    return this.frames.filter((frame) => frame.id !== undefined)
  }
}

/** OpenCode's in-process client, with answers by method or path; an Error is thrown. `asked` has the calls. */
export function fakeClient(answers = {}) {
  const asked = []
  const call = (name) => async (options) => {
    asked.push([name, options])
    const found = answers[name]
    const data = typeof found === "function" ? await found(options) : found
    if (data instanceof Error) throw data
    return data?.error ? data : { data, response: { status: 200 } }
  }
  const session = Object.fromEntries(["list", "get", "status", "messages", "todo", "diff", "abort", "delete", "fork", "update", "create", "promptAsync"].map((name) => [name, call(`session.${name}`)]))
  const get = (options) => call(options.url)(options)
  const post = (options) => call(`POST ${options.url}`)(options)
  return { asked, session, config: { providers: call("config.providers") }, _client: { get, post } }
}

export const quiet = { "session.list": [], "session.status": {}, "session.messages": [], "session.todo": [], "/permission": [], "/question": [] }

const touched = ["HOST", "PORT", "TOKEN", "DEBUG"].map((name) => `OPENCODE_MONITOR_${name}`)
const others = ["OPENCODE_TRAY_TOKEN_FILE", "OPENCODE_SERVER_PASSWORD", "OPENCODE_SERVER_USERNAME", "OPENCODE_SERVER_URL", "OPENCODE_SERVER_PORT", "OPENCODE_SERVER_HOST", "OPENCODE_PLUGIN_LOG_FILE", "XDG_DATA_HOME"]

/** Run `act` with a mocked clock, a network and an environment of its own. */
export async function withPlugin({ env = {}, answers = {}, input = {}, tray = new Tray(), network = new Network() }, act) {
  const before = { ...process.env }
  for (const name of [...touched, ...others]) delete process.env[name]
  Object.assign(process.env, { OPENCODE_MONITOR_TOKEN: token, XDG_DATA_HOME: "/nonexistent", ...env })
  for (const [name, value] of Object.entries(process.env)) if (value === "") delete process.env[name]
  const realSocket = globalThis.WebSocket
  globalThis.WebSocket = network.WebSocket
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_795_237_287_000 })
  const monotonic = mock.method(performance, "now", () => Date.now())
  if (tray) network.listen(tray)
  const client = fakeClient({ ...quiet, ...answers })
  const hooks = await OpenCodeTray({ client, directory, project: { id: "p1" }, serverUrl: new URL("http://localhost:4096/"), ...input })
  const event = (type, properties) => hooks.event({ event: { type, properties } })
  try {
    await act({ hooks, event, client, tray, network })
  } finally {
    await hooks.dispose()
    mock.timers.reset()
    monotonic.mock.restore()
    globalThis.WebSocket = realSocket
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
    Object.assign(process.env, before)
  }
}

/** Let `ms` of mocked time pass, and run everything that becomes due. */
export async function pass(ms) {
  for (let left = ms; left >= 0; left -= 50) {
    mock.timers.tick(Math.min(left, 50))
    await realTick()
  }
  for (let turn = 0; turn < 20; turn++) await realTick()
}

/**
 * Let time pass in small steps until the condition holds, about 50 s at most. After the first steps real time passes too,
 * because the plugin reads real files.
 */
export async function until(holds, what = String(holds)) {
  for (let turn = 0; turn < 5_000; turn++) {
    if (holds()) return
    mock.timers.tick(turn < 200 ? 1 : 10)
    await (turn < 200 ? realTick() : new Promise((resolve) => realTimeout(resolve, 1)))
  }
  assert.fail(`timed out: ${what}`)
}

export const session = (more = {}) => ({ id: ses, title: "One", directory, time: { created: Date.now(), updated: Date.now() }, ...more })
