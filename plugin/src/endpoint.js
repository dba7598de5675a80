/** Where trays are, and the tokens for them. All is read again for each connection: a tray may change it. */
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { readSmallFile } from "./files.js"
import { DEFAULT_PORT, listenerUrl, parsePort } from "./settings.js"
import { isText } from "./values.js"
/** @import { Endpoint, Settings } from "./types.d.ts" */

const MAX_TRAYS = 8 // on other machines

/**
 * Return the tray that runs on this machine, by its endpoint file; else that of the default port. In WSL without a
 * running tray that is the tray on Windows, if there is one. `url`, if given, is that of the tray.
 * @param {Settings} settings
 * @param {string} [url]
 * @returns {Promise<Endpoint>}
 */
export async function findLocalTray(settings, url) {
  const { tokenFile, endpointFile, windowsFolder } = settings
  const isOfWindows = tokenFile.startsWith("/mnt/") // its process is not seen from WSL
  const isNeeded = url === undefined || windowsFolder !== ""
  const own = isNeeded ? await readListener(endpointFile, ({ pid }) => isOfWindows || isRunning(pid)) : undefined
  const byDefault = listenerUrl("127.0.0.1", DEFAULT_PORT)
  if (windowsFolder && !own && !settings.token) {
    const token = (await readSmallFile(join(windowsFolder, "token"))).trim()
    const found = await readListener(join(windowsFolder, "endpoint"), ({ host }) => host === "127.0.0.1")
    if (token) return { url: url ?? found ?? byDefault, token, key: "" }
  }
  const token = settings.token || (await readSmallFile(tokenFile)).trim()
  return { url: url ?? own ?? byDefault, token, key: "" }
}

/**
 * Return the URL in an endpoint file; nothing if there is none, or if `isValid` refuses it.
 * @param {string} file
 * @param {(endpoint: { host: string, pid: unknown }) => boolean} isValid
 */
async function readListener(file, isValid) {
  try {
    const { host, port, pid } = JSON.parse(await readSmallFile(file))
    const isHost = isText(host) && /^[\w.:-]{1,253}$/.test(host)
    if (isHost && parsePort(port) && isValid({ host, pid })) return listenerUrl(host, port)
  } catch {}
}

/**
 * Return the files of trays on other machines, which `opencode-tray remote add` has made.
 * @param {Settings} settings
 */
export async function remoteTrays({ traysFolder }) {
  try {
    const names = (await readdir(traysFolder)).filter((name) => name.endsWith(".json")).sort()
    return names.slice(0, MAX_TRAYS).map((name) => join(traysFolder, name))
  } catch {
    return []
  }
}

/**
 * Return the tray that a file names: the end of its tunnel on this machine, and a token that is valid for this machine
 * only. Without a tunnel the file says nothing.
 * @param {string} file
 * @returns {Promise<Endpoint>}
 */
export async function readRemoteTray(file) {
  try {
    const { port, token, key } = JSON.parse(await readSmallFile(file))
    if (parsePort(port) && isText(token) && /^[\w.-]{1,80}$/.test(key))
      return { url: listenerUrl("127.0.0.1", port), token, key }
  } catch {}
  return { url: "", token: "", key: "" }
}

/** @param {any} pid */
function isRunning(pid) {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error)?.code === "EPERM" // another user's process
  }
}
