import { constants } from "node:fs"
import { open } from "node:fs/promises"
import { attempt } from "./timers.js"
/** @import { Log } from "./types.d.ts" */

const MAX_SIZE = 1024 * 1024 // bytes of the file
const MAX_PENDING = 500 // lines that are not written yet; further ones are dropped

/**
 * Return a function that appends a line to the debug log. The file is readable by its owner only and is emptied when it
 * has 1 MiB. Callers must not log tokens, prompts or message text.
 * @param {string} path "": log nothing
 * @returns {Log}
 */
export function createLog(path) {
  if (!path) return () => {}
  const { O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_WRONLY } = constants
  /** @type {string[]} */
  let pending = []
  let isWriting = false
  async function write() {
    isWriting = true
    while (pending.length) {
      const text = pending.join("")
      pending = []
      let file
      try {
        file = await open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600)
        if ((await file.stat()).size + text.length > MAX_SIZE) await file.truncate(0)
        await file.appendFile(text)
      } catch {
        pending = []
      } finally {
        await file?.close().catch(() => {})
      }
    }
    isWriting = false
  }
  return (line) => {
    if (pending.length >= MAX_PENDING) return
    pending.push(`${new Date().toISOString()} ${process.pid} ${line}\n`)
    if (!isWriting) attempt(write)
  }
}
