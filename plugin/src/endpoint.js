/** The tray's token and address. Both are read again for each connection: the tray may change either. */
import { readSmallFile } from "./files.js"
import { DEFAULT_PORT, listenerUrl, parsePort } from "./settings.js"
import { isText } from "./values.js"
/** @import { Settings } from "./types.d.ts" */

/**
 * Return the shared token; "" if there is none yet.
 * @param {Settings} settings
 */
export async function readToken(settings) {
  return settings.token || (await readSmallFile(settings.tokenFile)).trim()
}

/**
 * Return the URL of the tray that runs on this machine, from its endpoint file; else that of the default port.
 * A file whose process has ended is ignored.
 * @param {Settings} settings
 */
export async function findListener(settings) {
  try {
    const { host, port, pid } = JSON.parse(await readSmallFile(settings.endpointFile))
    const isHost = isText(host) && /^[\w.:-]{1,253}$/.test(host)
    if (isHost && parsePort(port) && isRunning(pid)) return listenerUrl(host, port)
  } catch {}
  return listenerUrl("127.0.0.1", DEFAULT_PORT)
}

/** @param {any} pid */
function isRunning(pid) {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error)?.code === "EPERM" // another user's process
  }
}
