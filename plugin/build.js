/**
 * Bundle src/ into opencode-tray.js, the one file that OpenCode loads. It is committed, so that installing the plugin
 * takes neither npm nor a build. Run: `npm run build`; with `--check` it only compares, and exits with 1 if they differ.
 */
import { readFile, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const target = new URL("opencode-tray.js", import.meta.url)

/** The first line is how `opencode-tray install-plugin` recognizes the file. */
const BANNER = `/**
 * OpenCode Tray's plugin: reports the sessions of this OpenCode to OpenCode Tray.
 * This file is built from plugin/src; do not edit it.
 */`

const { outputFiles } = await build({
  absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
  entryPoints: ["src/index.js"],
  bundle: true,
  write: false,
  format: "esm",
  platform: "node",
  target: "esnext",
  charset: "utf8",
  banner: { js: BANNER },
  logLevel: "warning",
})
const { text } = outputFiles[0]

if (!process.argv.includes("--check")) await writeFile(target, text)
else if (text !== (await readFile(target, "utf8")).replaceAll("\r\n", "\n")) {
  console.error("opencode-tray.js is not what src/ produces; run: npm run build")
  process.exitCode = 1
}
