/** Calls and the checks of their parameters; every method is tested through the plugin in ../calls.test.js. */
import assert from "node:assert/strict"
import { test } from "node:test"
import { CallServer } from "../../src/calls.js"
import { ParameterError } from "../../src/errors.js"
import { checkParameters, isId } from "../../src/parameters.js"

const server = (sendSnapshot) => new CallServer({ opencode: {}, watcher: {}, feed: { sendSnapshot } })

test("checkParameters returns only what it checks, and requires what is not optional", () => {
  assert.deepEqual(checkParameters({ id: "a", other: 1 }, { id: isId, "more?": isId }), { id: "a" })
  assert.throws(() => checkParameters({}, { id: isId }), ParameterError)
  assert.throws(() => checkParameters(null, { id: isId }), /invalid id/)
})

test("a frame that is not a call has no answer", async () => {
  for (const frame of [null, 7, [], {}, { id: "1", method: "snapshot" }, { id: 1 }])
    assert.equal(await server().answer(frame), undefined)
})

test("a call that arrives twice is served once", async () => {
  const calls = server(async () => {})
  assert.deepEqual(await calls.answer({ id: 1, method: "snapshot" }), { id: 1, result: {} })
  assert.equal(await calls.answer({ id: 1, method: "snapshot" }), undefined)
  for (let id = 2; id < 300; id++) assert.deepEqual(await calls.answer({ id, method: "snapshot" }), { id, result: {} })
  assert.equal(await calls.answer({ id: 250, method: "snapshot" }), undefined)
})

test("the fifth call at once is refused, and a place is free when one has ended", async () => {
  const release = []
  const calls = server(() => new Promise((resolve) => release.push(resolve)))
  const running = [1, 2, 3, 4].map((id) => calls.answer({ id, method: "snapshot" }))
  assert.equal((await calls.answer({ id: 5, method: "snapshot" })).error.code, -32000)
  for (const resolve of release) resolve()
  await Promise.all(running)
  assert.equal((await calls.answer({ id: 6, method: "none" })).error.code, -32601)
})
