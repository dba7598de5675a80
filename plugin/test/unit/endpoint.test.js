import assert from "node:assert/strict"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { findListener, readToken } from "../../src/endpoint.js"
import { readSmallFile } from "../../src/files.js"

const folder = mkdtempSync(join(tmpdir(), "opencode-tray-"))
const settings = { listeners: [], token: "", tokenFile: join(folder, "token"), endpointFile: join(folder, "endpoint"), logFile: "" }
test.after(() => rmSync(folder, { recursive: true }))

test("the token comes from the environment, else from the file, else there is none", async () => {
  assert.equal(await readToken(settings), "")
  writeFileSync(settings.tokenFile, " secret\n")
  assert.equal(await readToken(settings), "secret")
  assert.equal(await readToken({ ...settings, token: "given" }), "given")
})

test("the endpoint file of a process that runs is used, else the default port", async () => {
  assert.equal(await findListener(settings), "ws://127.0.0.1:41235/")
  writeFileSync(settings.endpointFile, JSON.stringify({ host: "127.0.0.1", port: 5, pid: process.pid }))
  assert.equal(await findListener(settings), "ws://127.0.0.1:5/")
  writeFileSync(settings.endpointFile, JSON.stringify({ host: "127.0.0.1", port: 5, pid: 0 }))
  assert.equal(await findListener(settings), "ws://127.0.0.1:41235/")
})

test("a folder, a large file and a missing file have no text", async () => {
  const large = join(folder, "large")
  writeFileSync(large, "x".repeat(4_097))
  for (const path of [folder, large, join(folder, "missing")]) assert.equal(await readSmallFile(path), "")
})
