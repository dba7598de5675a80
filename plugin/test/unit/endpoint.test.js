import assert from "node:assert/strict"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { findLocalTray, readRemoteTray, remoteTrays } from "../../src/endpoint.js"
import { readSmallFile } from "../../src/files.js"

const folder = mkdtempSync(join(tmpdir(), "opencode-tray-"))
const traysFolder = join(folder, "trays")
const settings = { windowsFolder: "", listeners: [], token: "", tokenFile: join(folder, "token"), endpointFile: join(folder, "endpoint"), traysFolder, logFile: "" }
test.after(() => rmSync(folder, { recursive: true }))

test("the token comes from the environment, else from the file, else there is none", async () => {
  const token = async (more) => (await findLocalTray({ ...settings, ...more })).token
  assert.equal(await token(), "")
  writeFileSync(settings.tokenFile, " secret\n")
  assert.equal(await token(), "secret")
  assert.equal(await token({ token: "given" }), "given")
})

test("the endpoint file of a process that runs is used, else the default port", async () => {
  const url = async (given) => (await findLocalTray(settings, given)).url
  assert.equal(await url(), "ws://127.0.0.1:41235/")
  writeFileSync(settings.endpointFile, JSON.stringify({ host: "127.0.0.1", port: 5, pid: process.pid }))
  assert.equal(await url(), "ws://127.0.0.1:5/")
  assert.equal(await url("ws://far:1/"), "ws://far:1/")
  writeFileSync(settings.endpointFile, JSON.stringify({ host: "127.0.0.1", port: 5, pid: 0 }))
  assert.equal(await url(), "ws://127.0.0.1:41235/")
})

test("a tray on another machine is known by its file, while it has a tunnel", async () => {
  assert.deepEqual(await remoteTrays(settings), [])
  mkdirSync(traysFolder)
  for (let number = 0; number < 10; number += 1) writeFileSync(join(traysFolder, `${number}.json`), "{}")
  writeFileSync(join(traysFolder, "0.txt"), "{}")
  const files = await remoteTrays(settings)
  assert.deepEqual(files, [0, 1, 2, 3, 4, 5, 6, 7].map((number) => join(traysFolder, `${number}.json`)))
  const none = { url: "", token: "", key: "" }
  const read = (value) => (writeFileSync(files[0], JSON.stringify(value)), readRemoteTray(files[0]))
  assert.deepEqual(await read({ port: 5, token: "t", key: "desk-1" }), { url: "ws://127.0.0.1:5/", token: "t", key: "desk-1" })
  for (const wrong of [null, {}, { token: "t", key: "k" }, { port: 0, token: "t", key: "k" }, { port: 5, token: "", key: "k" }, { port: 5, token: "t", key: "../k" }])
    assert.deepEqual(await read(wrong), none, JSON.stringify(wrong))
  assert.deepEqual(await readRemoteTray(join(folder, "missing")), none)
})

test("a folder, a large file and a missing file have no text", async () => {
  const large = join(folder, "large")
  writeFileSync(large, "x".repeat(4_097))
  for (const path of [folder, large, join(folder, "missing")]) assert.equal(await readSmallFile(path), "")
})
