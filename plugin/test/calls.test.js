/** The calls that a tray may make. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { directory, frames, ses, session, until, withPlugin } from "./fakes.js"

const [refused, notFound, unsupported] = [-32000, -32001, -32002]
const long = "x".repeat(5_000)

async function answerTo(call, answers = {}) {
  let answer
  await withPlugin({ answers }, async ({ tray, client }) => {
    await until(() => tray.snapshots.length === 1)
    client.asked.length = 0
    tray.socket.say(call)
    await until(() => tray.answers.length === 1)
    answer = tray.answers[0]
    answer.asked = client.asked
  })
  return answer
}

for (const method of ["config.get", "session.share", "_client.post", "constructor", "__proto__", "toString"])
  test(`${method} is not a method, and OpenCode is not called`, async () => {
    const { asked, ...answer } = await answerTo({ id: 2, method, params: {} })
    assert.deepEqual(answer, frames.rpc_error)
    assert.deepEqual(asked, [])
  })

for (const params of [undefined, null, [], {}, { sessionID: "../x" }, { sessionID: 7 }, { sessionID: ses, limit: 0 }, { sessionID: ses, limit: 201 }, { sessionID: ses, limit: "5" }])
  test(`session.messages refuses ${JSON.stringify(params)}`, async () => {
    const answer = await answerTo({ id: 1, method: "session.messages", params })
    assert.equal(answer.error.code, -32602)
    assert.deepEqual(answer.asked, [])
  })

test("a tray that asks for prompts later gets them from then on", () =>
  withPlugin({}, async ({ tray, event }) => {
    const prompt = async (id) => {
      await event("message.updated", { info: { id, sessionID: ses, role: "user" } })
      await event("message.part.updated", { part: { id, messageID: id, sessionID: ses, type: "text", text: `text of ${id}` } })
    }
    await until(() => tray.snapshots.length === 1)
    await prompt("msg_1")
    tray.socket.say({ id: 1, method: "wishes", params: { prompts: true } })
    await until(() => tray.answers.length === 1)
    await prompt("msg_2")
    await until(() => tray.events.some(({ type }) => type === "message.part.updated"))
    assert.deepEqual(tray.answers, [{ id: 1, result: {} }])
    const texts = tray.events.map(({ properties }) => properties.part?.text).filter(Boolean)
    assert.deepEqual(texts, ["text of msg_2"])
  }))

const found = { "session.get": session() }
const path = { id: ses }
const query = { directory }

test("session.messages returns at most `limit` messages and cuts long strings", async () => {
  const messages = Array.from({ length: 9 }, (_, n) => ({ info: { id: `msg_${n}` }, parts: [{ type: "text", text: long, state: { deep: [long] } }] }))
  const { result, asked } = await answerTo({ ...frames.rpc_request }, { ...found, "session.messages": messages })
  assert.deepEqual(result.map(({ info }) => info.id), ["msg_7", "msg_8"])
  assert.equal(result[0].parts[0].text.length, 2_000)
  assert.equal(result[0].parts[0].state.deep[0].length, 2_000)
  assert.deepEqual(asked.at(-1), ["session.messages", { path, query: { directory, limit: 2 } }])
})

test("a refusal of OpenCode is returned with its HTTP status", async () => {
  const answer = await answerTo({ ...frames.rpc_request }, { ...found, "session.messages": { error: { name: "BadRequest" }, response: { status: 400 } } })
  assert.equal(answer.error.code, refused)
  assert.equal(answer.error.status, 400)
})

for (const gone of [{ error: { name: "NotFoundError" }, response: { status: 404 } }, {}])
  test(`a session that does not exist is not found: ${JSON.stringify(gone)}`, async () => {
    for (const method of ["session.abort", "session.delete", "session.fork", "session.todo"]) {
      const { error, asked } = await answerTo({ id: 1, method, params: { sessionID: ses } }, { "session.get": gone })
      assert.equal(error.code, notFound)
      assert.deepEqual(asked.map(([name]) => name), ["session.get"])
    }
  })

// ------------------------------------------------------------------------------------------------ answers

const permission = frames.events.find(([type]) => type === "permission.asked")[1]
const question = frames.events.find(([type]) => type === "question.asked")[1]
const old = frames.events.find(([type]) => type === "permission.updated")[1]
const reply = (id, more) => ({ id: 1, method: "permission.reply", params: { requestID: id, reply: "once", ...more } })

/** The answer to a call that comes after these events, and what OpenCode was asked because of it. */
async function answerAfter(events, call, { answers = {}, input = {}, env = {} } = {}) {
  let answer
  await withPlugin({ answers, input, env }, async ({ tray, client, event }) => {
    await until(() => tray.snapshots.length === 1)
    for (const [type, properties] of events) event(type, properties)
    client.asked.length = 0
    tray.socket.say(call)
    await until(() => tray.answers.length === 1)
    answer = { ...tray.answers[0], asked: client.asked }
  })
  return answer
}

const asked = [["permission.asked", permission], ["question.asked", question]]
const json = { "content-type": "application/json" }
const yes = { "POST /permission/{requestID}/reply": true, "POST /question/{requestID}/reply": true, "POST /question/{requestID}/reject": true }

for (const [what, call, url, requestID, body] of [
  ["a permission is allowed", reply(permission.id), "/permission/{requestID}/reply", permission.id, { reply: "once" }],
  ["a permission is rejected with a message", reply(permission.id, { reply: "reject", message: "no" }), "/permission/{requestID}/reply", permission.id, { reply: "reject", message: "no" }],
  ["a question is answered", { id: 1, method: "question.reply", params: { requestID: question.id, answers: [["SQLite"]] } }, "/question/{requestID}/reply", question.id, { answers: [["SQLite"]] }],
  ["a question is rejected", { id: 1, method: "question.reject", params: { requestID: question.id } }, "/question/{requestID}/reject", question.id, {}],
])
  test(`${what} by its id`, async () => {
    const answer = await answerAfter(asked, call, { answers: yes })
    assert.deepEqual(answer.result, {})
    assert.deepEqual(answer.asked, [[`POST ${url}`, { url, path: { requestID }, body, query, headers: json }]])
  })

test("OpenCode 1.0 has a reply path of its own, which takes no message", async () => {
  const url = "/session/{id}/permissions/{permissionID}"
  const given = { answers: { [`POST ${url}`]: true }, input: { serverUrl: undefined } }
  const answer = await answerAfter([["permission.updated", old]], reply(old.id), given)
  assert.deepEqual(answer.asked, [[`POST ${url}`, { url, path: { id: old.sessionID, permissionID: old.id }, body: { response: "once" }, query, headers: json }]])
  const message = await answerAfter([["permission.updated", old]], reply(old.id, { reply: "reject", message: "no" }), given)
  assert.equal(message.error.code, unsupported)
  assert.deepEqual(message.asked, [])
})

test("a request that was answered is not found, and no reply is sent to OpenCode", async () => {
  const gone = [...asked, ["permission.replied", { sessionID: permission.sessionID, requestID: permission.id, reply: "reject" }]]
  for (const id of [permission.id, "per_never"]) {
    const answer = await answerAfter(gone, reply(id), { answers: yes })
    assert.equal(answer.error.code, notFound)
    assert.deepEqual(answer.asked.map(([name]) => name), ["/permission"])
  }
})

test("an idle session has no pending requests", async () => {
  const idle = [...asked, ["session.status", { sessionID: permission.sessionID, status: { type: "idle" } }]]
  assert.equal((await answerAfter(idle, reply(permission.id), { answers: yes })).error.code, notFound)
})

test("a reply that OpenCode does not answer with `true` is unsupported", async () => {
  const answer = await answerAfter(asked, reply(permission.id), { answers: { "POST /permission/{requestID}/reply": "<!doctype html>" } })
  assert.equal(answer.error.code, unsupported)
})

for (const [method, params] of [
  ["permission.reply", { requestID: permission.id, reply: "maybe" }],
  ["permission.reply", { requestID: "../x", reply: "once" }],
  ["permission.reply", { requestID: permission.id, reply: "reject", message: "x".repeat(10_001) }],
  ["question.reply", { requestID: question.id, answers: [] }],
  ["question.reply", { requestID: question.id, answers: ["SQLite"] }],
  ["question.reply", { requestID: question.id, answers: [[""]] }],
  ["session.update", { sessionID: ses }],
  ["session.update", { sessionID: ses, title: "x".repeat(201) }],
  ["session.prompt", { sessionID: ses, text: "" }],
  ["session.create", { sessionID: ses }],
  ["session.fork", { sessionID: ses, messageID: "-x" }],
  ["tui.select", {}],
])
  test(`${method} refuses ${JSON.stringify(params).slice(0, 80)}`, async () => {
    const answer = await answerAfter(asked, { id: 1, method, params }, { answers: yes })
    assert.equal(answer.error.code, -32602)
    assert.deepEqual(answer.asked, [])
  })

test("calls carry the server's password, which 1.1 requires of its own plugins", async () => {
  const env = { OPENCODE_SERVER_PASSWORD: "secret" }
  const answer = await answerAfter(asked, reply(permission.id), { answers: yes, env })
  assert.equal(answer.asked[0][1].headers.authorization, `Basic ${Buffer.from("opencode:secret").toString("base64")}`)
})

// ------------------------------------------------------------------------------------------------ sessions

for (const [method, params, name, options, result] of [
  ["session.abort", {}, "session.abort", {}, {}],
  ["session.fork", {}, "session.fork", { body: {} }, { id: "ses_2", title: "One (fork #1)" }],
  ["session.update", { title: "Two" }, "session.update", { body: { title: "Two" } }, {}],
  ["session.update", { archived: 7 }, "session.update", { body: { time: { archived: 7 } } }, {}],
  ["session.prompt", { text: "go on" }, "session.promptAsync", { body: { parts: [{ type: "text", text: "go on" }] } }, {}],
  ["session.todo", {}, "session.todo", {}, [{ content: "Test it" }]],
  ["session.delete", {}, "session.delete", {}, {}],
])
  test(`${method} ${JSON.stringify(params)} calls ${name}`, async () => {
    const answers = { ...found, "session.fork": { id: "ses_2", title: "One (fork #1)", version: "1" }, "session.todo": [{ content: "Test it" }] }
    const answer = await answerAfter([], { id: 1, method, params: { sessionID: ses, ...params } }, { answers })
    assert.deepEqual(answer.result, result)
    assert.deepEqual(answer.asked.at(-1), [name, { path, query, ...options }])
  })

test("session.draft returns the text that is being written until it has ended", async () => {
  const draft = { id: 1, method: "session.draft", params: { sessionID: ses } }
  const part = (text, more) => ["message.part.updated", { part: { id: "p", sessionID: ses, messageID: "msg_2", type: "text", text, ...more } }]
  const begun = [
    ["session.status", { sessionID: ses, status: { type: "busy" } }],
    ["message.updated", { info: { id: "msg_2", sessionID: ses, role: "assistant", time: { created: 1 } } }],
    part("One line\nand an"),
    ["message.part.delta", { sessionID: ses, messageID: "msg_2", partID: "p", field: "text", delta: "other" }],
  ]
  const text = async (...steps) => (await answerAfter(steps, draft)).result.text
  assert.equal(await text(), "")
  assert.equal(await text(...begun), "One line\nand another")
  assert.equal(await text(...begun, part("One line\nand another", { time: { start: 1, end: 2 } })), "")
  const [idle, busy] = ["idle", "busy"].map((type) => ["session.status", { sessionID: ses, status: { type } }])
  assert.equal(await text(...begun, idle), "")
  assert.equal(await text(...begun, idle, busy), "") // nothing of the next turn yet
})

test("session.create starts a session and its first turn", async () => {
  const answers = { ...found, "session.create": { id: "ses_3", title: "New", version: "1" } }
  const answer = await answerAfter([], { id: 1, method: "session.create", params: { sessionID: ses, text: "begin" } }, { answers })
  assert.deepEqual(answer.result, { id: "ses_3", title: "New" })
  assert.deepEqual(answer.asked.slice(-2), [
    ["session.create", { query, body: {} }],
    ["session.promptAsync", { path: { id: "ses_3" }, query, body: { parts: [{ type: "text", text: "begin" }] } }],
  ])
})

test("session.diff falls back to the newest prompt's diff", async () => {
  const prompt = frames.events.find(([type, { info }]) => type === "message.updated" && info.role === "user")
  const diff = ({ query }) => (query.messageID === prompt[1].info.id ? [{ file: "a.txt", additions: 1 }] : [])
  const answer = await answerAfter([prompt], { id: 1, method: "session.diff", params: { sessionID: ses } }, { answers: { ...found, "session.diff": diff } })
  assert.deepEqual(answer.result, [{ file: "a.txt", additions: 1 }])
})

test("tui.select switches the terminal UI", async () => {
  const url = "/tui/select-session"
  const call = { id: 1, method: "tui.select", params: { sessionID: ses } }
  const answer = await answerAfter([], call, { answers: { [`POST ${url}`]: true } })
  assert.deepEqual(answer.result, {})
  assert.deepEqual(answer.asked[0][1].body, { sessionID: ses })
  assert.equal((await answerAfter([], call, { input: { serverUrl: undefined } })).error.code, unsupported)
})

test("an answer over 4 MiB is refused, not sent", async () => {
  const part = { type: "text", text: long }
  const messages = Array.from({ length: 200 }, () => ({ info: { id: "msg" }, parts: Array(30).fill(part) }))
  const answer = await answerTo({ id: 1, method: "session.messages", params: { sessionID: ses, limit: 200 } }, { "session.get": session(), "session.messages": messages })
  assert.equal(answer.error.code, refused)
})

test("the answer to `snapshot` follows the snapshot", () =>
  withPlugin({}, async ({ tray }) => {
    await until(() => tray.snapshots.length === 1)
    tray.socket.say(frames.rpc_snapshot_request)
    await until(() => tray.answers.length === 1)
    assert.deepEqual(tray.frames.at(-1), frames.rpc_snapshot_result)
    assert.equal(tray.frames.at(-2).type, "snapshot")
  }))

test("more than four calls at once are refused; frames other than calls are ignored", () =>
  withPlugin({ answers: { "session.get": () => new Promise(() => {}) } }, async ({ tray }) => {
    await until(() => tray.snapshots.length === 1)
    for (const frame of ["7", "null", "[]", { id: "1", method: "snapshot" }, { method: "snapshot" }, { id: 1 }]) tray.socket.say(frame)
    for (let id = 1; id <= 6; id++) tray.socket.say({ id, method: "session.messages", params: { sessionID: ses } })
    await until(() => tray.answers.length === 6)
    assert.equal(tray.answers.filter(({ error }) => error.message.includes("too many")).length, 2)
  }))
