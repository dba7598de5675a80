import assert from "node:assert/strict"
import { test } from "node:test"
import { Feed } from "../../src/feed.js"

const branch = (name) => ({ type: "vcs.branch.updated", properties: { branch: name } })
const whole = { type: "snapshot", sessions: [], status: {}, permissions: [], questions: [] }

function start(snapshot = async () => whole, fits = (_) => true) {
  const frames = []
  const instance = { snapshot, log: () => {}, watcher: { traces: new Map() }, opencode: { isOld: true } }
  const feed = new Feed(instance, { send: (frame) => fits(frame) && frames.push(frame) > 0, unread: () => 0, onStuck: () => {} })
  return { feed, frames }
}

test("events that happen while a snapshot is taken follow it", async () => {
  const { feed, frames } = start()
  const taken = feed.sendSnapshot()
  feed.event(branch("x"))
  assert.equal(feed.sendSnapshot(), taken)
  await taken
  assert.deepEqual(frames, [whole, ["vcs.branch.updated", { branch: "x" }]])
  feed.close()
})

test("a snapshot that fails does not hold events back", async () => {
  const { feed, frames } = start(async () => { throw new Error("no") })
  const taken = feed.sendSnapshot()
  feed.event(branch("x"))
  await taken
  assert.deepEqual(frames, [["vcs.branch.updated", { branch: "x" }]])
  feed.close()
})

test("for a tray that asks for it, events and snapshots are numbered without a gap", async () => {
  const { feed, frames } = start()
  feed.isNumbered = true
  await feed.sendSnapshot()
  feed.event(branch("x"))
  feed.event(branch("y"))
  assert.deepEqual(frames, [
    { ...whole, number: 1 },
    ["vcs.branch.updated", { branch: "x" }, 2],
    ["vcs.branch.updated", { branch: "y" }, 3],
  ])
  feed.close()
})

test("a frame that is too large to be sent takes no number", async () => {
  const { feed, frames } = start(async () => whole, ([type]) => type !== "session.deleted")
  feed.isNumbered = true
  feed.event({ type: "session.deleted", properties: { info: { id: "ses_1" } } })
  feed.event(branch("x"))
  assert.deepEqual(frames, [["vcs.branch.updated", { branch: "x" }, 1]])
})

test("nothing is sent after the end", async () => {
  const { feed, frames } = start()
  const taken = feed.sendSnapshot()
  feed.close()
  feed.event(branch("x"))
  await taken
  assert.deepEqual(frames, [])
})
