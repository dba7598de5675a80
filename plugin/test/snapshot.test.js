/** The snapshot, read from every version's API, and what follows it. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { directory, frames, pass, ses, session, Tray, until, withPlugin } from "./fakes.js"

const permission = { ...frames.snapshot.permissions[0], sessionID: ses }
const [question] = frames.snapshot.questions
const assistant = { id: "msg_2", sessionID: ses, role: "assistant", agent: "build", modelID: "fake-1", providerID: "fake" }
const tokens = { input: 400, output: 45, reasoning: 0, cache: { read: 800, write: 0 } }

/** The snapshot for what OpenCode answers. */
async function snapshotOf(options, prepare = () => {}) {
  let found
  await withPlugin(options, async (all) => {
    await prepare(all)
    await until(() => all.tray.snapshots.length === 1)
    found = { snapshot: all.tray.snapshots[0], asked: all.client.asked.map(([name]) => name) }
  })
  return found
}

/** Let so many seconds pass in which the tray pings. */
async function passPinged(tray, seconds) {
  for (let passed = 0; passed < seconds; passed += 20) {
    await pass(20_000)
    tray.socket.handlers.ping()
  }
}

test("a snapshot has the sections of frames.json", async () => {
  const messages = [
    { info: { id: "msg_1", sessionID: ses, role: "user", time: { created: 1 } }, parts: [{ type: "text", text: "the secret prompt" }] },
    { info: { ...assistant, cost: 0.5, tokens, time: { created: 2 } }, parts: [{ type: "text", text: "One.\nTwo.\n" }, { type: "tool", tool: "bash", state: { status: "running" } }] },
  ]
  const answers = {
    "session.list": [session()],
    "session.status": { [ses]: { type: "busy" } },
    "session.messages": messages,
    "session.todo": [{ id: "1", content: "a", status: "pending", priority: "high" }],
    "/permission": [permission],
    "/question": [question],
    "/vcs": { branch: "main" },
  }
  const { snapshot } = await snapshotOf({ answers })
  const { limits, ...sections } = frames.snapshot
  assert.deepEqual(Object.keys(snapshot).sort(), Object.keys(sections).sort())
  assert.deepEqual(snapshot.permissions, [permission])
  assert.deepEqual(snapshot.questions, [question])
  assert.deepEqual(snapshot.todos, { [ses]: [{ content: "a", status: "pending", priority: "high" }] })
  const { digest } = snapshot.sessions[0]
  const { last } = digest
  assert.deepEqual(digest, { messages: 2, cost: 0.5, tokens: { input: 400, output: 45, cache: { read: 800 } }, last, output: "Two.", prompt: "msg_1", tool: "bash" })
  assert.deepEqual(last, { id: "msg_2", role: "assistant", agent: "build", modelID: "fake-1", providerID: "fake", cost: 0.5, tokens: digest.tokens, created: 2 })
  assert.ok(!JSON.stringify(snapshot).includes("secret"))
})

test("a section that cannot be read is absent", async () => {
  const no = { error: { name: "UnknownError" }, response: { status: 500 } }
  const answers = { "session.list": new Error("no"), "/permission": no, "/question": "<!doctype html>", "/vcs": no }
  const { snapshot } = await snapshotOf({ answers })
  assert.deepEqual(snapshot, { type: "snapshot", status: {} })
})

test("an absent section is read again until it is there", () => {
  let calls = 0
  const answers = { "/permission": () => (++calls < 3 ? new Error("not yet") : [permission]) }
  return withPlugin({ answers }, async ({ tray }) => {
    await until(() => tray.snapshots.length === 3)
    assert.deepEqual(tray.snapshots.map((snapshot) => snapshot.permissions), [undefined, undefined, [permission]])
    await passPinged(tray, 120)
    assert.equal(tray.snapshots.length, 3)
  })
})

test("an absent section is read again five times at most", () =>
  withPlugin({ answers: { "session.list": new Error("no") } }, async ({ tray }) => {
    await until(() => tray.snapshots.length === 1)
    await passPinged(tray, 300)
    assert.equal(tray.snapshots.length, 6)
  }))

test("malformed messages affect neither the snapshot nor later events", () =>
  withPlugin({ answers: { "session.list": [session()], "session.status": { [ses]: { type: "busy" } }, "session.messages": [null, 7, {}] } }, async ({ tray, event }) => {
    await until(() => tray.snapshots.length === 1)
    await event("vcs.branch.updated", { branch: "z" })
    await until(() => tray.events.length === 1)
  }))

test("a running tool of an older message is not in the digest", async () => {
  const tool = { info: { ...assistant, time: { created: 1 } }, parts: [{ type: "tool", tool: "bash", state: { status: "running" } }] }
  const now = { info: { ...assistant, id: "msg_3", time: { created: 2 } }, parts: [] }
  const { snapshot } = await snapshotOf({ answers: { "session.list": [session()], "session.status": { [ses]: { type: "busy" } }, "session.messages": [tool, now] } })
  assert.equal(snapshot.sessions[0].digest.tool, undefined)
})

test("a call that never returns costs 5 s, not the snapshot", async () => {
  const { snapshot } = await snapshotOf({ answers: { "session.status": () => new Promise(() => {}) } })
  assert.equal(snapshot.status, undefined)
  assert.deepEqual(snapshot.sessions, [])
})

test("OpenCode 1.0 is not asked for requests, which are remembered instead", async () => {
  const old = { id: "per_1", sessionID: ses, type: "bash", pattern: ["ls *"], title: "ls", metadata: { command: "ls" }, time: { created: 1 } }
  const { snapshot, asked } = await snapshotOf({ input: { serverUrl: undefined }, answers: { "session.list": [session()] } }, async ({ event }) => {
    await event("permission.updated", old)
    await event("permission.updated", { ...old, id: "per_2" })
    await event("permission.replied", { sessionID: ses, permissionID: "per_2", response: "once" })
  })
  assert.deepEqual(snapshot.permissions, [old])
  assert.deepEqual(snapshot.questions, [])
  assert.ok(!asked.includes("/permission") && !asked.includes("/question"))
})

test("requests that were seen are sent even if OpenCode's lists are empty", async () => {
  const status = { sessionID: ses, status: { type: "busy" } }
  const prepare = async ({ event, tray }) => {
    await until(() => tray.snapshots.length === 1)
    event("session.status", status)
    event("permission.asked", permission)
    event("question.asked", question)
    tray.frames.length = 0
    tray.socket.say(frames.rpc_snapshot_request)
  }
  const { snapshot } = await snapshotOf({ answers: { "session.get": session() } }, prepare)
  assert.deepEqual(snapshot.status, { [ses]: status.status })
  assert.deepEqual(snapshot.permissions, [permission])
  assert.deepEqual(snapshot.questions, [question])
})

test("context sizes are read once, when a session works", () =>
  withPlugin({ answers: { "config.providers": { providers: [{ id: "fake", models: { "fake-1": { limit: { context: 8000 } } } }] } } }, async ({ tray, client, event }) => {
    await until(() => tray.snapshots.length === 1)
    await pass(100)
    const names = () => client.asked.map(([name]) => name)
    assert.ok(!names().includes("config.providers"))
    await event("session.status", { sessionID: ses, status: { type: "busy" } })
    await until(() => tray.of("snapshot").length === 2)
    assert.deepEqual(tray.of("snapshot")[1], frames.snapshot_limits)
    await event("session.status", { sessionID: ses, status: { type: "idle" } })
    await pass(100)
    assert.equal(names().filter((name) => name === "config.providers").length, 1)
  }))

test("live and recent sessions with their ancestors are in a snapshot", async () => {
  const info = (id, more = {}) => ({ ...session(), id, title: id, ...more })
  const old = { time: { created: 1, updated: 1 } }
  const extra = { ses_root: info("ses_root", old), ses_mid: info("ses_mid", { ...old, parentID: "ses_root" }) }
  const { snapshot } = await snapshotOf({
    answers: {
      "session.list": [
        info("ses_new"),
        info("ses_old", old),
        info("ses_elsewhere", { directory: "/other" }),
        info("ses_archived", { time: { created: 1, updated: Date.now(), archived: 5 } }),
        info("ses_busy", { ...old, directory: "/other", parentID: "ses_mid" }),
      ],
      "session.get": ({ path }) => extra[path.id] ?? new Error("gone"),
      "session.status": { ses_busy: { type: "busy" } },
      "/permission": [{ ...permission, sessionID: "ses_gone" }],
    },
  })
  assert.deepEqual(snapshot.sessions.map(({ id }) => id), ["ses_busy", "ses_mid", "ses_root", "ses_new"])
})

test("at most 200 sessions and 12 digests, live ones first", async () => {
  const infos = Array.from({ length: 500 }, (_, n) => ({ ...session(), id: `ses_${n}`, time: { created: 1, updated: Date.now() + n } }))
  const status = Object.fromEntries(infos.slice(0, 20).map(({ id }) => [id, { type: "busy" }]))
  const messages = Array.from({ length: 100 }, (_, n) => ({ info: { ...assistant, id: `msg_${n}`, time: { created: n, completed: n + 1 } }, parts: [] }))
  const { snapshot, asked } = await snapshotOf({ answers: { "session.list": infos, "session.status": status, "session.messages": messages } })
  assert.equal(snapshot.sessions.length, 200)
  assert.ok(snapshot.sessions.slice(0, 20).every(({ id }) => id in status))
  assert.equal(asked.filter((name) => name === "session.messages").length, 12)
  assert.equal(snapshot.sessions[0].digest.messages, 100)
  assert.equal(snapshot.sessions[0].digest.partial, true)
})

test("the digest has the newest message's error, without details of a stop", async () => {
  const errorOf = async (error) => {
    const messages = [{ info: { ...assistant, error, time: { created: 1, completed: 2 } }, parts: [] }]
    const status = { [ses]: { type: "busy" } }
    const { snapshot } = await snapshotOf({ answers: { "session.list": [session()], "session.status": status, "session.messages": messages } })
    return snapshot.sessions[0].digest.last.error
  }
  const failed = { name: "UnknownError", data: { message: "JSON parsing failed" } }
  assert.deepEqual(await errorOf({ ...failed, data: { ...failed.data, stack: "x" } }), failed)
  assert.deepEqual(await errorOf({ name: "MessageAbortedError", data: { message: "x" } }), { name: "MessageAbortedError" })
})

test("the digest of a fork separates the inherited cost", async () => {
  const idOf = (at) => `msg_${((BigInt(at) << 12n) % 2n ** 48n).toString(16).padStart(12, "0")}abc`
  const at = Date.now() - 3_600_000
  const step = (id, completed) => ({ info: { ...assistant, id, cost: 0.5, tokens, time: { created: completed - 5, completed } }, parts: [] })
  const messages = [step(idOf(at), at - 90_000), step(idOf(at + 1), at - 80_000), step(idOf(at + 5_000), at + 6_000)]
  const fork = { ...session(), id: "ses_fork", title: "Work (fork #1)", cost: 1.5, tokens, time: { created: at, updated: at + 6_000 } }
  const untouched = { ...fork, id: "ses_untouched", title: "Renamed", time: { created: at, updated: at } }
  const other = { ...fork, id: "ses_other", title: "Work" }
  const { snapshot, asked } = await snapshotOf({ answers: { "session.list": [fork, untouched, other], "session.messages": messages } })
  assert.equal(asked.filter((name) => name === "session.messages").length, 2)
  const used = { input: 400, output: 45, cache: { read: 800 } }
  const { cost, tokens: own, inherited } = snapshot.sessions.find(({ id }) => id === "ses_fork").digest
  assert.deepEqual([cost, own], [0.5, used])
  assert.deepEqual(inherited, { cost: 1, tokens: { input: 800, output: 90, cache: { read: 1600 } } })
})

test("events during a snapshot follow it in order", () => {
  let release
  const answers = { "session.status": () => new Promise((resolve) => (release = () => resolve({}))) }
  return withPlugin({ answers }, async ({ tray, event }) => {
    await until(() => release)
    await event("session.status", { sessionID: ses, status: { type: "busy" } })
    await event("permission.asked", permission)
    await event("session.status", { sessionID: ses, status: { type: "idle" } })
    assert.equal(tray.events.length, 0)
    release()
    await until(() => tray.events.length === 3)
    const types = tray.frames.map((frame) => frame.type ?? frame[0])
    assert.deepEqual(types.slice(types.indexOf("snapshot")).slice(0, 4), ["snapshot", "session.status", "permission.asked", "session.status"])
  })
})

test("a connection lost during a snapshot gets a new one when it is back", () => {
  let calls = 0
  const answers = { "session.status": () => (calls++ ? {} : new Promise(() => {})) }
  return withPlugin({ answers }, async ({ tray }) => {
    await until(() => calls === 1)
    tray.socket.closed(1006)
    await until(() => tray.snapshots.length === 1)
    assert.equal(tray.sockets.length, 2)
  })
})

test("after more than 500 events during a snapshot another one is sent", () => {
  let release
  let calls = 0
  const answers = { "session.status": () => (calls++ ? {} : new Promise((resolve) => (release = () => resolve({})))) }
  return withPlugin({ answers }, async ({ tray, event }) => {
    await until(() => release)
    for (let n = 0; n < 600; n++) await event("todo.updated", { sessionID: ses, todos: [{ content: `${n}` }] })
    release()
    await until(() => tray.snapshots.length === 2)
    assert.equal(tray.events.length, 0)
    await event("vcs.branch.updated", { branch: "x" })
    await until(() => tray.events.length === 1)
  })
})

const todos = { sessionID: ses, todos: [{ content: "x".repeat(2_000) }] }

test("a tray with 1 MiB unread gets a snapshot instead of the events", () => {
  const tray = new Tray()
  return withPlugin({ tray }, async ({ event }) => {
    await until(() => tray.snapshots.length === 1)
    await pass(20)
    tray.faults.readsNothing = true
    for (let n = 0; n < 1_000; n++) await event("todo.updated", todos)
    assert.ok(tray.bytes > 1_000_000 && tray.bytes < 1_100_000, `${tray.bytes}`)
    await pass(5_000)
    assert.equal(tray.snapshots.length, 1)
    tray.faults.readsNothing = false
    tray.socket.handlers.pong()
    await until(() => tray.snapshots.length === 2)
    const before = tray.events.length
    await event("vcs.branch.updated", { branch: "z" })
    await until(() => tray.events.length === before + 1)
  })
})

test("a tray that does not read at all is disconnected after a minute", () => {
  const tray = new Tray({ faults: { readsNothing: true } })
  return withPlugin({ tray }, async ({ event }) => {
    await until(() => tray.snapshots.length === 1)
    for (let n = 0; n < 1_000; n++) await event("todo.updated", todos)
    await pass(70_000)
    assert.equal(tray.sockets[0].closedByPlugin, 4408)
  })
})

test("a tray that reads gets every event", () =>
  withPlugin({}, async ({ tray, event }) => {
    await until(() => tray.snapshots.length === 1)
    await pass(20)
    for (let n = 0; n < 3_000; n++) await event("todo.updated", todos)
    assert.equal(tray.events.length, 3_000)
  }))

test("hello has a server's address only if one answers there", async () => {
  const input = { serverUrl: new URL("http://127.0.0.1:9/"), directory }
  await withPlugin({ input, env: { OPENCODE_SERVER_URL: "http://user:secret@127.0.0.1:9" } }, async ({ tray }) => {
    await until(() => tray.snapshots.length === 1)
    assert.equal(tray.of("hello")[0].serverUrl, "disabled")
  })
})

const services = (tray) => tray.snapshots.filter((snapshot) => snapshot.mcp)
const failed = { files: { status: "failed", error: "no such program", tools: ["a"] } }
const pyright = { id: "pyright", name: "pyright", root: ".", status: "connected" }

test("MCP and LSP servers are read when a session works and when they change", async () => {
  const answers = { "session.list": [session()], "/mcp": failed, "/lsp": [pyright] }
  await withPlugin({ answers }, async ({ tray, client, event }) => {
    await until(() => tray.snapshots.length === 1)
    await pass(5_000)
    assert.ok(!client.asked.some(([name]) => name === "/mcp"))
    await event("session.status", { sessionID: ses, status: { type: "busy" } })
    await pass(2_000)
    await until(() => services(tray).length === 1)
    assert.deepEqual(services(tray)[0], frames.snapshot_services)
    for (let n = 0; n < 20; n++) await event("mcp.tools.changed", { server: "files" })
    await pass(2_000)
    await until(() => services(tray).length === 2)
  })
})
