import assert from "node:assert/strict"
import { test } from "node:test"
import { encode, MAX_FRAME, shrink } from "../../src/frames.js"

test("half a character becomes U+FFFD, a whole one stays", () => {
  assert.equal(encode({ text: "😀".slice(0, 1) }), '{"text":"\ufffd"}')
  assert.equal(encode({ text: "😀" }), '{"text":"😀"}')
})

test("a frame is measured in bytes", () => {
  assert.ok(encode("x".repeat(MAX_FRAME - 2)))
  assert.equal(encode("x".repeat(MAX_FRAME)), undefined)
  assert.equal(encode("ä".repeat(MAX_FRAME / 2)), undefined)
})

test("a snapshot that is too large loses its todos, then its digests", () => {
  const big = "x".repeat(MAX_FRAME)
  assert.deepEqual(shrink({ type: "snapshot", todos: { s: [{ content: big }] }, sessions: [{ id: "s", digest: {} }] }), { type: "snapshot", sessions: [{ id: "s", digest: {} }] })
  assert.deepEqual(shrink({ type: "snapshot", sessions: [{ id: "s", digest: { output: big } }] }).sessions, [{ id: "s" }])
})
