import assert from "node:assert/strict"
import { mock, test } from "node:test"
import { after, attempt } from "../../src/timers.js"

test("after calls once, unless it is cancelled", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] })
  const act = mock.fn()
  after(10, act)
  after(10, act).cancel()
  t.mock.timers.tick(10)
  assert.equal(act.mock.callCount(), 1)
})

test("attempt passes on what is thrown now or rejected later", async () => {
  const errors = []
  attempt(() => { throw new Error("now") }, (error) => errors.push(error.message))
  attempt(async () => { throw new Error("later") }, (error) => errors.push(error.message))
  await Promise.resolve()
  assert.deepEqual(errors, ["now", "later"])
})
