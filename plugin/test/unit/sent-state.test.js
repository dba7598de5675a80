import assert from "node:assert/strict"
import { test } from "node:test"
import { SentState } from "../../src/sent-state.js"

const updated = (info) => ({ type: "session.updated", properties: { info } })
const status = (type) => ({ type: "session.status", properties: { sessionID: "s", status: { type } } })

test("of a session that a snapshot had, only the changed fields are sent", () => {
  const sent = new SentState({ sessions: [{ id: "s", title: "One", cost: 1, digest: {} }] })
  assert.deepEqual(sent.changes(updated({ id: "s", title: "Two" }))?.properties.info, { id: "s", title: "Two", cost: 0 })
  assert.equal(sent.changes(updated({ id: "s", title: "Two" })), undefined)
})

test("after a snapshot a session without a status is idle", () => {
  assert.equal(new SentState({ status: {} }).changes(status("idle")), undefined)
  assert.deepEqual(new SentState().changes(status("idle")), status("idle"))
})

test("an event of another type is sent as it is", () => {
  const event = { type: "todo.updated", properties: { sessionID: "s", todos: [] } }
  assert.equal(new SentState().changes(event), event)
})
