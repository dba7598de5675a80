// A plugin for OpenCode that appends each event to the file named by OPENCODE_RECORDING. CONTRIBUTING.md says how to use it.
import { appendFileSync } from "node:fs"

export const Recorder = async () => ({
  event: async ({ event }) => {
    const line = JSON.stringify({ t: Date.now(), event })
    appendFileSync(process.env.OPENCODE_RECORDING, `${line}\n`)
  },
})
