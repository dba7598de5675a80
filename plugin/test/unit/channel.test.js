import assert from "node:assert/strict"
import { mock, test } from "node:test"
import { Channel } from "../../src/channel.js"

const instance = { id: "id", log: () => {}, hello: async () => ({}) }

/** Open a channel on a socket that the test drives. */
function open(t, key = "") {
  t.mock.timers.enable({ apis: ["setTimeout"] })
  const real = globalThis.WebSocket
  const sent = []
  const socket = { send: (text) => sent.push(JSON.parse(text)), close: mock.fn() }
  globalThis.WebSocket = function () { return socket }
  t.after(() => (globalThis.WebSocket = real))
  const onClose = mock.fn()
  return { channel: new Channel({ url: "ws://x/", token: "token", key }, instance, { onOpen: () => {}, onClose }), socket, sent, onClose }
}

test("it says hello first", async (t) => {
  const { channel, socket, sent } = open(t)
  socket.onopen()
  await new Promise(setImmediate)
  assert.ok(!("key" in sent[0]))
  assert.deepEqual([sent[0].type, sent[0].protocol, sent[0].instance, channel.isOpen], ["hello", 2, "id", false])
})

test("it names the key of a token that is valid for this machine only", async (t) => {
  const { socket, sent } = open(t, "desk-1")
  socket.onopen()
  await new Promise(setImmediate)
  assert.equal(sent[0].key, "desk-1")
})

test("the end is reported once, whatever follows", (t) => {
  const { socket, onClose } = open(t)
  socket.onclose({ code: 1006 })
  socket.onclose({ code: 1006 })
  socket.onmessage({ data: "{}" })
  t.mock.timers.tick(20_000)
  assert.deepEqual(onClose.mock.calls.map((call) => call.arguments), [[1006]])
})

test("without a welcome within 10 s it closes", (t) => {
  const { socket, onClose } = open(t)
  t.mock.timers.tick(10_000)
  assert.deepEqual([socket.close.mock.calls[0].arguments, onClose.mock.callCount()], [[4408], 1])
})

test("close() is not reported", (t) => {
  const { channel, socket, onClose } = open(t)
  channel.close()
  assert.deepEqual([socket.close.mock.calls[0].arguments, onClose.mock.callCount()], [[1000], 0])
})
