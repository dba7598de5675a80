import assert from "node:assert/strict"
import { mock, test } from "node:test"
import { Transport } from "../../src/transport.js"

/** Open a transport on a socket that the test drives. */
function open(t, callbacks) {
  const real = globalThis.WebSocket
  const socket = { send: mock.fn(), close: mock.fn(), terminate: mock.fn() }
  globalThis.WebSocket = function () { return socket }
  t.after(() => (globalThis.WebSocket = real))
  const onClose = mock.fn()
  const onFrame = mock.fn()
  const transport = new Transport("ws://x/", () => {}, { onOpen: () => {}, onFrame, onClose, ...callbacks })
  return { transport, socket, onFrame, onClose, codes: () => onClose.mock.calls.map((call) => call.arguments[0]) }
}

test("a text is passed on as its JSON value, or as undefined", (t) => {
  const { socket, onFrame } = open(t)
  for (const data of ["[1]", "{{{"]) socket.onmessage({ data })
  assert.deepEqual(onFrame.mock.calls.map((call) => call.arguments), [[[1]], [undefined]])
})

test("a binary frame and one over 4 MiB end the connection", (t) => {
  for (const [data, code] of [[new ArrayBuffer(8), 4400], ["x".repeat(5e6), 1009]]) {
    const { socket, codes } = open(t)
    socket.onmessage({ data })
    assert.deepEqual([codes(), socket.close.mock.calls[0].arguments], [[code], [code]])
  }
})

test("a callback that throws or rejects ends the connection", async (t) => {
  for (const onOpen of [() => { throw new Error("x") }, async () => { throw new Error("x") }]) {
    const { socket, codes } = open(t, { onOpen })
    socket.onopen()
    await Promise.resolve()
    assert.deepEqual(codes(), [4400])
  }
})

test("a silent tray is terminated", (t) => {
  const { transport, socket } = open(t)
  transport.drop(4408)
  assert.deepEqual([socket.terminate.mock.callCount(), socket.close.mock.callCount()], [1, 0])
})

test("a frame that cannot be sent does no harm, one that is too large is not sent", (t) => {
  const { transport, socket } = open(t)
  socket.send.mock.mockImplementation(() => { throw new Error("closing") })
  assert.equal(transport.send({}), true)
  assert.equal(transport.send("x".repeat(5e6)), false)
})
