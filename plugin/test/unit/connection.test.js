/** The parts of a connection: retry delay, heartbeat and flow control. The rest is in ../connection.test.js. */
import assert from "node:assert/strict"
import { mock, test } from "node:test"
import { retryDelay } from "../../src/connection.js"
import { FlowControl, MAX_UNREAD } from "../../src/flow-control.js"
import { Heartbeat, MAX_SILENCE } from "../../src/heartbeat.js"

test("the retry delay doubles up to 4 s, and is drawn from the upper half", () => {
  assert.deepEqual([1, 2, 3, 4, 50].map((failures) => retryDelay(failures, 1)), [2_000, 2_000, 4_000, 4_000, 4_000])
  assert.equal(retryDelay(1, 0), 1_000)
})

/** Mock the timers and the clock that is never set; return a function that lets time pass. */
function mockTime(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] })
  let passed = 0
  t.mock.method(performance, "now", () => passed)
  return (ms) => {
    passed += ms
    t.mock.timers.tick(ms)
  }
}

test("a heartbeat reports silence only after a first ping", (t) => {
  const pass = mockTime(t)
  const onSilence = mock.fn()
  const heartbeat = new Heartbeat(onSilence)
  pass(10 * MAX_SILENCE)
  assert.equal(onSilence.mock.callCount(), 0)
  heartbeat.pinged()
  pass(MAX_SILENCE / 2)
  heartbeat.pinged()
  pass(MAX_SILENCE)
  assert.equal(onSilence.mock.callCount(), 0)
  pass(MAX_SILENCE)
  assert.equal(onSilence.mock.callCount(), 1)
})

test("a clock that is set makes a heartbeat neither silent nor patient", (t) => {
  const pass = mockTime(t)
  for (const day of [-1, 1]) {
    let at = 1e12
    const wall = t.mock.method(Date, "now", () => at)
    const onSilence = mock.fn()
    new Heartbeat(onSilence).pinged()
    at += day * 86_400_000
    pass(MAX_SILENCE / 2)
    assert.equal(onSilence.mock.callCount(), 0)
    for (let half = 0; half < 2; half++) pass(MAX_SILENCE / 2 + 1)
    assert.equal(onSilence.mock.callCount(), 1)
    wall.mock.restore()
  }
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
