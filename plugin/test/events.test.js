/** Events: only what PROTOCOL.md names, only changes, never the user's text. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { directory, frames, pass, ses, session, Tray, until, withPlugin } from "./fakes.js"

const examples = frames.events.map(([type, properties]) => ({ type, properties }))
const asst = "msg_2"
const busy = { sessionID: ses, status: { type: "busy" } }
const idle = { sessionID: ses, status: { type: "idle" } }
const toolPart = (callID, tool, status) => ({ part: { id: `prt_${callID}`, callID, sessionID: ses, messageID: asst, type: "tool", tool, state: { status, input: { secret: 1 }, title: "secret" } } })
const assistant = (more = {}) => ({ info: { id: asst, sessionID: ses, role: "assistant", time: { created: 1 }, ...more } })
const textPart = (text, more = {}) => ({ part: { id: "prt_t", sessionID: ses, messageID: asst, type: "text", text, ...more } })

/** Return the events that are sent for `steps`: [type, properties], or milliseconds that pass. */
const eventsFor = (...steps) => eventsOf(new Tray(), steps)

/** The same for a tray. */
async function eventsOf(tray, steps) {
  await withPlugin({ tray }, async ({ event }) => {
    await until(() => tray.snapshots.length === 1)
    await pass(10)
    for (const step of steps) await (typeof step === "number" ? pass(step) : event(...step))
  })
  return tray.events
}

test("OpenCode's events give the examples in frames.json", async () => {
  const events = examples.filter(({ type, properties }) => type !== "message.part.updated" && !properties.info?.output)
  const whole = {} // OpenCode always tells a session whole
  const steps = events.map(({ type, properties }) => {
    if (type !== "session.created" && type !== "session.updated") return [type, properties]
    const { info } = properties
    whole[info.id] = { ...whole[info.id], ...info, time: { ...whole[info.id]?.time, ...info.time } }
    return [type, { info: { ...whole[info.id] } }]
  })
  assert.deepEqual(await eventsFor(...steps), events)
})

test("OpenCode's parts give the examples of activity in frames.json", async () => {
  const { properties: ended } = examples.find(({ properties }) => properties.info?.output)
  const made = await eventsFor(
    ["message.updated", assistant()],
    ["message.part.updated", toolPart("1", "bash", "running")],
    1_000,
    ["message.part.updated", toolPart("1", "bash", "completed")],
    ["message.part.updated", textPart("")],
    5_000,
    ["message.part.updated", textPart("Some.\nAll tests pass now.\n\n")],
    ["message.part.updated", textPart("Some.\nAll tests pass now.\n\nAll of them.\n")],
    ["message.updated", assistant({ id: ended.info.id, time: { created: 1, ...ended.info.time } })],
  )
  assert.deepEqual(made, examples.filter(({ type }) => type === "message.part.updated").concat({ type: "message.updated", properties: ended }))
})

test("event types that PROTOCOL.md does not name are not sent", async () => {
  const noise = ["session.idle", "session.diff", "plugin.added", "file.edited", "storage.write", "tui.prompt.append", "constructor", "__proto__"]
  assert.deepEqual(await eventsFor(...noise.map((type) => [type, { sessionID: ses, info: session() }])), [])
})

test("session.updated has only the changed fields; the updated time does not count", async () => {
  const one = session({ slug: "x", version: "1", revert: { a: 1 } })
  const later = { ...one, time: { ...one.time, updated: 9 } }
  const changed = { ...later, title: "Two", cost: 0.5, tokens: { input: 1, output: 0, reasoning: 0, cache: { read: 0, write: 0 } }, summary: { additions: 1, deletions: 0, files: 1, diffs: [] } }
  const reverted = { ...changed, cost: 0, summary: { additions: 0, deletions: 0, files: 0 } }
  const archived = { ...reverted, time: { ...one.time, archived: 7 } }
  const infos = [later, later, changed, reverted, archived, { ...archived, time: { ...one.time, archived: 0 } }]
  const events = await eventsFor(["session.created", { info: one }], ...infos.map((info) => ["session.updated", { info }]))
  assert.deepEqual(events.map(({ properties }) => properties.info), [
    { id: ses, title: "One", directory, time: one.time },
    { id: ses, title: "Two", cost: 0.5, tokens: { input: 1 }, summary: { additions: 1, deletions: 0, files: 1 } },
    { id: ses, cost: 0, summary: { additions: 0, deletions: 0, files: 0 } },
    { id: ses, time: { archived: 7 } },
    { id: ses, title: "Two", directory, tokens: { input: 1 }, time: { ...one.time, archived: 0 } },
  ])
})

test("a session that this connection has not sent before is sent whole", async () => {
  const [event] = await eventsFor(["session.updated", { info: session() }])
  assert.deepEqual(Object.keys(event.properties.info), ["id", "title", "directory", "time"])
})

test("an archived session is sent once", async () => {
  const archived = session({ time: { created: 1, updated: 2, archived: 7 } })
  const events = await eventsFor(["session.created", { info: session() }], ["session.updated", { info: archived }], ["session.updated", { info: { ...archived, cost: 3 } }])
  assert.deepEqual(events.slice(1).map(({ properties }) => properties.info), [{ id: ses, time: { archived: 7 } }])
})

const ask = (more) => ({ ...frames.snapshot.permissions[0], ...more })

test("a permission of which something was left out has `more`", async () => {
  const whole = await eventsFor(["permission.asked", ask({ metadata: { command: "ls", timeout: 3, directories: ["/o"] } })])
  assert.equal(whole[0].properties.more, undefined)
  for (const more of [{ metadata: { input: { deep: 1 } } }, { metadata: { command: "x".repeat(2_001) } }, { patterns: ["x".repeat(2_001)] }])
    assert.equal((await eventsFor(["permission.asked", ask(more)]))[0].properties.more, true)
})

test("a permission gets its command from the tool's part, in either order (1.1)", async () => {
  const bare = ask({ metadata: {} })
  const part = { id: "prt_1", sessionID: bare.sessionID, type: "tool", tool: "bash", callID: bare.tool.callID, state: { status: "running", input: { command: "ls -la" } } }
  const running = ["message.part.updated", { part }]
  for (const events of [[["permission.asked", bare], running], [running, ["permission.asked", bare]]]) {
    const asks = (await eventsFor(...events)).filter(({ type }) => type === "permission.asked")
    assert.deepEqual(asks.at(-1).properties, { ...bare, metadata: { command: "ls -la" } })
  }
  const other = { part: { ...part, callID: "call_other" } }
  assert.equal((await eventsFor(["permission.asked", bare], ["message.part.updated", other])).filter(({ type }) => type === "permission.asked").length, 1)
})

test("half a character at the end of a text becomes U+FFFD", async () => {
  const command = `${"x".repeat(1_999)}😀`
  const events = await eventsFor(["permission.asked", { ...frames.snapshot.permissions[0], metadata: { command } }], ["session.updated", { info: session({ title: "\ud83d..." }) }])
  assert.equal(events[0].properties.metadata.command, `${"x".repeat(1_999)}\ufffd`)
  assert.equal(events[1].properties.info.title, "\ufffd...")
})

test("an idle status is still sent after a thousand other sessions", async () => {
  const status = (sessionID, type) => ["session.status", { sessionID, status: { type } }]
  const others = Array.from({ length: 1_001 }, (_, n) => status(`ses_other${n}`, "busy"))
  const events = await eventsFor(...[status(ses, "busy")], ...others, ["session.updated", { info: session() }], status(ses, "idle"))
  assert.deepEqual(events.at(-1), { type: "session.status", properties: { sessionID: ses, status: { type: "idle" } } })
})

test("a repeated status is sent once", async () => {
  const retry = (attempt) => ({ sessionID: ses, status: { type: "retry", attempt, message: "m", next: 5 } })
  const steps = [idle, busy, busy, retry(1), retry(1), retry(2), busy, idle, idle]
  const events = await eventsFor(...steps.map((properties) => ["session.status", properties]))
  assert.deepEqual(events.map(({ properties }) => properties.status.attempt ?? properties.status.type), ["busy", 1, 2, "busy", "idle"])
})

test("a user's message is sent once without text, an assistant's once at its end", async () => {
  const user = { info: { id: "msg_1", sessionID: ses, role: "user", summary: { title: "secret" }, system: "secret" } }
  const end = assistant({ finish: "stop", path: { cwd: "/" }, time: { created: 1, completed: 2 } })
  const events = await eventsFor(
    ["message.updated", user],
    ["message.part.updated", { part: { id: "p", sessionID: ses, messageID: "msg_1", type: "text", text: "secret" } }],
    ["message.updated", user],
    ["message.updated", assistant()],
    ["message.updated", assistant({ tokens: { input: 1 } })],
    ["message.updated", end],
    ["message.updated", end],
  )
  assert.deepEqual(events.map(({ properties }) => properties.info), [
    { id: "msg_1", sessionID: ses, role: "user" },
    { id: asst, sessionID: ses, role: "assistant", finish: "stop", time: { completed: 2 } },
  ])
})

test("the beginning of a prompt is sent once to a tray that asks for prompts", async () => {
  const prompt = (text, more = {}) => ["message.part.updated", textPart(text, { messageID: "msg_1", ...more })]
  const events = await eventsOf(new Tray({ welcome: { prompts: true } }), [
    ["message.updated", { info: { id: "msg_1", sessionID: ses, role: "user" } }],
    prompt("The file says …", { synthetic: true }),
    prompt("  Fix it.\n" + "x".repeat(500)),
    prompt("Fix it."),
    ["message.updated", assistant()],
  ])
  assert.deepEqual(events.slice(1), [
    {
      type: "message.part.updated",
      properties: { part: { sessionID: ses, messageID: "msg_1", type: "text", text: "Fix it.\n" + "x".repeat(192) } },
    },
  ])
})

test("a change of a file is sent to a tray that asks for changes, without its name", async () => {
  const done = (tool, callID, input, metadata) =>
    ["message.part.updated", { part: { id: callID, callID, sessionID: ses, messageID: asst, type: "tool", tool, state: { status: "completed", input, metadata, time: { start: 7, end: 9 } } } }]
  const steps = [
    done("edit", "call_1", {}, { filediff: { file: "/p/secret.PY", additions: 3, deletions: 1 } }),
    done("write", "call_2", { filePath: "C:\\p\\.env", content: "a\nb\n" }, {}),
    done("edit", "call_3", {}, {}),
    done("bash", "call_4", { filePath: "a.txt", content: "x" }, {}),
    done("apply_patch", "call_5", {}, { files: [{ filePath: "/p/a.ts", additions: 4, deletions: 0 }, { filePath: "/p/b.md", movePath: "/p/b.rst", additions: 0, deletions: 2 }, {}] }),
    done("apply_patch", "call_6", {}, { files: "none" }),
  ]
  const edits = (events) => events.filter(({ type }) => type === "tray.edit").map(({ properties }) => properties)
  assert.deepEqual(edits(await eventsOf(new Tray({ welcome: { edits: true } }), steps)), [
    { sessionID: ses, callID: "call_1@7", extension: ".py", added: 3, removed: 1 },
    { sessionID: ses, callID: "call_2@7", extension: "", added: 2 },
    { sessionID: ses, callID: "call_5@7", extension: ".ts", added: 4, removed: 0 },
    { sessionID: ses, callID: "call_5@7#1", extension: ".rst", added: 0, removed: 2 },
  ])
  assert.deepEqual(edits(await eventsFor(...steps)), [])
})

test("a message has agent and model if they differ from the session's", async () => {
  const model = { agent: "build", modelID: "fake-1", providerID: "fake" }
  const end = (id, more) => ["message.updated", { info: { id, sessionID: ses, role: "assistant", time: { completed: 2 }, ...model, ...more } }]
  const events = await eventsFor(["session.created", { info: session() }], end("msg_2"), end("msg_3"), end("msg_4", { agent: "plan" }), end("msg_5", { agent: "plan" }))
  assert.deepEqual(events.slice(1).map(({ properties }) => properties.info.agent), ["build", undefined, "plan", undefined])
})

test("a tool is reported at once, further changes after a second, none twice", async () => {
  const events = await eventsFor(
    ["session.status", busy],
    ["message.part.updated", toolPart("1", "bash", "pending")],
    ["message.part.updated", toolPart("1", "bash", "running")],
    100,
    ["message.part.updated", toolPart("1", "bash", "completed")],
    ["message.part.updated", toolPart("2", "read", "running")],
    ["message.part.updated", toolPart("2", "read", "completed")],
    ["message.part.updated", toolPart("3", "edit", "running")],
    ["message.part.updated", toolPart("4", "grep", "running")],
    1_000,
    ["message.part.updated", toolPart("4", "grep", "completed")],
    1_000,
    ["message.part.updated", toolPart("3", "edit", "error")],
    1_000,
  )
  const tools = events.slice(1).map(({ properties }) => `${properties.part.tool} ${properties.part.state.status}`)
  assert.deepEqual(tools, ["bash running", "grep running", "edit running", "edit completed"])
  assert.ok(!JSON.stringify(events).includes("secret"))
})

test("a tool that ended without a listener is reported when it runs again", () =>
  withPlugin({}, async ({ tray, event }) => {
    await until(() => tray.snapshots.length === 1)
    await event("message.part.updated", toolPart("1", "bash", "running"))
    await until(() => tray.events.length === 1)
    tray.socket.closed(1006)
    await event("message.part.updated", toolPart("1", "bash", "completed"))
    await until(() => tray.snapshots.length === 2)
    await event("message.part.updated", toolPart("2", "bash", "running"))
    await until(() => tray.events.length === 2)
  }))

test("tools that an aborted turn reports after idle are not sent", async () => {
  const events = await eventsFor(
    ["session.status", busy],
    ["message.part.updated", toolPart("1", "bash", "running")],
    ["message.part.updated", toolPart("2", "read", "running")],
    ["session.status", idle],
    ["message.part.updated", toolPart("1", "bash", "running")],
    3_000,
  )
  assert.deepEqual(events.map(({ type }) => type), ["session.status", "message.part.updated", "session.status"])
})

test("streamed text is sent every 5 s and at the end, 200 characters at most", async () => {
  const delta = (text) => ["message.part.delta", { sessionID: ses, messageID: asst, partID: "prt_t", field: "text", delta: text }]
  const steps = [["message.updated", assistant()], ["message.part.updated", textPart("")]]
  for (let second = 0; second < 12; second++) steps.push(delta(`line ${second}\n`), 1_000)
  const events = await eventsFor(...steps, ["message.part.updated", textPart(`line 11\n${"z".repeat(500)}`)], ["message.updated", assistant({ time: { completed: 2 } })])
  const lines = events.map(({ properties }) => properties.part?.text ?? properties.info.output)
  assert.deepEqual(lines, ["line 5", "line 10", "z".repeat(200)])
})

test("the whole text parts of OpenCode 1.0 are sent just as rarely", async () => {
  const steps = [["message.updated", assistant()]]
  let text = ""
  for (let n = 0; n < 120; n++) steps.push(["message.part.updated", textPart((text += `line ${n}\n`), { delta: "x" })], 50)
  const events = await eventsFor(...steps, ["message.updated", assistant({ time: { completed: 2 } })])
  const lines = events.map(({ properties }) => properties.part?.text ?? properties.info.output)
  assert.equal(lines.length, 2)
  assert.equal(lines[1], "line 119")
})

test("a permission's strings are cut, and its metadata has 20 entries at most", async () => {
  const long = "x".repeat(9_000)
  const metadata = { command: long, diff: { files: [] }, ...Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`k${n}`, "v"])) }
  const [event] = await eventsFor(["permission.asked", { ...frames.snapshot.permissions[0], patterns: [long], metadata }])
  assert.equal(event.properties.patterns[0].length, 2_000)
  assert.equal(event.properties.metadata.command.length, 2_000)
  assert.equal(Object.keys(event.properties.metadata).length, 20)
  assert.ok(!("diff" in event.properties.metadata))
})

test("answers to a question are not sent", async () => {
  const [event] = await eventsFor(["question.replied", { sessionID: ses, requestID: "que_1", answers: [["secret"]] }])
  assert.deepEqual(event.properties, { sessionID: ses, requestID: "que_1" })
})
