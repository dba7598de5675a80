import assert from "node:assert/strict"
import { test } from "node:test"
import { chooseSessions } from "../../src/sessions.js"

const opencode = (extra = {}) => ({ directory: "/d", session: async (_, id) => ({ data: extra[id] }) })
const info = (id, more) => ({ id, directory: "/d", time: { updated: Date.now() }, ...more })
const ids = async (...given) => (await chooseSessions(...given)).map(({ id }) => id)

test("sessions are sorted by rank, then by time", async () => {
  const listed = [info("old", { time: { updated: Date.now() - 1_000 } }), info("new"), info("busy", { time: { updated: 1 } })]
  assert.deepEqual(await ids(opencode(), listed, new Map([["busy", 2]])), ["busy", "new", "old"])
})

test("an ancestor that is not listed is read", async () => {
  const listed = [info("child", { parentID: "root" })]
  assert.deepEqual(await ids(opencode({ root: info("root") }), listed, new Map()), ["child", "root"])
})

test("a cycle of parents ends", async () => {
  const listed = [info("a", { parentID: "b" }), info("b", { parentID: "a" })]
  assert.deepEqual((await ids(opencode(), listed, new Map())).sort(), ["a", "b"])
})
