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
const users = join(folder, "Users")
const onWindows = join(users, "Zoë", "AppData", "Local", "opencode-tray")
const env = { WSL_DISTRO_NAME: "Ubuntu-24.04", XDG_DATA_HOME: folder }
const local = join(folder, "opencode-tray")
test.after(() => rmSync(folder, { recursive: true }))

test("in WSL the tray on Windows is found by its files, unless a tray runs in WSL", async () => {
  assert.equal(await trayFolderOnWindows(users), "")
  for (const name of ["All Users", "Public", "Zoë"]) mkdirSync(join(users, name), { recursive: true })
  writeFileSync(join(users, "desktop.ini"), "")
  assert.equal(await trayFolderOnWindows(users), "")
  mkdirSync(onWindows, { recursive: true })
  writeFileSync(join(onWindows, "token"), "secret\n")
  writeFileSync(join(onWindows, "endpoint"), JSON.stringify({ host: "127.0.0.1", port: 5, pid: 4 }))
  assert.equal(await trayFolderOnWindows(users), onWindows)
  const found = (variables) => findLocalTray(readSettings(variables), undefined, users)
  assert.deepEqual(await found(env), { url: "ws://127.0.0.1:5/", token: "secret", key: "" })
  assert.deepEqual(await found({ ...env, OPENCODE_MONITOR_TOKEN: "given" }), { url: "ws://127.0.0.1:41235/", token: "given", key: "" })
  assert.equal((await found({ XDG_DATA_HOME: folder })).token, "", "this is not WSL")
  mkdirSync(local)
  writeFileSync(join(local, "token"), "own")
  assert.deepEqual(await found(env), { url: "ws://127.0.0.1:41235/", token: "own", key: "" })
})

test("a token file that is named is the only one, and its tray is asked although its process is one of Windows", async () => {
  const named = { ...env, OPENCODE_TRAY_TOKEN_FILE: join(onWindows, "token") }
  const found = await findLocalTray(readSettings(named), undefined, users)
  assert.deepEqual(found, { url: "ws://127.0.0.1:5/", token: "secret", key: "" })
})

test("the distribution and the program are reported in WSL alone", async () => {
  const { wsl, program } = await readPlace(env)
  assert.deepEqual([wsl, program], ["Ubuntu-24.04", process.execPath])
  const place = await readPlace({})
  assert.deepEqual([place.wsl, place.program], [undefined, undefined])
})
