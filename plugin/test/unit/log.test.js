import assert from "node:assert/strict"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { setTimeout } from "node:timers/promises"
import { createLog } from "../../src/log.js"

test("lines are appended in order, with the time and the process", async () => {
  const folder = mkdtempSync(join(tmpdir(), "opencode-tray-"))
  const log = createLog(join(folder, "log"))
  for (const line of ["one", "two", "three"]) log(line)
  const read = () => (readdirSync(folder).length ? readFileSync(join(folder, "log"), "utf8").trim().split("\n") : [])
  for (let turn = 0; turn < 200 && read().length < 3; turn++) await setTimeout(10)
  assert.deepEqual(read().map((line) => line.split(" ").slice(1)), ["one", "two", "three"].map((word) => [`${process.pid}`, word]))
  rmSync(folder, { recursive: true })
})

test("without a path nothing is written, and a path that cannot be written does no harm", () => {
  createLog("")("line")
  createLog("/nonexistent/folder/log")("line")
})
