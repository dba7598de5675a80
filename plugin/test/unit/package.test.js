/** The npm package, as `npm pack` makes it and npm installs it. */
import assert from "node:assert/strict"
import { execSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { fileURLToPath, pathToFileURL } from "node:url"
import { VERSION } from "../../src/version.js"

const source = fileURLToPath(new URL("../..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "opencode-tray-"))
test.after(() => rmSync(folder, { recursive: true, force: true }))

/** Runs npm in the temporary folder. A string, because npm is a batch file on Windows. */
const npm = (words) => execSync(`npm ${words}`, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })

test("the package has these files, and what it exports is the plugin", async () => {
  // Without scripts: `prepack` is what check.py runs as well.
  const [packed] = JSON.parse(npm(`pack --json --ignore-scripts "${source}"`))
  assert.deepEqual(packed.files.map((file) => file.path).sort(), ["LICENSE", "README.md", "opencode-tray.js", "package.json"])
  assert.equal(packed.filename, `opencode-tray-${VERSION}.tgz`)
  npm(`install --offline --no-audit --no-fund --prefix "${folder}" ./${packed.filename}`)
  const { resolve } = createRequire(join(folder, "index.js"))
  const installed = resolve("opencode-tray")
  assert.equal(readFileSync(installed, "utf8"), readFileSync(join(source, "opencode-tray.js"), "utf8"))
  assert.equal(JSON.parse(readFileSync(resolve("opencode-tray/package.json"), "utf8")).version, VERSION)
  const exported = await import(pathToFileURL(installed))
  assert.deepEqual(Object.entries(exported).map(([, value]) => typeof value), ["function"])
})
