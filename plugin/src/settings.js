/** Settings from the environment variables. Names and defaults are those of opencode-monitor's plugin. */
import { homedir, platform, tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { isText } from "./values.js"
import { trayFolderOnWindows } from "./windows.js"
/** @import { Settings } from "./types.d.ts" */

export const DEFAULT_PORT = 41235
const MAX_LISTENERS = 8

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Settings}
 */
export function readSettings(env) {
  const tokenFile = env.OPENCODE_TRAY_TOKEN_FILE || join(dataFolder(env), "token")
  const isDebug = env.OPENCODE_MONITOR_DEBUG === "1"
  return {
    listeners: listenersOf(env),
    token: (env.OPENCODE_MONITOR_TOKEN ?? "").trim(),
    tokenFile,
    endpointFile: join(dirname(tokenFile), "endpoint"),
    traysFolder: join(dirname(tokenFile), "trays"),
    windowsFolder: env.OPENCODE_TRAY_TOKEN_FILE ? "" : trayFolderOnWindows(env),
    logFile: isDebug ? env.OPENCODE_PLUGIN_LOG_FILE || join(tmpdir(), "opencode-plugin.log") : "",
  }
}

/**
 * Return the URLs of the listeners that the environment names; none if it names neither host nor port.
 * @param {NodeJS.ProcessEnv} env
 */
function listenersOf(env) {
  const port = parsePort(env.OPENCODE_MONITOR_PORT)
  const hosts = (env.OPENCODE_MONITOR_HOST ?? "").split(",").map((host) => host.trim()).filter(isText)
  if (!port && !hosts.length) return []
  const urls = (hosts.length ? hosts : ["127.0.0.1"]).map((host) => listenerUrl(host, port ?? DEFAULT_PORT))
  return [...new Set(urls)].slice(0, MAX_LISTENERS)
}

/**
 * Return the port number; undefined if the value is not one.
 * @param {unknown} value
 */
export function parsePort(value) {
  const port = Number(value)
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined
}

/**
 * Return the WebSocket URL of `HOST`, `HOST:PORT`, `::1`, `[::1]` or `[::1]:PORT`.
 * @param {string} address
 * @param {number} port if the address has none
 */
export function listenerUrl(address, port) {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(address)
  if (bracketed) return `ws://[${bracketed[1]}]:${parsePort(bracketed[2]) ?? port}/`
  if (address.split(":").length > 2) return `ws://[${address}]:${port}/`
  const [host, ownPort] = address.split(":")
  return `ws://${host}:${parsePort(ownPort) ?? port}/`
}

/**
 * Return the tray's data folder, where it writes its token and its endpoint.
 * @param {NodeJS.ProcessEnv} env
 */
function dataFolder(env) {
  const name = "opencode-tray"
  if (platform() === "win32") return join(env.LOCALAPPDATA || join(homedir(), "AppData", "Local"), name)
  if (env.XDG_DATA_HOME) return join(env.XDG_DATA_HOME, name)
  if (platform() === "darwin") return join(homedir(), "Library", "Application Support", name)
  return join(homedir(), ".local", "share", name)
}
