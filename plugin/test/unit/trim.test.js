import assert from "node:assert/strict"
import { test } from "node:test"
import * as trim from "../../src/trim.js"

test("token counts lose their zeros", () => {
  assert.deepEqual(trim.trimTokens({ input: 1, output: 0, cache: { read: 0, write: 2 } }), { input: 1, cache: { write: 2 } })
  assert.equal(trim.trimTokens({ input: 0, cache: { read: 0 } }), undefined)
  assert.equal(trim.trimTokens(7), undefined)
})

test("a session keeps the fields of PROTOCOL.md only", () => {
  const info = { id: "ses_1", title: "One", version: "1", share: { url: "x" }, cost: 0, time: { created: 1, compacting: 2 } }
  assert.deepEqual(trim.trimSession(info), { id: "ses_1", title: "One", time: { created: 1 } })
  assert.equal(trim.trimSession({ title: "no id" }), undefined)
})

test("an error keeps its message and status; a stop by the user only its name", () => {
  const data = { message: "m", statusCode: 400, stack: "s" }
  assert.deepEqual(trim.trimError({ sessionID: "s", error: { name: "APIError", data } }), {
    sessionID: "s",
    error: { name: "APIError", data: { message: "m", statusCode: 400 } },
  })
  assert.deepEqual(trim.trimError({ sessionID: "s", error: { name: "MessageAbortedError", data } })?.error, { name: "MessageAbortedError" })
})

test("a request whose metadata is not plain is marked as incomplete", () => {
  const request = { id: "per_1", sessionID: "s", metadata: { command: "ls", input: {} } }
  assert.deepEqual(trim.trimRequest(request), { id: "per_1", sessionID: "s", metadata: { command: "ls" }, more: true })
})

test("withCommand does not replace a command", () => {
  const request = { metadata: { command: "ls" } }
  assert.equal(trim.withCommand(request, "rm"), request)
  assert.deepEqual(trim.withCommand({}, "rm"), { metadata: { command: "rm" } })
})

test("a retry keeps its reason, any other status only its type", () => {
  const retry = { type: "retry", attempt: 1, message: "m", next: 5, extra: 1 }
  assert.deepEqual(trim.trimStatus({ sessionID: "s", status: retry })?.status, { type: "retry", attempt: 1, message: "m", next: 5 })
  assert.deepEqual(trim.trimStatus({ sessionID: "s", status: { type: "busy", extra: 1 } })?.status, { type: "busy" })
})
