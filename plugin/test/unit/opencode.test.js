import assert from "node:assert/strict"
import { test } from "node:test"
import { RefusedError, UnsupportedError } from "../../src/errors.js"
import { ask, OpenCode, tryAsk } from "../../src/opencode.js"

const alive = setInterval(() => {}, 1_000) // the plugin's own timers do not keep the process alive
test.after(() => clearInterval(alive))

test("ask returns the data, and throws OpenCode's status or that it did not answer", async () => {
  assert.equal(await ask(async () => ({ data: 7 })), 7)
  const refused = async () => ({ error: { name: "NotFoundError" }, response: { status: 404 } })
  await assert.rejects(ask(refused), (error) => error instanceof RefusedError && error.status === 404)
  await assert.rejects(ask(() => new Promise(() => {}), 5), /did not answer/)
})

test("tryAsk returns undefined when a call fails", async () => {
  assert.equal(await tryAsk(async () => { throw new Error("no") }), undefined)
})

test("every call names the directory", () => {
  const asked = []
  const note = (options) => asked.push(options.query.directory)
  const client = { session: { list: note, status: note, get: note }, config: { providers: note }, _client: { get: note, post: note } }
  const opencode = new OpenCode({ client, directory: "/d", serverUrl: "http://x/" })
  opencode.sessions(5)
  opencode.statuses()
  opencode.providers()
  opencode.session("get", "ses_1")
  opencode.get("/vcs")
  opencode.post("/x", {}, {})
  assert.deepEqual(asked, Array(6).fill("/d"))
})

test("a function that this OpenCode's client does not have is unsupported", () => {
  const opencode = new OpenCode({ client: { session: {} }, directory: "/d" })
  assert.throws(() => opencode.session("fork", "ses_1"), UnsupportedError)
  assert.ok(opencode.isOld)
})
