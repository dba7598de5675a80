/** Where trays are, and the tokens for them. All is read again for each connection: a tray may change it. */
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { readSmallFile } from "./files.js"
import { DEFAULT_PORT, listenerUrl, parsePort } from "./settings.js"
import { isText } from "./values.js"
import { trayFolderOnWindows } from "./windows.js"
/** @import { Endpoint, Settings } from "./types.d.ts" */

const MAX_TRAYS = 8 // on other machines

/**
 * Return the tray that runs on this machine, by its endpoint file; else that of the default port. A file whose process
 * has ended is ignored. In WSL without a tray of its own, that is the tray on Windows. `url`, if given, is that of the
 * tray.
 * @param {Settings} settings
 * @param {string} [url]
 * @param {string} [windowsUsers]
 * @returns {Promise<Endpoint>}
 */
export async function findLocalTray(settings, url, windowsUsers) {
  const token = settings.token || (await readSmallFile(settings.tokenFile)).trim()
  const onWindows = settings.wsl && !token ? await trayFolderOnWindows(windowsUsers) : ""
  if (!onWindows) return { url: url ?? (await findListener(settings)), token, key: "" }
  const files = { ...settings, endpointFile: join(onWindows, "endpoint") }
  const itsToken = (await readSmallFile(join(onWindows, "token"))).trim()
  return { url: url ?? (await findListener(files)), token: itsToken, key: "" }
}

/** @param {Settings} settings */
async function findListener(settings) {
  try {
    const { host, port, pid } = JSON.parse(await readSmallFile(settings.endpointFile))
    const isHost = isText(host) && /^[\w.:-]{1,253}$/.test(host)
    const mayRun = settings.wsl !== "" || isRunning(pid) // WSL does not see the processes of Windows
    if (isHost && parsePort(port) && mayRun) return listenerUrl(host, port)
  } catch {}
  return listenerUrl("127.0.0.1", DEFAULT_PORT)
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
