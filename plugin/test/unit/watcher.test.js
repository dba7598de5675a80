/** Watcher with its handlers, requests and activity. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { Watcher } from "../../src/watcher.js"

function observe(hasListener = true) {
  const events = []
  const watcher = new Watcher((event) => events.push(event), () => hasListener)
  return { watcher, events, handle: (type, properties) => watcher.handle({ type, properties }) }
}

test("an event type without a handler is dropped, also one named like an inherited property", () => {
  const { events, handle } = observe()
  for (const type of ["storage.write", "constructor", "__proto__", undefined]) handle(type, {})
  assert.deepEqual(events, [])
})

test("without a listener nothing is sent, but requests are kept", () => {
  const { watcher, events, handle } = observe(false)
  handle("permission.asked", { id: "per_1", sessionID: "s" })
  assert.deepEqual([events.length, [...watcher.permissions.keys()]], [0, ["per_1"]])
})

test("a request is kept until it is answered, or its session is idle or deleted", () => {
  const ends = {
    "permission.replied": { sessionID: "s", requestID: "per_1" },
    "session.status": { sessionID: "s", status: { type: "idle" } },
    "session.deleted": { info: { id: "s" } },
  }
  for (const [type, properties] of Object.entries(ends)) {
    const { watcher, handle } = observe()
    handle("permission.asked", { id: "per_1", sessionID: "s" })
    assert.equal(watcher.permissions.size, 1)
    handle(type, properties)
    assert.equal(watcher.permissions.size, 0, type)
  }
})

test("at most 300 sessions are kept, the most recently touched ones", () => {
  const { watcher } = observe()
  watcher.trace("first")
  for (let n = 0; n < 299; n++) watcher.trace(`s${n}`)
  watcher.trace("first")
  watcher.trace("new")
  assert.deepEqual([watcher.traces.size, watcher.traces.has("first"), watcher.traces.has("s0")], [300, true, false])
})

test("activeStatuses leaves out idle sessions", () => {
  const { watcher, handle } = observe()
  handle("session.status", { sessionID: "a", status: { type: "busy" } })
  handle("session.status", { sessionID: "b", status: { type: "idle" } })
  assert.deepEqual(watcher.activeStatuses(), { a: { type: "busy" } })
})

test("the first tool is reported at once", () => {
  const { watcher, events, handle } = observe()
  const state = { status: "running", input: { command: "ls" } }
  handle("message.part.updated", { part: { sessionID: "s", type: "tool", tool: "bash", callID: "c", state } })
  assert.deepEqual(events[0].properties.part, { sessionID: "s", type: "tool", tool: "bash", state: { status: "running" } })
  watcher.stop()
})

test("the command of a running tool is added to the permission that comes after it", () => {
  const { watcher, handle } = observe()
  const state = { status: "running", input: { command: "ls" } }
  handle("message.part.updated", { part: { sessionID: "s", type: "tool", tool: "bash", callID: "c", state } })
  handle("permission.asked", { id: "per_1", sessionID: "s", tool: { callID: "c" } })
  assert.equal(watcher.permissions.get("per_1").metadata.command, "ls")
})
