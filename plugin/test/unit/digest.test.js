import assert from "node:assert/strict"
import { test } from "node:test"
import { digestOf, isInherited, mayBeFork } from "../../src/digest.js"

const idAt = (time) => `msg_${((BigInt(time) << 12n) % 2n ** 48n).toString(16).padStart(12, "0")}abc`
const now = 1_795_237_287_000

test("a message that ended before its id was made was copied", () => {
  assert.equal(isInherited({ id: idAt(now), time: { completed: now - 1_000 } }), true)
  assert.equal(isInherited({ id: idAt(now), time: { completed: now + 1_000 } }), false)
  assert.equal(isInherited({ id: "other", time: { completed: 1 } }), false)
})

test("the digest sums up the assistant's messages and keeps the last one's output", () => {
  const step = (id, text) => ({ info: { id, sessionID: "s", role: "assistant", cost: 1, tokens: { input: 2 } }, parts: [{ type: "text", text }] })
  const { messages, cost, tokens, output, last } = digestOf([{ info: { role: "user" } }, step("msg_1", "a"), step("msg_2", "b\nc\n")])
  assert.deepEqual([messages, cost, tokens, output, last.id], [3, 2, { input: 4 }, "c", "msg_2"])
})

test("a session without cost is not read as a fork", () => {
  assert.equal(mayBeFork({ title: "Work (fork #1)", cost: 1 }), true)
  assert.equal(mayBeFork({ title: "Work (fork #1)" }), false)
})
