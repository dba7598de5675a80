import assert from "node:assert/strict"
import { test } from "node:test"
import { lastLine, pick, truncateDeep } from "../../src/values.js"

test("truncateDeep cuts strings, lists and depth, and reports that it did", () => {
  let cuts = 0
  const cut = truncateDeep({ text: "x".repeat(3_000), list: Array(300).fill(1), number: 7 }, () => cuts++)
  assert.deepEqual([cut.text.length, cut.list.length, cut.number, cuts], [2_000, 200, 7, 2])
  let deep = {}
  for (let level = 0; level < 20; level++) deep = { deep }
  assert.ok(JSON.stringify(truncateDeep(deep, () => cuts++)).length < 100)
  assert.equal(cuts, 3)
})

test("truncateDeep leaves a small value as it is", () => {
  const value = { a: [1, { b: null }], c: "text" }
  assert.deepEqual(truncateDeep(value, () => assert.fail("cut")), value)
})

test("pick leaves out undefined, null and empty strings, and keeps zeros", () => {
  assert.deepEqual(pick({ a: undefined, b: null, c: "", d: 0, e: "x", f: 1 }, ["a", "b", "c", "d", "e"]), { d: 0, e: "x" })
})

test("lastLine returns the last line that is not blank, cut at 200 characters", () => {
  assert.equal(lastLine("one\ntwo \n\n  \n"), "two")
  assert.equal(lastLine(""), "")
  assert.equal(lastLine("x".repeat(500)).length, 200)
})
