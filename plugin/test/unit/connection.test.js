/** The parts of a connection: retry delay, heartbeat and flow control. The rest is in ../connection.test.js. */
import assert from "node:assert/strict"
import { mock, test } from "node:test"
import { retryDelay } from "../../src/connection.js"
import { FlowControl, MAX_UNREAD } from "../../src/flow-control.js"
import { Heartbeat, MAX_SILENCE } from "../../src/heartbeat.js"

test("the retry delay doubles up to 30 s, and is drawn from the upper half", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 50].map((failures) => retryDelay(failures, 1)), [2_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  assert.equal(retryDelay(1, 0), 1_000)
})

test("a heartbeat reports silence only after a first ping", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] })
  const onSilence = mock.fn()
  const heartbeat = new Heartbeat(onSilence)
  t.mock.timers.tick(10 * MAX_SILENCE)
  assert.equal(onSilence.mock.callCount(), 0)
  heartbeat.pinged()
  t.mock.timers.tick(MAX_SILENCE / 2)
  heartbeat.pinged()
  t.mock.timers.tick(MAX_SILENCE)
  assert.equal(onSilence.mock.callCount(), 0)
  t.mock.timers.tick(MAX_SILENCE)
  assert.equal(onSilence.mock.callCount(), 1)
})

test("what was sent before a ping is read when its pong arrives", () => {
  const ping = mock.fn()
  const flow = new FlowControl({ bufferedAmount: 0, ping })
  flow.sent(MAX_UNREAD / 2)
  flow.sent(100)
  assert.deepEqual([flow.unread, ping.mock.callCount()], [MAX_UNREAD / 2 + 100, 1])
  flow.ponged()
  assert.deepEqual([flow.unread, ping.mock.callCount()], [100, 1])
})

test("a socket without ping is measured by its own buffer", () => {
  const flow = new FlowControl({ bufferedAmount: 7 })
  flow.sent(1_000)
  assert.equal(flow.unread, 7)
})
