import assert from "node:assert/strict"
import { test } from "node:test"
import { OpenCode } from "../../src/opencode.js"
import { readLimits, SECTIONS, takeSnapshot } from "../../src/snapshot.js"
import { Watcher } from "../../src/watcher.js"
import { fakeClient, quiet } from "../fakes.js"

const alive = setInterval(() => {}, 1_000) // the plugin's own timers do not keep the process alive
test.after(() => clearInterval(alive))

const watcher = new Watcher(() => {}, () => false)
const made = (answers) => new OpenCode({ client: fakeClient(answers), directory: "/d", serverUrl: "http://x/" })

test("a quiet OpenCode gives every section, empty", async () => {
  const snapshot = await takeSnapshot(made(quiet), watcher)
  assert.ok(SECTIONS.every((name) => name in snapshot))
  assert.deepEqual(snapshot.sessions, [])
})

test("limits have the models with a context size; without any there are none", async () => {
  const models = { a: { limit: { context: 5 } }, b: {}, c: null }
  assert.deepEqual(await readLimits(made({ "config.providers": { providers: [{ id: "p", models }, null] } })), { "p/a": 5 })
  assert.equal(await readLimits(made({})), undefined)
})
