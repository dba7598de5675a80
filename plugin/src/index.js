/**
 * The plugin's entry. It runs on the agent's own thread, so it never blocks, throws or keeps the process alive: no
 * synchronous I/O, no subprocess, no signal handler; every timer is unref'ed, every buffer bounded, every error caught.
 *
 * OpenCode calls every export of a plugin file, and 1.14 and later do not load a file that also exports something other
 * than a function. So there is one export.
 */
import { randomUUID } from "node:crypto"
import { Instance } from "./instance.js"
import { createLog } from "./log.js"
import { readSettings } from "./settings.js"
import { after } from "./timers.js"

const REGISTRY = Symbol.for("opencode-tray")
const world = /** @type {{ [REGISTRY]?: Map<string, { id: string, stop(): void }> }} */ (globalThis)

/**
 * The instances of this process by directory, shared by all copies of the plugin. OpenCode may load the plugin more than
 * once for a directory: from a file and from an npm package, after a change of its configuration, and 1.14's terminal UI
 * loads the same file twice. The newest instance replaces the one before and keeps its id, so only one is connected.
 */
const instances = (world[REGISTRY] ??= new Map())

/**
 * Return the hooks at once; everything else happens later.
 * @type {import("@opencode-ai/plugin").Plugin}
 */
export const OpenCodeTray = async (input) => {
  try {
    const settings = readSettings(process.env)
    const before = instances.get(input.directory)
    before?.stop()
    const instance = new Instance(input, settings, before?.id ?? randomUUID(), createLog(settings.logFile))
    instances.set(input.directory, instance)
    after(0, () => instance.start())
    return {
      event: async ({ event }) => {
        try {
          instance.handle(event)
        } catch (error) {
          instance.log(`event ${event?.type}: ${/** @type {Error} */ (error)?.name}`)
        }
      },
      dispose: async () => instance.stop(),
    }
  } catch {
    return {}
  }
}
