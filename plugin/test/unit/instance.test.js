import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { Instance } from "../../src/instance.js"
import { readSettings } from "../../src/settings.js"
import { VERSION } from "../../src/version.js"
import { fakeClient, quiet } from "../fakes.js"

const alive = setInterval(() => {}, 1_000) // the plugin's own timers do not keep the process alive
test.after(() => clearInterval(alive))

const made = (input) => new Instance({ client: fakeClient(quiet), ...input }, readSettings({}), "id", () => {})

test("hello names the project, else the folder", async () => {
  assert.equal((await made({ directory: "/home/me/shop", project: { id: "p", name: "Shop" } }).hello()).serverName, "Shop")
  assert.equal((await made({ directory: "/home/me/shop" }).hello()).serverName, "shop")
  assert.equal((await made({}).hello()).serverName, "opencode")
})

test("a stopped instance neither starts nor takes events", () => {
  const instance = made({ directory: "/d" })
  instance.stop()
  instance.start()
  instance.handle({ type: "permission.asked", properties: { id: "per_1", sessionID: "s" } })
  assert.equal(instance.watcher.permissions.size, 0)
})

test("the version is that of the package and of the tray", () => {
  const read = (path) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8")
  assert.equal(JSON.parse(read("plugin/package.json")).version, VERSION)
  const lock = JSON.parse(read("plugin/package-lock.json"))
  assert.deepEqual([lock.version, lock.packages[""].version], [VERSION, VERSION])
  assert.ok(read("tray/__init__.py").includes(`__version__ = "${VERSION}"`))
})
