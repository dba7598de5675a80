import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { findLocalTray } from "../../src/endpoint.js"
import { readPlace } from "../../src/environment.js"
import { readSettings } from "../../src/settings.js"
import { trayFolderOnWindows } from "../../src/windows.js"

const folder = mkdtempSync(join(tmpdir(), "opencode-tray-"))
const profile = join(folder, "c", "Users", "Zoë")
const onWindows = join(profile, "AppData", "Local", "opencode-tray")
const local = join(folder, "opencode-tray")
const PATH = `/usr/bin:/mnt/c/Windows:${profile}/AppData/Local/Microsoft/WindowsApps:${folder}/c/Users/Other/AppData/Local/x`
const env = { WSL_DISTRO_NAME: "Ubuntu-24.04", XDG_DATA_HOME: folder, PATH }
const found = (variables, url) => findLocalTray(readSettings(variables), url)
const endpoint = (where, fields) => writeFileSync(join(where, "endpoint"), JSON.stringify({ host: "127.0.0.1", port: 5, pid: 4, ...fields }))
for (const path of [onWindows, local]) mkdirSync(path, { recursive: true })
test.after(() => rmSync(folder, { recursive: true }))

test("the tray on Windows is that of the user whose folders are in the PATH of WSL", () => {
  assert.equal(trayFolderOnWindows(env), onWindows)
  const path = (PATH) => trayFolderOnWindows({ ...env, PATH })
  assert.equal(path("/mnt/c/Users/Public/AppData/Local/x:/mnt/d/Users/Zoë/AppData/Local/y"), "/mnt/d/Users/Zoë/AppData/Local/opencode-tray")
  for (const other of ["", "/usr/bin", "/mnt/c/Users/Zoë/bin", "c/Users/Zoë/AppData/Local/x", undefined]) assert.equal(path(other), "")
  assert.equal(trayFolderOnWindows({ PATH }), "", "this is not WSL")
})

test("in WSL the tray on Windows is used while none runs in WSL", async () => {
  const none = { url: "ws://127.0.0.1:41235/", token: "", key: "" }
  assert.deepEqual(await found(env), none)
  writeFileSync(join(onWindows, "token"), "secret\n")
  assert.deepEqual(await found(env), { ...none, token: "secret" })
  endpoint(onWindows, {})
  assert.deepEqual(await found(env), { url: "ws://127.0.0.1:5/", token: "secret", key: "" })
  endpoint(onWindows, { host: "203.0.113.7" })
  assert.deepEqual(await found(env), { ...none, token: "secret" }, "only an address of this machine")
  endpoint(onWindows, {})
  assert.deepEqual(await found(env, "ws://10.0.0.1:5/"), { url: "ws://10.0.0.1:5/", token: "secret", key: "" })
  assert.deepEqual(await found({ ...env, OPENCODE_MONITOR_TOKEN: "given" }), { ...none, token: "given" })
  assert.deepEqual(await found({ XDG_DATA_HOME: folder, PATH }), none, "this is not WSL")
  writeFileSync(join(local, "token"), "own")
  endpoint(local, { port: 6, pid: 2 ** 22 + 1 }) // of a tray that has ended
  assert.deepEqual(await found(env), { url: "ws://127.0.0.1:5/", token: "secret", key: "" })
  endpoint(local, { port: 6, pid: process.pid })
  assert.deepEqual(await found(env), { url: "ws://127.0.0.1:6/", token: "own", key: "" })
})

test("a token file that is named is the only one", async () => {
  const named = { ...env, OPENCODE_TRAY_TOKEN_FILE: join(folder, "missing", "token") }
  assert.equal((await found(named)).token, "")
})

test("the distribution and the program are reported in WSL alone", async () => {
  const { wsl, program } = await readPlace(env)
  assert.deepEqual([wsl, program], ["Ubuntu-24.04", process.execPath])
  const place = await readPlace({})
  assert.deepEqual([place.wsl, place.program], [undefined, undefined])
})
