/** The address of OpenCode's HTTP server. */
import { parsePort } from "./settings.js"
import { MAX_TEXT, SECOND } from "./values.js"

/**
 * Return the URL of OpenCode's HTTP server if one answers there; else undefined.
 * @param {NodeJS.ProcessEnv} env
 * @param {unknown} serverUrl what OpenCode passes to its plugins
 */
export async function findServer(env, serverUrl) {
  const address = serverAddress(env, serverUrl)
  return address && (await answers(address.probe)) ? address.url : undefined
}

/**
 * Return the server's `url` for the tray, in which the host AUTO stands for the connection's remote address, and the
 * URL to `probe` from here. A terminal UI without a server gives `http://localhost:4096/` as its own: nothing listens
 * there, or another OpenCode.
 * @param {NodeJS.ProcessEnv} env
 * @param {unknown} serverUrl
 */
export function serverAddress(env, serverUrl) {
  const port = parsePort(env.OPENCODE_SERVER_PORT)
  const host = env.OPENCODE_SERVER_HOST || "127.0.0.1"
  const fromPort = port && `http://${host.toLowerCase() === "auto" ? "AUTO" : host}:${port}`
  const ownUrl = serverUrl && String(serverUrl) !== "http://localhost:4096/" ? String(serverUrl) : undefined
  const url = (env.OPENCODE_SERVER_URL || fromPort || ownUrl || "").replace(/\/+$/, "")
  if (url.length > MAX_TEXT || !/^https?:\/\/[^\s/@]+(\/[^\s@]*)?$/.test(url)) return undefined
  return { url, probe: url.replace(/^(https?:\/\/)AUTO(?=[:/]|$)/i, "$1127.0.0.1") }
}

/**
 * Check that OpenCode's HTTP server answers at `url`. One with a password answers 401: no password is sent.
 * @param {string} url
 */
async function answers(url) {
  try {
    const response = await fetch(`${url}/global/health`, { signal: AbortSignal.timeout(SECOND), redirect: "error" })
    response.body?.cancel().catch(() => {})
    return response.ok || response.status === 401
  } catch {
    return false
  }
}
