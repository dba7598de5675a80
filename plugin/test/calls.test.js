/** The calls a tray may make: an allow-list. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { directory, frames, ses, until, withPlugin } from "./fakes.js"

const refused = -32000
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

for (const method of ["config.get", "session.delete", "_client.post", "constructor", "__proto__", "toString"])
  test(`${method} is no method, and OpenCode is not asked`, async () => {
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

test("session.messages gives at most what was asked for, with long strings cut", async () => {
  const messages = Array.from({ length: 9 }, (_, n) => ({ info: { id: `msg_${n}` }, parts: [{ type: "text", text: long, state: { deep: [long] } }] }))
  const { result, asked } = await answerTo({ ...frames.rpc_request }, { "session.messages": messages })
  assert.deepEqual(result.map(({ info }) => info.id), ["msg_7", "msg_8"])
  assert.equal(result[0].parts[0].text.length, 2_000)
  assert.equal(result[0].parts[0].state.deep[0].length, 2_000)
  assert.deepEqual(asked, [["session.messages", { path: { id: ses }, query: { directory, limit: 2 } }]])
})

test("OpenCode's no is passed on with its status", async () => {
  const answer = await answerTo({ ...frames.rpc_request }, { "session.messages": { error: { name: "NotFoundError" }, response: { status: 404 } } })
  assert.equal(answer.error.code, refused)
  assert.equal(answer.error.status, 404)
})

test("an answer over 4 MiB is refused, not sent", async () => {
  const part = { type: "text", text: long }
  const messages = Array.from({ length: 200 }, () => ({ info: { id: "msg" }, parts: Array(30).fill(part) }))
  const answer = await answerTo({ id: 1, method: "session.messages", params: { sessionID: ses, limit: 200 } }, { "session.messages": messages })
  assert.equal(answer.error.code, refused)
})

test("snapshot is answered after the snapshot was sent", () =>
  withPlugin({}, async ({ tray }) => {
    await until(() => tray.snapshots.length === 1)
    tray.socket.say(frames.rpc_snapshot_request)
    await until(() => tray.answers.length === 1)
    assert.deepEqual(tray.frames.at(-1), frames.rpc_snapshot_result)
    assert.equal(tray.frames.at(-2).type, "snapshot")
  }))

test("more than four calls at once are refused; frames that are no calls are ignored", () =>
  withPlugin({ answers: { "session.messages": () => new Promise(() => {}) } }, async ({ tray }) => {
    await until(() => tray.snapshots.length === 1)
    for (const frame of ["{{{", "7", "null", "[]", { id: "1", method: "snapshot" }, { method: "snapshot" }, { id: 1 }]) tray.socket.say(frame)
    for (let id = 1; id <= 6; id++) tray.socket.say({ id, method: "session.messages", params: { sessionID: ses } })
    await until(() => tray.answers.length === 6)
    assert.equal(tray.answers.filter(({ error }) => error.message.includes("too many")).length, 2)
  }))
