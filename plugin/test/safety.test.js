/** The plugin never blocks OpenCode, throws into it or keeps its process alive. */
import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { promisify } from "node:util"
import * as plugin from "../opencode-tray.js"
import { directory, fakeClient, frames, pass, quiet, ses, session, token, Tray, until, withPlugin } from "./fakes.js"

const file = new URL("../opencode-tray.js", import.meta.url)

test("the bundle's only export is one async function", () => {
  assert.deepEqual(Object.keys(plugin), ["OpenCodeTray"])
  assert.equal(plugin.OpenCodeTray.constructor.name, "AsyncFunction")
})

test("the bundle uses no signals, subprocesses or synchronous I/O", () => {
  const source = readFileSync(file, "utf8")
  for (const word of ["child_process", "process.on", "Sync(", "process.exit", "input.$", "setInterval"]) assert.ok(!source.includes(word), word)
})

test("no event makes a hook throw", () =>
  withPlugin({}, async ({ hooks, tray }) => {
    await until(() => tray.snapshots.length === 1)
    const values = [undefined, null, 0, "x", [], {}, { id: 1 }, { id: "x", sessionID: "s" }, [null], new Date(), Symbol("s"), 5n]
    const names = ["info", "status", "sessionID", "part", "todos", "error", "id", "metadata", "branch", "requestID", "delta"]
    const types = [...new Set(frames.events.map(([type]) => type)), "message.part.delta", "server.instance.disposed", undefined, 7]
    for (const type of types)
      for (const value of values) {
        await hooks.event({ event: { type, properties: value } })
        for (const name of names) await hooks.event({ event: { type, properties: { sessionID: "s", id: "x", [name]: value } } })
        for (const name of ["role", "type", "time", "tokens", "model", "summary", "text", "tool", "state"])
          for (const field of ["info", "part"])
            await hooks.event({ event: { type, properties: { [field]: { id: "x", sessionID: "s", role: "assistant", type: "tool", tool: "t", [name]: value } } } })
      }
    for (const event of [undefined, null, 7]) await hooks.event({ event })
    await pass(3_000)
  }))

test("a broken client, an odd input and a missing WebSocket do no harm", async () => {
  const real = globalThis.WebSocket
  try {
    globalThis.WebSocket = undefined
    for (const input of [undefined, {}, { directory: 7, client: null }, { client: fakeClient(quiet), directory: "/odd" }]) {
      const hooks = await plugin.OpenCodeTray(input)
      await hooks.event?.({ event: { type: "session.status", properties: { sessionID: ses, status: { type: "busy" } } } })
      await hooks.dispose?.()
    }
  } finally {
    globalThis.WebSocket = real
  }
})

test("loaded twice for one directory, only the newer one is connected", () =>
  withPlugin({}, async ({ tray, event, client }) => {
    await until(() => tray.snapshots.length === 1)
    const second = await plugin.OpenCodeTray({ client, directory, serverUrl: new URL("http://localhost:4096/") })
    await until(() => tray.snapshots.length === 2)
    await event("vcs.branch.updated", { branch: "x" })
    await second.event({ event: { type: "vcs.branch.updated", properties: { branch: "y" } } })
    assert.deepEqual(tray.events.map(({ properties }) => properties.branch), ["y"])
    assert.equal(new Set(tray.of("hello").map(({ instance }) => instance)).size, 1)
    assert.equal(tray.of("goodbye").length, 1)
    await second.dispose()
  }))

test("two directories of one process are two instances", () => {
  const tray = new Tray()
  return withPlugin({ tray }, async ({ client }) => {
    const other = await plugin.OpenCodeTray({ client, directory: "/home/dev/other" })
    await until(() => tray.snapshots.length === 2)
    assert.equal(new Set(tray.of("hello").map(({ instance }) => instance)).size, 2)
    await other.dispose()
    assert.equal(tray.of("goodbye").length, 1)
  })
})

test("at most 200 pending requests are kept", () =>
  withPlugin({ input: { serverUrl: undefined } }, async ({ tray, event }) => {
    await until(() => tray.snapshots.length === 1)
    for (let n = 0; n < 2_000; n++) await event("permission.updated", { id: `per_${n}`, sessionID: `ses_${n}`, type: "bash" })
    tray.socket.say({ id: 1, method: "snapshot" })
    await until(() => tray.snapshots.length === 2)
    assert.equal(tray.snapshots[1].permissions.length, 200)
  }))

test("the hooks are there within 5 ms, and the process can end", async () => {
  const script = `
    globalThis.WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006 }), 1).unref() } close() {} }
    const { OpenCodeTray } = await import(${JSON.stringify(file.href)})
    const before = process.cpuUsage()
    await OpenCodeTray({ client: {}, directory: "/x" })
    const { user, system } = process.cpuUsage(before)
    console.log((user + system) / 1000)
    setTimeout(() => {}, 100)`
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], { env: { ...process.env, OPENCODE_MONITOR_TOKEN: "t" }, timeout: 5_000 })
  assert.ok(Number(stdout) < 5, `hooks after ${stdout} ms of CPU`)
})

test("the debug log is opt-in, private and bounded, without token and text", async () => {
  const folder = mkdtempSync(join(tmpdir(), "opencode-tray-"))
  const log = join(folder, "plugin.log")
  const speak = async ({ tray, event }) => {
    await until(() => tray.snapshots.length === 1)
    await event("session.created", { info: session({ title: "a secret" }) })
    tray.socket.closed(1006)
    await until(() => tray.snapshots.length === 2)
  }
  try {
    await withPlugin({ env: { OPENCODE_PLUGIN_LOG_FILE: log } }, speak)
    assert.throws(() => statSync(log))
    writeFileSync(log, "x".repeat(1024 * 1024 - 10), { mode: 0o600 })
    await withPlugin({ env: { OPENCODE_MONITOR_DEBUG: "1", OPENCODE_PLUGIN_LOG_FILE: log } }, async (all) => {
      await speak(all)
      await until(() => readFileSync(log, "utf8").split("connected to").length === 3)
    })
    const text = readFileSync(log, "utf8")
    assert.match(text, /closed with 1006/)
    assert.ok(text.length < 2_000)
    assert.ok(!text.includes(token) && !text.includes("secret"))
    if (process.platform !== "win32") assert.equal(statSync(log).mode & 0o777, 0o600)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
