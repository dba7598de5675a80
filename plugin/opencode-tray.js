/**
 * OpenCode Tray's plugin: tells a tray on this or another machine what the sessions of this directory are doing.
 * The wire protocol is in PROTOCOL.md, what OpenCode's versions do differently is said where it matters.
 *
 * It runs on the agent's own thread, so it must never block, throw, or keep the process alive: no synchronous I/O, no
 * subprocess, no signal handler, every timer unref'ed, every buffer bounded, every error swallowed into an optional log.
 *
 * One export only: OpenCode 1.14 and later do not load a module that also exports something that is no function.
 */
import { createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto"
import { constants } from "node:fs"
import { open, readFile, readlink, stat } from "node:fs/promises"
import { homedir, hostname, platform, tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"

const VERSION = "0.1.0"
const PROTOCOL = 2

const SECOND = 1_000
const DAY = 24 * 3_600 * SECOND
const DEFAULT_PORT = 41235
const BACKOFF = { first: SECOND, most: 30 * SECOND }
const WELCOME_WITHIN = 10 * SECOND // from the attempt to connect; the tray gives 5 s to each of our frames
const SILENCE = 65 * SECOND // the tray pings every 20 s: three missing pings are a dead link
const CALL_WITHIN = 5 * SECOND // a call into OpenCode; they take 1–15 ms
const ACTIVITY_EVERY = SECOND // tool and text, for each session
const TEXT_EVERY = 5 * SECOND
const SNAPSHOT_EVERY = SECOND // at most, when events had to be dropped
const TRY_AGAIN = 2 * SECOND // after a snapshot that was not whole; doubled each time
const TRIES_MOST = 5
const SECTIONS = ["sessions", "status", "permissions", "questions"]

const TEXT_MOST = 2_000 // characters of any string
const LINE_MOST = 200 // characters of a line of output
const PROSE_MOST = 10_000 // characters of an answer or a message in a person's own words
const PROMPT_MOST = 50_000 // characters of a prompt
const TITLE_MOST = 200 // characters of a session's new title
const FRAME_MOST = 4 * 1024 * 1024 // bytes
const WAITING_MOST = 1024 * 1024 // bytes that the tray has not read before events are dropped
const PING_AFTER = WAITING_MOST / 4 // bytes, to learn what the tray has read
const QUEUE_MOST = 500 // events that wait for a snapshot
const SESSIONS_MOST = 200 // in a snapshot
const DIGESTS_MOST = 12
const FORKS_MOST = 12
const DIGEST_MESSAGES = 100 // reading 100 messages of 10 kB holds OpenCode's thread for 9 ms, reading 300 for 45 ms
const TRACES_MOST = 300
const REQUESTS_MOST = 200
const METADATA_MOST = 20 // entries of a permission's metadata
const LIMITS_MOST = 500
const CALLS_MOST = 4 // of the tray, at once
const HOSTS_MOST = 8
const LOG_MOST = 1024 * 1024
const SERVICES = "services" // that they changed; no event of OpenCode's
const SERVICES_EVERY = SECOND
const SERVICES_MOST = 100

/** JSON's spelling of a surrogate without its other half, as left by cutting a text within an emoji. */
const HALF_A_CHARACTER = /\\ud[89a-f]/

// ------------------------------------------------------------------------------------------------ small things

const isText = (value) => typeof value === "string" && value !== ""
const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value)
const cut = (text, most = TEXT_MOST) => (text.length > most ? text.slice(0, most) : text)
const pause = () => later(() => {}, 0).done

/** Calls `act`, which may throw or reject, after `ms` without keeping the process alive. */
function later(act, ms) {
  let timer
  const done = new Promise((resolve) => {
    timer = setTimeout(() => {
      resolve()
      attempt(act)
    }, ms)
    timer.unref?.()
  })
  return { cancel: () => clearTimeout(timer), done }
}

/** Calls `act`; what it throws, or rejects with later, goes to `failed` and no further. */
function attempt(act, failed = () => {}) {
  try {
    const result = act()
    if (result instanceof Promise) result.catch(failed)
  } catch (error) {
    failed(error)
  }
}

/** `value` with long strings, long lists and deep nesting cut; `onCut` is told when anything was. */
function bounded(value, onCut = () => {}, depth = 8) {
  if (typeof value === "string") {
    if (value.length > TEXT_MOST) onCut()
    return cut(value)
  }
  if (typeof value !== "object" || value === null) return value
  const entries = Array.isArray(value) ? value : Object.entries(value)
  if (depth === 0 || entries.length > (Array.isArray(value) ? SESSIONS_MOST : 100)) onCut()
  if (depth === 0) return undefined
  if (Array.isArray(value)) return value.slice(0, SESSIONS_MOST).map((item) => bounded(item, onCut, depth - 1))
  return Object.fromEntries(entries.slice(0, 100).map(([key, item]) => [key, bounded(item, onCut, depth - 1)]))
}

/** The named fields of `value` that are there: not undefined, null or "". */
function pick(value, names) {
  const picked = {}
  for (const name of names) {
    const field = value[name]
    if (field !== undefined && field !== null && field !== "") picked[name] = typeof field === "string" ? cut(field) : field
  }
  return picked
}

/** The last line of `text` that is not blank. */
function lastLine(text) {
  const tail = text.slice(-4 * LINE_MOST).trimEnd()
  return cut(tail.slice(tail.lastIndexOf("\n") + 1).trim(), LINE_MOST)
}

// ------------------------------------------------------------------------------------------------ settings

/** What the environment asks for; the names and defaults are opencode-monitor's. */
function readSettings(env) {
  const tokenFile = env.OPENCODE_TRAY_TOKEN_FILE || join(trayFolder(env), "token")
  return {
    listeners: givenListeners(env),
    token: (env.OPENCODE_MONITOR_TOKEN ?? "").trim(),
    tokenFile,
    endpointFile: join(dirname(tokenFile), "endpoint"),
    logFile: env.OPENCODE_MONITOR_DEBUG === "1" ? env.OPENCODE_PLUGIN_LOG_FILE || join(tmpdir(), "opencode-plugin.log") : "",
  }
}

/** The listeners that the environment names; none where it leaves that to the running tray. */
function givenListeners(env) {
  const port = portOf(env.OPENCODE_MONITOR_PORT)
  const hosts = (env.OPENCODE_MONITOR_HOST ?? "").split(",").map((item) => item.trim()).filter(isText)
  if (!port && !hosts.length) return []
  const urls = (hosts.length ? hosts : ["127.0.0.1"]).map((host) => listenerUrl(host, port ?? DEFAULT_PORT))
  return [...new Set(urls)].slice(0, HOSTS_MOST)
}

function portOf(text) {
  const port = Number(text)
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined
}

/** `HOST`, `HOST:PORT`, `::1`, `[::1]` or `[::1]:PORT` as a WebSocket URL. */
function listenerUrl(item, port) {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(item)
  if (bracketed) return `ws://[${bracketed[1]}]:${portOf(bracketed[2]) ?? port}/`
  if (item.split(":").length > 2) return `ws://[${item}]:${port}/`
  const [host, own] = item.split(":")
  return `ws://${host}:${portOf(own) ?? port}/`
}

/** The tray's data folder, where it writes its token. */
function trayFolder(env) {
  const name = "opencode-tray"
  if (platform() === "win32") return join(env.LOCALAPPDATA || join(homedir(), "AppData", "Local"), name)
  if (env.XDG_DATA_HOME) return join(env.XDG_DATA_HOME, name)
  if (platform() === "darwin") return join(homedir(), "Library", "Application Support", name)
  return join(homedir(), ".local", "share", name)
}

/** The shared secret, or "" where there is none yet. Read anew for each connection: the tray may rotate it. */
async function readToken(settings) {
  return settings.token || (await readSmall(settings.tokenFile)).trim()
}

/**
 * Where the running tray has left word that it listens, else the default. Read anew for each connection: a tray that is
 * started again may listen elsewhere. What is left of a process that has ended counts for nothing.
 */
async function findListener(settings) {
  try {
    const { host, port, pid } = JSON.parse(await readSmall(settings.endpointFile))
    if (isText(host) && /^[\w.:-]{1,253}$/.test(host) && portOf(port) && isAlive(pid)) return listenerUrl(host, port)
  } catch {}
  return listenerUrl("127.0.0.1", DEFAULT_PORT)
}

function isAlive(pid) {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0)
  } catch (error) {
    return error?.code === "EPERM" // another user's
  }
}

/** The text of a file of a few lines; "" if it is not there, or something else. */
async function readSmall(path) {
  try {
    const found = await stat(path)
    return found.isFile() && found.size <= 4096 ? await readFile(path, "utf8") : ""
  } catch {
    return ""
  }
}

/** The folder of the repository that this folder is a linked worktree of (`git worktree add`); "" where it is none. */
async function repositoryOf(directory) {
  const linked = /^gitdir: (.+)[\\/]worktrees[\\/][^\\/]+\s*$/.exec(await readSmall(join(directory, ".git")))
  if (!linked) return ""
  const [, common] = linked
  return basename(common).startsWith(".") ? dirname(common) : common.replace(/\.git$/, "")
}

// ------------------------------------------------------------------------------------------------ debug log

/** An appending log of at most 1 MB, which then starts again. It never gets tokens, prompts or message text. */
function createLog(path) {
  if (!path) return () => {}
  const { O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_WRONLY } = constants
  let waiting = []
  let writing = false
  async function write() {
    writing = true
    while (waiting.length) {
      const lines = waiting.join("")
      waiting = []
      let file
      try {
        file = await open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600)
        if ((await file.stat()).size + lines.length > LOG_MOST) await file.truncate(0)
        await file.appendFile(lines)
      } catch {
        waiting = []
      } finally {
        await file?.close().catch(() => {})
      }
    }
    writing = false
  }
  return (line) => {
    if (waiting.length >= QUEUE_MOST) return
    waiting.push(`${new Date().toISOString()} ${process.pid} ${line}\n`)
    if (!writing) attempt(write)
  }
}

// ------------------------------------------------------------------------------------------------ who and where

/** Where the person sits, as far as the environment tells it without a subprocess. */
async function readPlace(env) {
  const place = {
    tty: await terminalDevice(),
    tmux: env.TMUX?.split(",")[0],
    tmuxPane: env.TMUX_PANE,
    zellij: env.ZELLIJ_SESSION_NAME,
    zellijPane: env.ZELLIJ_PANE_ID,
    terminal: terminalName(env),
    kittyWindow: env.KITTY_WINDOW_ID,
    kittySocket: env.KITTY_LISTEN_ON,
    weztermPane: env.WEZTERM_PANE,
    weztermSocket: env.WEZTERM_UNIX_SOCKET,
    itermSession: env.ITERM_SESSION_ID,
    windowId: env.WINDOWID,
    ssh: env.SSH_CONNECTION,
    user: env.USER || env.LOGNAME || env.USERNAME,
  }
  return Object.fromEntries(Object.entries(place).flatMap(([key, value]) => (isText(value) ? [[key, cut(value, 1024)]] : [])))
}

async function terminalDevice() {
  for (const descriptor of [0, 1, 2]) {
    try {
      const device = await readlink(`/proc/self/fd/${descriptor}`)
      if (/^\/dev\/(pts\/\d+|tty\w+)$/.test(device)) return device
    } catch {
      return process.env.GPG_TTY // no /proc: macOS, where most who sign commits have this
    }
  }
}

/** The terminal program. Inside tmux TERM_PROGRAM is tmux, and the terminal's own variables tell more. */
function terminalName(env) {
  if (isText(env.TERM_PROGRAM) && env.TERM_PROGRAM !== "tmux") return env.TERM_PROGRAM
  const own = [
    ["KITTY_WINDOW_ID", "kitty"],
    ["WEZTERM_PANE", "WezTerm"],
    ["ITERM_SESSION_ID", "iTerm.app"],
    ["ALACRITTY_WINDOW_ID", "alacritty"],
    ["GHOSTTY_RESOURCES_DIR", "ghostty"],
    ["KONSOLE_VERSION", "konsole"],
    ["GNOME_TERMINAL_SCREEN", "gnome-terminal"],
    ["WT_SESSION", "Windows Terminal"],
    ["VTE_VERSION", "vte"],
  ].find(([variable]) => isText(env[variable]))
  return own ? own[1] : env.TERMINAL_EMULATOR
}

/** OpenCode's version: its binary starts itself with `--user-agent=opencode/VERSION`. */
function openCodeVersion() {
  const agent = (process.execArgv ?? []).find((arg) => arg.startsWith("--user-agent=opencode/"))
  return agent ? cut(agent.slice(agent.indexOf("/") + 1), 64) : undefined
}

/** What OpenCode was started as: "run", "serve" …; undefined for its terminal UI. */
function commandOf(argv) {
  const words = argv.slice(2) // after the runtime and the program
  const word = words.find((one, index) => !one.startsWith("-") && words[index - 1] !== "--log-level")
  return word && /^[a-z]+$/.test(word) ? cut(word, 64) : undefined
}

/**
 * Where OpenCode's HTTP server may be: `url` as announced (the host AUTO is for the tray to fill in), `probe` as asked.
 * A TUI without a server gives `http://localhost:4096/` as its own, which is a fiction, or another OpenCode.
 */
function serverAddress(env, own) {
  const port = portOf(env.OPENCODE_SERVER_PORT)
  const host = env.OPENCODE_SERVER_HOST || "127.0.0.1"
  const fromPort = port && `http://${host.toLowerCase() === "auto" ? "AUTO" : host}:${port}`
  const ownUrl = own && String(own) !== "http://localhost:4096/" ? String(own) : undefined
  const url = (env.OPENCODE_SERVER_URL || fromPort || ownUrl || "").replace(/\/+$/, "")
  return /^https?:\/\/[^\s/@]+(\/[^\s@]*)?$/.test(url) && url.length <= TEXT_MOST
    ? { url, probe: url.replace(/^(https?:\/\/)AUTO(?=[:/]|$)/i, "$1127.0.0.1") }
    : undefined
}

/** Whether OpenCode's HTTP server answers there. With a password it answers 401, and we send none. */
async function answers(url) {
  try {
    const answer = await fetch(`${url}/global/health`, { signal: AbortSignal.timeout(SECOND), redirect: "error" })
    answer.body?.cancel().catch(() => {})
    return answer.ok || answer.status === 401
  } catch {
    return false
  }
}

// ------------------------------------------------------------------------------------------------ trimming

/** Token counts; a count of 0 is left out, and so is a record of nothing but zeros. */
function tokensOf(tokens) {
  if (!isRecord(tokens)) return undefined
  const counts = {}
  for (const name of ["input", "output", "reasoning"]) if (tokens[name] > 0) counts[name] = tokens[name]
  const cache = {}
  for (const name of ["read", "write"]) if (tokens.cache?.[name] > 0) cache[name] = tokens.cache[name]
  if (cache.read || cache.write) counts.cache = cache
  return Object.keys(counts).length ? counts : undefined
}

/** A session as PROTOCOL.md's session info; undefined without an id. */
function sessionInfo(info) {
  if (!isText(info?.id)) return undefined
  const session = pick(info, ["id", "parentID", "title", "directory", "agent"])
  if (isRecord(info.model)) session.model = pick(info.model, ["id", "providerID"])
  if (info.cost > 0) session.cost = info.cost
  const tokens = tokensOf(info.tokens)
  if (tokens) session.tokens = tokens
  if (isRecord(info.time)) session.time = pick(info.time, ["created", "updated", "archived"])
  const { additions = 0, deletions = 0, files = 0 } = info.summary ?? {}
  if (additions || deletions || files) session.summary = { additions, deletions, files }
  return session
}

/** An assistant's message that ended, as `message.updated` carries it. */
function assistantInfo(info) {
  const message = pick(info, ["id", "sessionID", "role", "agent", "modelID", "providerID", "finish"])
  if (isText(info.mode) && !message.agent) message.agent = info.mode
  if (info.error?.name) message.error = { name: cut(String(info.error.name)) }
  if (info.cost > 0) message.cost = info.cost
  const tokens = tokensOf(info.tokens)
  if (tokens) message.tokens = tokens
  if (info.time?.completed) message.time = { completed: info.time.completed }
  if (info.summary === true) message.summary = true
  return message
}

const isPlain = (value) => ["string", "number", "boolean"].includes(typeof value)

/** A permission or a question, whole, but of the metadata only plain values; `more` where something was left out. */
function requestInfo(request) {
  if (!isText(request?.id) || !isText(request.sessionID)) return undefined
  const { metadata, ...rest } = request
  let more = false
  const onCut = () => (more = true)
  const trimmed = bounded(rest, onCut)
  if (isRecord(metadata)) {
    const all = Object.entries(metadata)
    const plain = all.filter(([, value]) => isPlain(value) || (Array.isArray(value) && value.every(isPlain)))
    if (plain.length < all.length || plain.length > METADATA_MOST) onCut()
    trimmed.metadata = Object.fromEntries(plain.slice(0, METADATA_MOST).map(([key, value]) => [cut(key), bounded(value, onCut)]))
  }
  if (more) trimmed.more = true
  return trimmed
}

/** The id of the tool call that a permission is asked for. */
const callOf = (request) => request.tool?.callID ?? request.callID

/** A permission with the command it is asked for: OpenCode 1.1 tells that in the tool's part alone. */
function withCommand(request, command) {
  if (!isText(command) || request.metadata?.command) return request
  const told = { ...request, metadata: { ...request.metadata, command: cut(command) } }
  return command.length > TEXT_MOST ? { ...told, more: true } : told
}

/** MCP servers by name, or LSP servers in a list: how each is, and why. */
function servicesInfo(told) {
  const trimmed = (one) => bounded(pick(isRecord(one) ? one : {}, ["id", "name", "status", "error"]))
  if (Array.isArray(told)) return told.slice(0, SERVICES_MOST).map(trimmed)
  return Object.fromEntries(Object.entries(told).slice(0, SERVICES_MOST).map(([name, one]) => [cut(name), trimmed(one)]))
}

const todoInfo = (todos) => todos.slice(0, 100).map((todo) => pick(todo ?? {}, ["content", "status", "priority"]))

function errorInfo({ sessionID, error }) {
  if (!isText(sessionID) || !isRecord(error)) return undefined
  const name = cut(String(error.name))
  if (name === "MessageAbortedError") return { sessionID, error: { name } } // the person stopped it; its text says no more
  return { sessionID, error: { name, data: pick(error.data ?? {}, ["message", "statusCode"]) } }
}

function statusInfo({ sessionID, status }) {
  if (!isText(sessionID) || !isText(status?.type)) return undefined
  return { sessionID, status: status.type === "retry" ? pick(status, ["type", "attempt", "message", "next"]) : { type: status.type } }
}

// ------------------------------------------------------------------------------------------------ what happens here

/**
 * Follows the events of one directory: what a tray needs goes to `tell`, trimmed; the rest is dropped. It remembers,
 * bounded, which sessions were touched and which requests wait, because OpenCode 1.0 cannot be asked for them.
 */
class Watcher {
  traces = new Map() // by session: what was seen of it since the plugin was loaded, oldest first
  permissions = new Map() // by id: what waits
  questions = new Map()
  #tell
  #heard // whether anybody listens

  constructor(tell, heard) {
    this.#tell = tell
    this.#heard = heard
  }

  /** Takes one event. Constant time, no I/O. */
  see(event) {
    const follow = FOLLOW[event?.type]
    if (follow) follow(this, event.properties ?? {}, event.type)
  }

  tell(type, properties) {
    if (properties && this.#heard()) this.#tell({ type, properties })
  }

  trace(sessionID) {
    let trace = this.traces.get(sessionID)
    if (trace) {
      this.traces.delete(sessionID) // to the end: the first is the one that is longest untouched
      this.traces.set(sessionID, trace)
      return trace
    }
    if (this.traces.size >= TRACES_MOST) this.drop(this.traces.keys().next().value)
    trace = {
      id: sessionID,
      idle: false,
      status: undefined,
      user: "", // newest message of each role; ids ascend
      assistant: "",
      ended: "",
      tools: new Map(), // running ones by call, oldest first: { tool, command }
      tool: undefined, // { tool, status } that should be known
      toolTold: "", // the tool that the tray believes to run
      text: undefined, // { part, tail, since } being written
      textTold: "",
      spokeAt: 0,
      timer: undefined,
    }
    this.traces.set(sessionID, trace)
    return trace
  }

  drop(sessionID) {
    this.traces.get(sessionID)?.timer?.cancel()
    this.traces.delete(sessionID)
  }

  /** By session, the status of those that were last seen to do something. */
  statuses() {
    const active = [...this.traces.values()].filter(({ status }) => status && status.type !== "idle")
    return Object.fromEntries(active.map(({ id, status }) => [id, status]))
  }

  forget(sessionID) {
    this.drop(sessionID)
    this.settle(sessionID)
  }

  /** Nothing waits in this session any more. */
  settle(sessionID) {
    for (const requests of [this.permissions, this.questions])
      for (const [id, request] of requests) if (request.sessionID === sessionID) requests.delete(id)
  }

  ask(requests, type, properties) {
    const asked = requestInfo(properties)
    if (!asked) return
    const trace = this.trace(asked.sessionID)
    const request = withCommand(asked, trace.tools.get(callOf(asked))?.command)
    if (requests.size >= REQUESTS_MOST) requests.delete(requests.keys().next().value)
    requests.set(request.id, request)
    this.tell(type, request)
  }

  close(requests, type, properties) {
    requests.delete(properties.requestID ?? properties.permissionID)
    if (!isText(properties.sessionID)) return
    this.tell(type, pick(properties, ["sessionID", "requestID", "permissionID", "reply", "response"]))
  }

  /** The command came after the permission that is asked for it. */
  explain(sessionID, call, command) {
    for (const [id, request] of this.permissions) {
      if (request.sessionID !== sessionID || callOf(request) !== call) continue
      const told = withCommand(request, command)
      if (told === request) continue
      this.permissions.set(id, told)
      this.tell("permission.asked", told)
    }
  }

  /** A turn has ended: no tool runs any more. */
  rest(trace) {
    trace.tools.clear()
    trace.tool = undefined
    trace.toolTold = ""
    trace.timer?.cancel()
    trace.timer = undefined
  }

  toolChanged(trace, part) {
    const call = part.callID ?? part.id
    const status = part.state?.status
    if (status === "running" || status === "pending") {
      if (trace.idle) return // OpenCode 1.0 and 1.1 report the tools of an aborted turn after its end
      const command = part.state.input?.command
      if (trace.tools.size < 50) trace.tools.set(call, { tool: part.tool, command: isText(command) ? cut(command, TEXT_MOST + 1) : undefined })
      if (isText(command)) this.explain(trace.id, call, command)
    } else trace.tools.delete(call)
    const running = [...trace.tools.values()].at(-1)
    trace.tool = running ? { tool: running.tool, status: "running" } : { tool: part.tool, status: "completed" }
    this.speakSoon(trace)
  }

  /** Tells the activity of a session now, or when its second has passed. */
  speakSoon(trace) {
    if (!this.#heard()) {
      trace.toolTold = trace.tool?.status === "running" ? trace.tool.tool : "" // as a snapshot will tell
      return
    }
    if (trace.timer) return
    const wait = trace.spokeAt + ACTIVITY_EVERY - Date.now()
    if (wait <= 0 || wait > ACTIVITY_EVERY) return this.speak(trace)
    trace.timer = later(() => {
      trace.timer = undefined
      this.speak(trace)
    }, wait)
  }

  speak(trace) {
    const { tool } = trace
    const running = tool?.status === "running" ? tool.tool : ""
    if (tool && running !== trace.toolTold) {
      const name = running || trace.toolTold // what ends is what was told to run
      trace.toolTold = running
      trace.spokeAt = Date.now()
      this.tell("message.part.updated", {
        part: { sessionID: trace.id, type: "tool", tool: cut(name), state: { status: tool.status } },
      })
    } else if (trace.text && Date.now() - trace.text.since >= TEXT_EVERY) this.tellText(trace)
  }

  tellText(trace) {
    const line = this.newLine(trace)
    if (!line) return
    trace.spokeAt = trace.text.since
    this.tell("message.part.updated", { part: { sessionID: trace.id, type: "text", text: line } })
  }

  /** The last line that was written, if it is to be told and was not yet. */
  newLine(trace) {
    if (!trace.text || !this.#heard()) return ""
    const line = lastLine(trace.text.tail)
    trace.text.since = Date.now()
    if (line === trace.textTold) return ""
    trace.textTold = line
    return line
  }
}

/** What is done with each event type; one that is not here is dropped. */
const FOLLOW = {
  __proto__: null,
  "session.created": (watcher, { info }, type) => followSession(watcher, info, type),
  "session.updated": (watcher, { info }, type) => followSession(watcher, info, type),
  "session.deleted": (watcher, { info }, type) => {
    if (!isText(info?.id)) return
    watcher.forget(info.id)
    watcher.tell(type, { info: { id: info.id } })
  },
  "session.status": (watcher, properties, type) => {
    const told = statusInfo(properties)
    if (!told) return
    const trace = watcher.trace(told.sessionID)
    trace.status = told.status
    trace.idle = told.status.type === "idle"
    if (trace.idle) {
      watcher.rest(trace)
      watcher.settle(trace.id)
    }
    watcher.tell(type, told)
  },
  "session.error": (watcher, properties, type) => watcher.tell(type, errorInfo(properties)),
  "session.compacted": (watcher, { sessionID }, type) => watcher.tell(type, isText(sessionID) && { sessionID }),
  "permission.asked": (watcher, properties, type) => watcher.ask(watcher.permissions, type, properties),
  "permission.updated": (watcher, properties, type) => watcher.ask(watcher.permissions, type, properties),
  "permission.replied": (watcher, properties, type) => watcher.close(watcher.permissions, type, properties),
  "question.asked": (watcher, properties, type) => watcher.ask(watcher.questions, type, properties),
  "question.replied": (watcher, properties, type) => watcher.close(watcher.questions, type, properties),
  "question.rejected": (watcher, properties, type) => watcher.close(watcher.questions, type, properties),
  "todo.updated": (watcher, { sessionID, todos }, type) =>
    watcher.tell(type, isText(sessionID) && Array.isArray(todos) && { sessionID, todos: todoInfo(todos) }),
  "message.updated": (watcher, { info }, type) => followMessage(watcher, info, type),
  "message.part.updated": (watcher, { part }) => followPart(watcher, part),
  "message.part.delta": (watcher, properties) => followDelta(watcher, properties),
  "mcp.tools.changed": (watcher) => watcher.tell(SERVICES, {}),
  "lsp.updated": (watcher) => watcher.tell(SERVICES, {}),
  "vcs.branch.updated": (watcher, { branch }, type) => watcher.tell(type, isText(branch) && { branch: cut(branch) }),
}

function followSession(watcher, info, type) {
  const session = sessionInfo(info)
  watcher.tell(type, session && { info: session })
}

/** A user's message is told once, an assistant's when it ends. OpenCode sends either many times. */
function followMessage(watcher, info, type) {
  if (!isText(info?.id) || !isText(info.sessionID)) return
  const trace = watcher.trace(info.sessionID)
  if (info.role === "user") {
    if (info.id <= trace.user) return
    trace.user = info.id
    return watcher.tell(type, { info: pick(info, ["id", "sessionID", "role"]) })
  }
  if (info.role !== "assistant") return
  if (info.id > trace.assistant) trace.assistant = info.id
  if (!info.time?.completed && !info.error) return
  const told = assistantInfo(info)
  const ended = `${told.id} ${told.finish} ${told.error?.name} ${told.tokens?.output}`
  if (ended === trace.ended) return
  trace.ended = ended
  const output = watcher.newLine(trace)
  watcher.tell(type, { info: output ? { ...told, output } : told })
}

/** Only the assistant's text is output; the prompt is a text part as well and stays here. */
function followPart(watcher, part) {
  if (!isText(part?.sessionID)) return
  if (part.type === "tool" && isText(part.tool)) return watcher.toolChanged(watcher.trace(part.sessionID), part)
  if (part.type !== "text" || typeof part.text !== "string" || part.synthetic) return
  const trace = watcher.trace(part.sessionID)
  if (part.messageID !== trace.assistant) return
  if (trace.text?.part !== part.id) {
    watcher.tellText(trace)
    trace.text = { part: part.id, tail: "", since: Date.now() }
  }
  trace.text.tail = part.text.slice(-4 * LINE_MOST)
  watcher.speakSoon(trace)
}

/** Since OpenCode 1.2 text is streamed as deltas: only the tail of what is being written is kept. */
function followDelta(watcher, { sessionID, partID, delta }) {
  const trace = watcher.traces.get(sessionID)
  if (!trace?.text || trace.text.part !== partID || typeof delta !== "string") return
  trace.text.tail = (trace.text.tail + delta).slice(-4 * LINE_MOST)
  if (Date.now() - trace.text.since >= TEXT_EVERY) watcher.speakSoon(trace)
}

// ------------------------------------------------------------------------------------------------ asking OpenCode

/** OpenCode said no; `status` is its HTTP status, if it came that far. */
class Refused extends Error {
  constructor(message, status) {
    super(message)
    this.status = status
  }
}

/** The answer of a call into OpenCode. Throws Refused when it fails or takes longer than `within` ms. */
async function ask(call, within = CALL_WITHIN) {
  await pause() // the thread is OpenCode's: let it work between two calls
  return askNow(call, within)
}

/** The same, for what a person waits for. */
async function askNow(call, within = CALL_WITHIN) {
  const late = later(() => {}, within)
  try {
    const answer = await Promise.race([call(), late.done])
    if (answer === undefined) throw new Refused("OpenCode did not answer")
    if (answer.error !== undefined && answer.error !== null) throw new Refused("OpenCode said no", answer.response?.status)
    return answer.data
  } finally {
    late.cancel()
  }
}

/** The answer of a call, or undefined. */
const tryAsk = (call, within) => ask(call, within).catch(() => undefined)

/** A list, or undefined: an unknown path of OpenCode answers with its web page. */
const listOrNothing = (value) => (Array.isArray(value) ? value : undefined)

/** OpenCode's in-process client, bound to one directory. Every call may throw, or never end. */
class OpenCode {
  #client

  constructor({ client, directory, serverUrl }) {
    this.#client = client
    this.directory = directory
    this.isOld = serverUrl === undefined // 1.0: it sends what it has no path for, as /permission, to the internet
  }

  get(url) {
    return this.#client._client.get(this.#bound({ url }))
  }
  post(url, path, body) {
    const headers = { "content-type": "application/json", ...authorization() }
    return this.#client._client.post({ ...this.#bound({ url, path, body }), headers })
  }
  sessions(limit) {
    return this.#client.session.list(this.#bound({ query: { limit } }))
  }
  statuses() {
    return this.#client.session.status(this.#bound({}))
  }
  /** A call of the client's `session` namespace on one session. */
  session(name, id, { query, body } = {}) {
    if (typeof this.#client.session[name] !== "function") throw new Unsupported(`this OpenCode has no ${name}`)
    return this.#client.session[name](this.#bound({ path: { id }, query, ...(body && { body }) }))
  }
  providers() {
    return this.#client.config.providers(this.#bound({}))
  }

  #bound({ query, ...options }) {
    const headers = authorization()
    // 1.0's client asks for the process's first directory by itself
    return { ...options, query: { directory: this.directory, ...query }, ...(headers && { headers }) }
  }
}

/** OpenCode 1.1 asks its own plugins for the server's password, and its client does not send it. */
function authorization() {
  const { OPENCODE_SERVER_PASSWORD: password, OPENCODE_SERVER_USERNAME: user } = process.env
  return password ? { authorization: `Basic ${Buffer.from(`${user || "opencode"}:${password}`).toString("base64")}` } : undefined
}

/** The truth of this moment; a section that could not be read is absent. */
async function takeSnapshot(opencode, watcher) {
  const listed = listOrNothing(await tryAsk(() => opencode.sessions(SESSIONS_MOST)))
  const statuses = await tryAsk(() => opencode.statuses())
  const [permissions, questions] = await readRequests(opencode, watcher)
  const vcs = await tryAsk(() => opencode.get("/vcs"))

  const snapshot = { type: "snapshot" }
  if (isRecord(statuses)) snapshot.status = { ...watcher.statuses(), ...activeOnly(statuses) }
  if (permissions) snapshot.permissions = permissions
  if (questions) snapshot.questions = questions
  if (isText(vcs?.branch)) snapshot.branch = cut(vcs.branch)
  if (!listed) return snapshot

  const waiting = [...(permissions ?? []), ...(questions ?? [])].map((request) => request.sessionID)
  const live = new Map([...watcher.traces.keys()].map((sessionID) => [sessionID, 1]))
  for (const sessionID of [...Object.keys(snapshot.status ?? {}), ...waiting]) live.set(sessionID, 2)
  const found = await chooseSessions(opencode, listed, live)
  snapshot.sessions = found.map(sessionInfo)
  snapshot.todos = {}
  const newest = snapshot.sessions.filter((session) => live.has(session.id)).slice(0, DIGESTS_MOST)
  const forks = snapshot.sessions.filter((session) => !newest.includes(session) && mayBeFork(session)).slice(0, FORKS_MOST)
  for (const session of [...newest, ...forks]) {
    const messages = listOrNothing(
      await tryAsk(() => opencode.session("messages", session.id, { query: { limit: DIGEST_MESSAGES } })),
    )
    if (messages) session.digest = digestOf(messages.slice(-DIGEST_MESSAGES))
    const todos = listOrNothing(await tryAsk(() => opencode.session("todo", session.id)))
    if (todos?.length) snapshot.todos[session.id] = todoInfo(todos)
  }
  return snapshot
}

/**
 * What waits: as listed, and what was seen to be asked and is not answered yet. OpenCode 1.0 has no such lists, and in
 * 1.14's terminal UI the in-process client is another instance's, whose lists are empty.
 */
async function readRequests(opencode, watcher) {
  const read = async (url) => (opencode.isOld ? [] : listOrNothing(await tryAsk(() => opencode.get(url))))
  const lists = [await read("/permission"), await read("/question")]
  return lists.map((list, index) => {
    const seen = index === 0 ? watcher.permissions : watcher.questions
    const listed = list?.slice(0, REQUESTS_MOST).map(requestInfo).filter(Boolean)
    return listed && [...new Map(listed.map((request) => [request.id, request]).concat([...seen])).values()]
  })
}

function activeOnly(statuses) {
  const active = Object.entries(statuses).filter(([, status]) => isText(status?.type) && status.type !== "idle")
  return Object.fromEntries(active.slice(0, SESSIONS_MOST).map(([sessionID, status]) => [sessionID, statusInfo({ sessionID, status }).status]))
}

/**
 * The sessions that matter with their ancestors: those that work or wait (2 in `live`), those touched (1), then the
 * newest. A listing is the whole project's, or that of all folders without version control; idle sessions of another
 * directory are another instance's to tell.
 */
async function chooseSessions(opencode, listed, live) {
  const known = new Map(listed.filter((info) => isText(info?.id)).map((info) => [info.id, info]))
  let extra = 0 // sessions that the listing left out
  const find = async (id) => {
    if (!known.has(id) && extra++ < 50) known.set(id, await tryAsk(() => opencode.session("get", id)))
    return isText(known.get(id)?.id) ? known.get(id) : undefined
  }
  for (const id of live.keys()) await find(id)

  const rank = (info) => live.get(info.id) ?? 0
  const updated = (info) => info.time?.updated ?? 0
  const recent = (info) => info.directory === opencode.directory && updated(info) > Date.now() - DAY
  const chosen = new Map()
  const wanted = [...known.values()]
    .filter((info) => isText(info?.id) && !info.time?.archived && (rank(info) || recent(info)))
    .sort((a, b) => rank(b) - rank(a) || updated(b) - updated(a))
  for (const info of wanted) {
    for (let next = info; next && !chosen.has(next.id) && chosen.size < SESSIONS_MOST; ) {
      chosen.set(next.id, next)
      next = isText(next.parentID) ? await find(next.parentID) : undefined
    }
  }
  return [...chosen.values()]
}

/** Whether OpenCode may have summed another session's messages in this one's cost: only its messages tell for sure. */
function mayBeFork({ title = "", cost, tokens, time = {} }) {
  if (!(cost > 0) && !tokens) return false
  return / \(fork #\d+\)$/.test(title) || time.updated === time.created
}

const ID_SPAN = 2 ** 36 // ms: an id's first 12 hex digits are milliseconds * 4096 + a counter, modulo 2^48

/** Whether the message was copied from another session, with its cost: it had ended before its own id was made. */
function isInherited({ id, time }) {
  const found = /^[a-z]+_([0-9a-f]{12})/.exec(id)
  if (!found || !time?.completed) return false
  const age = (time.completed - Math.floor(Number.parseInt(found[1], 16) / 4096)) % ID_SPAN
  return (age + ID_SPAN) % ID_SPAN >= ID_SPAN / 2 // the difference is negative
}

const noTokens = () => ({ input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } })

/** What the newest messages of a session say; `partial` when there are more than were read. */
function digestOf(messages) {
  const digest = { messages: messages.length, cost: 0, tokens: noTokens() }
  const inherited = { cost: 0, tokens: noTokens() }
  if (messages.length === DIGEST_MESSAGES) digest.partial = true
  for (const { info, parts } of messages.filter(isRecord)) {
    if (info?.role !== "assistant") continue
    delete digest.tool // of a message before, whatever became of it
    const sums = isInherited(info) ? inherited : digest
    sums.cost += info.cost > 0 ? info.cost : 0
    addTokens(sums.tokens, info.tokens)
    const { sessionID, time, ...last } = assistantInfo(info)
    digest.last = { ...last, ...pick(info.time ?? {}, ["created", "completed"]) }
    if (last.error) digest.last.error = errorInfo({ sessionID: info.sessionID, error: info.error })?.error ?? last.error
    for (const part of Array.isArray(parts) ? parts : []) {
      if (part?.type === "text" && typeof part.text === "string") digest.output = lastLine(part.text) || digest.output
      if (part?.type === "tool" && part.state?.status === "running") digest.tool = cut(String(part.tool))
    }
  }
  if (digest.last?.completed) delete digest.tool // a tool that an aborted turn left running
  digest.tokens = tokensOf(digest.tokens) ?? {}
  inherited.tokens = tokensOf(inherited.tokens)
  if (inherited.cost || inherited.tokens) digest.inherited = inherited
  return digest
}

function addTokens(sum, tokens) {
  const count = (value) => (value > 0 ? value : 0)
  for (const name of ["input", "output", "reasoning"]) sum[name] += count(tokens?.[name])
  for (const name of ["read", "write"]) sum.cache[name] += count(tokens?.cache?.[name])
}

/** Context sizes of the configured models. `provider.list` would tell them for all models known: 6 MB. */
async function readLimits(opencode) {
  const found = await tryAsk(() => opencode.providers())
  const limits = {}
  for (const provider of listOrNothing(found?.providers) ?? [])
    for (const [model, { limit } = {}] of Object.entries(provider?.models ?? {}))
      if (limit?.context > 0 && Object.keys(limits).length < LIMITS_MOST) limits[`${provider.id}/${model}`] = limit.context
  return Object.keys(limits).length ? limits : undefined
}

// ------------------------------------------------------------------------------------------------ calls of the tray

/** A call's parameters are wrong. */
class BadParams extends Error {}

/** What the call names does not wait, or is not there, any more. */
class NotFound extends Error {}

/** This OpenCode cannot do it. */
class Unsupported extends Error {}

const VERDICTS = ["once", "always", "reject"]
const isId = (value) => typeof value === "string" && /^[A-Za-z0-9][\w-]{0,127}$/.test(value)
const isProse = (value, most = PROSE_MOST) => isText(value) && value.length <= most

/** The call's parameters, each of which has to pass its check; those whose name ends in "?" may be absent. */
function checked(params, checks) {
  const given = isRecord(params) ? params : {}
  const found = {}
  for (const [key, holds] of Object.entries(checks)) {
    const name = key.replace("?", "")
    if (given[name] === undefined && name !== key) continue
    if (!holds(given[name])) throw new BadParams(`${name} is not what it has to be`)
    found[name] = given[name]
  }
  return found
}

/** OpenCode answers what it has done with `true`; what it has no path for it may answer with its web page. */
async function isTrue(call) {
  if ((await askNow(call)) !== true) throw new Unsupported("this OpenCode cannot do that")
  return {}
}

/** The request that waits under this id; not every version says no to an id that does not. Throws NotFound. */
async function waiting(opencode, seen, url, requestID) {
  if (seen.has(requestID)) return seen.get(requestID)
  const listed = opencode.isOld ? [] : listOrNothing(await askNow(() => opencode.get(url)))
  if (!listed) throw new Refused("OpenCode did not list what waits")
  const request = listed.find((one) => one?.id === requestID)
  if (!request) throw new NotFound("it does not wait any more")
  return request
}

async function replyToPermission({ instance: { opencode, watcher } }, params) {
  const { requestID, reply, message } = checked(params, {
    requestID: isId,
    reply: (value) => VERDICTS.includes(value),
    "message?": (text) => isProse(text),
  })
  const { sessionID } = await waiting(opencode, watcher.permissions, "/permission", requestID)
  if (!opencode.isOld)
    return isTrue(() => opencode.post("/permission/{requestID}/reply", { requestID }, { reply, ...(message && { message }) }))
  if (message) throw new Unsupported("this OpenCode takes no message with a rejection")
  return isTrue(() => opencode.post("/session/{id}/permissions/{permissionID}", { id: sessionID, permissionID: requestID }, { response: reply }))
}

async function replyToQuestion({ instance: { opencode, watcher } }, params) {
  const isAnswer = (chosen) => Array.isArray(chosen) && chosen.length <= 50 && chosen.every((text) => isProse(text))
  const isAnswers = (lists) => Array.isArray(lists) && lists.length > 0 && lists.length <= 50 && lists.every(isAnswer)
  const { requestID, answers } = checked(params, { requestID: isId, answers: isAnswers })
  await waiting(opencode, watcher.questions, "/question", requestID)
  return isTrue(() => opencode.post("/question/{requestID}/reply", { requestID }, { answers }))
}

async function rejectQuestion({ instance: { opencode, watcher } }, params) {
  const { requestID } = checked(params, { requestID: isId })
  await waiting(opencode, watcher.questions, "/question", requestID)
  return isTrue(() => opencode.post("/question/{requestID}/reject", { requestID }, {}))
}

/** Calls on a session that is there: of one that is not, not every version says so. Gives what calls on it. */
async function existing({ instance: { opencode } }, params) {
  const { sessionID } = checked(params, { sessionID: isId })
  const found = await ask(() => opencode.session("get", sessionID))
  if (found?.id !== sessionID) throw new NotFound("there is no such session")
  return (name, more) => ask(() => opencode.session(name, sessionID, more))
}

/** One call on a session that is there. */
const onSession = async (link, params, name, more) => (await existing(link, params))(name, more)

async function updateSession(link, params) {
  const isTitle = (text) => isProse(text, TITLE_MOST)
  const { title, archived } = checked(params, { "title?": isTitle, "archived?": (at) => Number.isInteger(at) && at >= 0 })
  if (title === undefined && archived === undefined) throw new BadParams("neither title nor archived")
  await onSession(link, params, "update", { body: { ...(title && { title }), ...(archived !== undefined && { time: { archived } }) } })
  return {}
}

/** What a session changed. OpenCode 1.18 tells it for each prompt: then it is that of the newest. */
async function diff(link, params) {
  const call = await existing(link, params)
  const whole = listOrNothing(await call("diff"))
  const newest = link.instance.watcher.traces.get(params.sessionID)?.user
  if (whole?.length || !newest) return bounded(whole ?? [])
  return bounded(listOrNothing(await call("diff", { query: { messageID: newest } })) ?? [])
}

/** The calls that a tray may make: these, and no path into OpenCode's client. Each checks its own parameters. */
const METHODS = {
  __proto__: null,
  snapshot: async (link) => {
    await link.sendSnapshot()
    return {}
  },
  "permission.reply": replyToPermission,
  "question.reply": replyToQuestion,
  "question.reject": rejectQuestion,
  "session.messages": async (link, params) => {
    const isLimit = (count) => Number.isInteger(count) && count >= 1 && count <= SESSIONS_MOST
    const { limit = 50 } = checked(params, { "limit?": isLimit })
    const messages = await onSession(link, params, "messages", { query: { limit } })
    return bounded((listOrNothing(messages) ?? []).slice(-limit))
  },
  "session.todo": async (link, params) => bounded(listOrNothing(await onSession(link, params, "todo")) ?? []),
  "session.diff": diff,
  "session.abort": async (link, params) => {
    await onSession(link, params, "abort")
    return {}
  },
  "session.delete": async (link, params) => {
    const call = await existing(link, params)
    await call("abort") // or it stays busy for ever
    await call("delete")
    return {}
  },
  "session.fork": async (link, params) => {
    const { messageID } = checked(params, { "messageID?": isId })
    const forked = await onSession(link, params, "fork", { body: messageID ? { messageID } : {} })
    return pick(forked ?? {}, ["id", "title"])
  },
  "session.update": updateSession,
  /** Starts a turn and does not wait for its end. */
  "session.prompt": async (link, params) => {
    const { text } = checked(params, { text: (value) => isProse(value, PROMPT_MOST) })
    await onSession(link, params, "promptAsync", { body: { parts: [{ type: "text", text }] } })
    return {}
  },
  /** Makes the terminal UIs of this OpenCode show the session. */
  "tui.select": async (link, params) => {
    const { sessionID } = checked(params, { sessionID: isId })
    const { opencode } = link.instance
    if (opencode.isOld) throw new Unsupported("this OpenCode cannot switch its terminal UI")
    return isTrue(() => opencode.post("/tui/select-session", {}, { sessionID }))
  },
}

const RPC = { noMethod: -32601, badParams: -32602, refused: -32000, notFound: -32001, unsupported: -32002 }

/** The answer to a call. */
async function serve(link, { id, method, params }) {
  const failed = (code, message, more = {}) => ({ id, error: { code, message, ...more } })
  if (!(method in METHODS)) return failed(RPC.noMethod, "no such method")
  try {
    return { id, result: await METHODS[method](link, params) }
  } catch (error) {
    if (error instanceof BadParams) return failed(RPC.badParams, error.message)
    if (error instanceof Unsupported) return failed(RPC.unsupported, error.message)
    if (error instanceof NotFound || error?.status === 404) return failed(RPC.notFound, cut(error.message, LINE_MOST))
    return failed(RPC.refused, cut(String(error?.message), LINE_MOST), error?.status ? { status: error.status } : {})
  }
}

// ------------------------------------------------------------------------------------------------ the link

const CLOSE = { normal: 1000, tooBig: 1009, unexpected: 4400, untrusted: 4401, silent: 4408, replaced: 4409 }

const proofOf = (token, who, instance, helloNonce, challengeNonce) =>
  createHmac("sha256", token).update(`opencode-tray ${PROTOCOL} ${who}\n${instance}\n${helloNonce}\n${challengeNonce}`).digest("hex")

function sameText(a, b) {
  const [one, other] = [Buffer.from(a), Buffer.from(String(b))]
  return one.length === other.length && timingSafeEqual(one, other)
}

/** What a session info leaves out when there is none of it, for the time when there was some before. */
const NOTHING = { cost: 0, tokens: {}, summary: { additions: 0, deletions: 0, files: 0 } }

/** What one connection was last told, so that only news is sent. */
class Told {
  #sessions = new Map()
  #statuses = new Map()
  #idle // what a session is that no status names: unknown, or idle if the snapshot said so

  /** From a snapshot that was sent. */
  constructor({ sessions = [], status } = {}) {
    for (const { digest, ...info } of sessions) this.#sessions.set(info.id, info)
    for (const [sessionID, value] of Object.entries(status ?? {})) this.#statuses.set(sessionID, JSON.stringify(value))
    this.#idle = status && '{"type":"idle"}'
  }

  /** The event less what is known already; undefined when nothing is left. */
  news(event) {
    const { type, properties } = event
    if (type === "session.created" || type === "session.updated") return this.#sessionNews(type, properties.info)
    if (type === "session.status") return this.#statusNews(properties) ? event : undefined
    if (type === "message.updated") return { type, properties: { info: this.#messageNews(properties.info) } }
    if (type === "session.deleted") {
      this.#sessions.delete(properties.info.id)
      this.#statuses.delete(properties.info.id)
    }
    return event
  }

  #statusNews({ sessionID, status }) {
    const before = this.#statuses.get(sessionID) ?? this.#idle
    const now = JSON.stringify(status)
    this.#statuses.set(sessionID, now)
    return before !== now
  }

  /** Agent and model are told when they are not the session's already. */
  #messageNews(info) {
    const { agent, modelID, providerID, ...rest } = info
    const session = this.#sessions.get(info.sessionID)
    if (!session || !modelID) return info
    const model = { id: modelID, providerID }
    if (session.agent === agent && session.model?.id === modelID && session.model.providerID === providerID) return rest
    this.#sessions.set(info.sessionID, { ...session, agent, model })
    return info
  }

  #sessionNews(type, info) {
    const before = this.#sessions.get(info.id)
    if (info.time?.archived) {
      this.#sessions.delete(info.id)
      return before ? { type, properties: { info: { id: info.id, time: { archived: info.time.archived } } } } : undefined
    }
    if (this.#sessions.size > 5 * SESSIONS_MOST) this.#sessions.clear()
    if (this.#statuses.size > 5 * SESSIONS_MOST) {
      this.#statuses.clear()
      this.#idle = undefined
    }
    if (!before || type === "session.created") {
      this.#sessions.set(info.id, info)
      return { type, properties: { info } }
    }
    const now = { ...before, ...info }
    for (const [name, nothing] of Object.entries(NOTHING)) if (name in before && !(name in info)) now[name] = nothing
    this.#sessions.set(info.id, now)
    const changed = { id: info.id }
    for (const [name, value] of Object.entries(now))
      if (name !== "time" && JSON.stringify(value) !== JSON.stringify(before[name])) changed[name] = value
    const archived = info.time?.archived ?? 0
    if (archived !== (before.time?.archived ?? 0)) changed.time = { archived }
    return Object.keys(changed).length > 1 ? { type, properties: { info: changed } } : undefined
  }
}

/** One connection to one listener, made again whenever it is lost. */
class Link {
  #given // the listener's URL; undefined: wherever the running tray is
  #url // of the newest attempt
  #socket
  #state = "closed" // connecting → challenged → proven → open
  #failures = 0
  #timer // for the next attempt, or for the welcome
  #token = ""
  #nonce = ""
  #told = new Told()
  #snapshot // the one being taken and sent
  #queue // events that follow the snapshot being taken; undefined while none is
  #stale = false // events were dropped
  #drain
  #again // the timer of another snapshot, as this one was not whole
  #tries = 0
  #unread = 0 // bytes sent since the last of our pings that was answered
  #asked // of these, bytes sent before the ping that is not answered yet
  #heardAt = 0 // the tray's last ping
  #limitsTold = false
  #services // a timer
  #calls = 0

  constructor(instance, given) {
    this.instance = instance
    this.#given = given
  }

  get isOpen() {
    return this.#state === "open"
  }

  async connect() {
    if (this.instance.stopped || this.#socket) return
    const { settings } = this.instance
    this.#token = await readToken(settings)
    this.#url = this.#given ?? (await findListener(settings))
    if (this.instance.stopped || this.#socket) return
    if (!this.#token) return this.#retry("no token")
    try {
      const socket = new WebSocket(this.#url)
      this.#socket = socket
      this.#state = "connecting"
      this.#timer = later(() => this.#drop(CLOSE.silent), WELCOME_WITHIN)
      const on = (act) => (event) => {
        if (this.#socket === socket) attempt(() => act(event), (error) => this.#failed(error))
      }
      socket.onopen = on(() => this.#hello(socket))
      socket.onmessage = on(({ data }) => this.#receive(data))
      socket.onclose = on(({ code }) => this.#lost(code))
      socket.onerror = () => {} // a close follows
      socket.addEventListener?.("ping", on(() => this.#pinged())) // Bun tells of pings and pongs,
      socket.addEventListener?.("pong", on(() => this.#ponged())) // and has the `ping()` used below
    } catch (error) {
      this.#socket = undefined
      this.#retry(`cannot connect: ${error?.name}`)
    }
  }

  /** Says goodbye and closes. Returns at once. */
  close() {
    this.#timer?.cancel()
    this.#drain?.cancel()
    this.#again?.cancel()
    const socket = this.#socket
    this.#socket = undefined
    if (this.isOpen) this.#write(socket, JSON.stringify({ type: "goodbye" }))
    this.#state = "closed"
    try {
      socket?.close(CLOSE.normal)
    } catch {}
  }

  /** Sends an event that is news, or keeps it until the snapshot is sent. */
  event(event) {
    if (!this.isOpen) return
    if (event.type === SERVICES) return this.#sendServicesSoon()
    if (this.#queue) {
      if (this.#queue.length < QUEUE_MOST) this.#queue.push(event)
      else this.#stale = true
      return
    }
    if (this.#stale) return
    if (this.#waiting > WAITING_MOST) return this.#behind()
    const news = this.#told.news(event)
    if (news) this.#send([news.type, news.properties])
    if (event.type === "session.status" && !this.#limitsTold) attempt(() => this.#sendLimits())
  }

  /** Sends a snapshot and what happened meanwhile. Asked for again before it is sent, it is sent once. */
  sendSnapshot() {
    if (this.#snapshot) return this.#snapshot
    const done = () => {
      if (this.#snapshot === taken) this.#snapshot = undefined
    }
    const taken = this.#takeSnapshot().then(done, done)
    this.#snapshot = taken
    return taken
  }

  async #takeSnapshot() {
    const socket = this.#socket
    this.#queue = []
    this.#stale = false
    const snapshot = await this.instance.snapshot().catch((error) => ({ type: "snapshot", failed: error?.name }))
    if (this.#socket !== socket) return
    if (snapshot.failed) this.instance.log(`no snapshot: ${snapshot.failed}`)
    else if (this.#send(fitted(snapshot)) !== "too big") this.#told = new Told(snapshot)
    const queue = this.#queue
    this.#queue = undefined
    if (this.#stale) this.#behind()
    else for (const event of queue) this.event(event)
    this.#askAgain(snapshot)
    if (!this.#limitsTold && this.instance.watcher.traces.size) await this.#sendLimits()
  }

  /** A section that could not be read is tried again, a few times. */
  #askAgain(snapshot) {
    if (SECTIONS.every((name) => name in snapshot)) this.#tries = 0
    else if (this.#tries < TRIES_MOST) {
      this.#again?.cancel()
      this.#again = later(() => this.isOpen && this.sendSnapshot(), TRY_AGAIN * 2 ** this.#tries++)
    }
  }

  /** Once for each connection, when a session works: then OpenCode has loaded its models, before it takes a second. */
  async #sendLimits() {
    this.#limitsTold = true
    const limits = await readLimits(this.instance.opencode)
    if (!this.isOpen) return
    if (limits) this.#send({ type: "snapshot", limits })
    else this.#limitsTold = false
    this.#sendServicesSoon()
  }

  /** How the MCP and LSP servers are: asked for only once a session works, as OpenCode starts them when it is asked. */
  async #sendServices() {
    const { opencode } = this.instance
    if (opencode.isOld) return
    const mcp = await tryAsk(() => opencode.get("/mcp"))
    const lsp = await tryAsk(() => opencode.get("/lsp"))
    if (!this.isOpen) return
    const told = { type: "snapshot", ...(isRecord(mcp) && { mcp: servicesInfo(mcp) }), ...(Array.isArray(lsp) && { lsp: servicesInfo(lsp) }) }
    if (told.mcp || told.lsp) this.#send(told)
  }

  #sendServicesSoon() {
    this.#services ??= later(() => {
      this.#services = undefined
      this.#sendServices()
    }, SERVICES_EVERY)
  }

  /** Bytes that the tray has not read. Bun's own count is always 0, so what follows the last pong counts. */
  get #waiting() {
    return Math.max(this.#socket.bufferedAmount, this.#unread)
  }

  /** Events are dropped; a snapshot follows as soon as there is room. A tray that does not read at all is left. */
  #behind(since = Date.now()) {
    this.#stale = true
    this.#drain ??= later(() => {
      this.#drain = undefined
      if (!this.isOpen || !this.#stale) return
      if (this.#waiting <= WAITING_MOST / 2) return this.sendSnapshot()
      if (Date.now() - since > SILENCE) return this.#drop(CLOSE.silent)
      this.#behind(since)
    }, SNAPSHOT_EVERY)
  }

  #ponged() {
    this.#unread -= this.#asked ?? 0
    this.#asked = undefined
    this.#askHowFar(this.#socket)
  }

  #askHowFar(socket) {
    if (this.#unread < PING_AFTER || this.#asked !== undefined) return
    this.#asked = this.#unread
    socket.ping()
  }

  async #hello(socket) {
    const hello = await this.instance.hello()
    if (this.#socket !== socket) return
    this.#nonce = randomBytes(32).toString("hex")
    this.#state = "challenged"
    this.#send({ type: "hello", protocol: PROTOCOL, instance: this.instance.id, nonce: this.#nonce, ...hello })
  }

  #receive(data) {
    if (typeof data !== "string") return this.#drop(CLOSE.unexpected)
    if (data.length > FRAME_MOST) return this.#drop(CLOSE.tooBig)
    let frame
    try {
      frame = JSON.parse(data)
    } catch {}
    if (this.isOpen) return isRecord(frame) && this.#answer(frame)
    if (this.#state === "challenged" && frame?.type === "challenge") return this.#prove(frame)
    if (this.#state === "proven" && frame?.type === "welcome") return this.#welcomed()
    this.#drop(CLOSE.unexpected)
  }

  #prove({ nonce, proof }) {
    const { id } = this.instance
    if (!/^[0-9a-f]{64}$/.test(nonce) || !sameText(proofOf(this.#token, "tray", id, this.#nonce, nonce), proof))
      return this.#drop(CLOSE.untrusted)
    this.#state = "proven"
    this.#send({ type: "auth", proof: proofOf(this.#token, "plugin", id, this.#nonce, nonce) })
  }

  #welcomed() {
    this.instance.log(`connected to ${this.#url}`)
    this.#timer?.cancel()
    this.#state = "open"
    this.#failures = 0
    this.#tries = 0
    this.#limitsTold = false
    this.#told = new Told()
    if (this.#socket.ping) this.#pinged() // where pings can be heard, silence counts from now
    this.sendSnapshot()
  }

  async #answer(frame) {
    if (!Number.isInteger(frame.id) || typeof frame.method !== "string") return
    const socket = this.#socket
    const { id } = frame
    const busy = { id, error: { code: RPC.refused, message: "too many calls at once" } }
    this.#calls += 1
    const answer = this.#calls > CALLS_MOST ? busy : await serve(this, frame)
    this.#calls -= 1
    if (this.#socket !== socket) return
    if (this.#send(answer) === "too big") this.#send({ id, error: { code: RPC.refused, message: "the answer is over 4 MiB" } })
  }

  /** The tray's pings are what tells a dead link from a quiet one. */
  #pinged() {
    const first = this.#heardAt === 0
    this.#heardAt = Date.now()
    if (first) this.#listen()
  }

  #listen() {
    const socket = this.#socket
    later(() => {
      if (this.#socket !== socket || !socket) return
      if (Date.now() - this.#heardAt > SILENCE) return this.#drop(CLOSE.silent)
      this.#listen()
    }, SILENCE / 2)
  }

  #send(frame) {
    let text = JSON.stringify(frame)
    if (HALF_A_CHARACTER.test(text)) text = JSON.stringify(frame, wellFormed)
    if (text.length > FRAME_MOST || (text.length > FRAME_MOST / 4 && Buffer.byteLength(text) > FRAME_MOST)) return "too big"
    this.#write(this.#socket, text)
  }

  #write(socket, text) {
    try {
      socket.send(text)
      if (!socket.ping) return
      this.#unread += text.length
      this.#askHowFar(socket)
    } catch (error) {
      this.instance.log(`cannot send: ${error?.name}`)
    }
  }

  #failed(error) {
    this.instance.log(`failed: ${error?.name}`)
    this.#drop(CLOSE.unexpected)
  }

  /** Closes for a reason and does not wait for the other side, which may never answer. */
  #drop(code) {
    const socket = this.#socket
    if (!socket) return
    this.#lost(code)
    try {
      if (code === CLOSE.silent && socket.terminate) socket.terminate() // frees what it never read
      else socket.close(code)
    } catch {}
  }

  #lost(code) {
    const replaced = this.isOpen && code === CLOSE.replaced // by another link of ours: two names of one tray
    this.#socket = undefined
    this.#state = "closed"
    this.#snapshot = undefined
    this.#queue = undefined
    this.#stale = false
    this.#unread = 0
    this.#asked = undefined
    this.#heardAt = 0
    this.#drain?.cancel()
    this.#drain = undefined
    this.#services?.cancel()
    this.#services = undefined
    this.#again?.cancel()
    this.#timer?.cancel()
    if (!replaced) this.#retry(`closed with ${code}`)
  }

  /** Each wait is drawn from a range, the first one too: all plugins lose a tray that is started again at once. */
  #retry(why) {
    if (this.instance.stopped) return
    const most = Math.min(BACKOFF.most, BACKOFF.first * 2 ** Math.max(1, this.#failures++))
    const wait = most * (0.5 + Math.random() / 2)
    if (this.#failures < 6) this.instance.log(`${this.#url} ${why}, again in ${Math.round(wait)} ms`)
    this.#timer = later(() => this.connect(), wait)
  }
}

/** For JSON: U+FFFD for each half of a character. */
function wellFormed(_, value) {
  return typeof value === "string" ? value.toWellFormed() : value
}

/** A snapshot that fits into a frame: the tray keeps what it knew of a section that is absent. */
function fitted(snapshot) {
  const fits = () => Buffer.byteLength(JSON.stringify(snapshot)) <= FRAME_MOST
  if (!fits()) delete snapshot.todos
  if (!fits()) for (const session of snapshot.sessions ?? []) delete session.digest
  return snapshot
}

// ------------------------------------------------------------------------------------------------ the plugin

/** One directory of one OpenCode process, followed for all listeners. */
class Instance {
  stopped = false
  #links = []
  #place
  #server
  #repository
  #snapshots = Promise.resolve()

  constructor(input, settings, id, log) {
    this.input = input
    this.opencode = new OpenCode(input)
    this.settings = settings
    this.id = id
    this.log = log
    this.watcher = new Watcher(
      (event) => this.#links.forEach((link) => link.event(event)),
      () => this.#links.some((link) => link.isOpen),
    )
  }

  start() {
    if (this.stopped) return
    const { listeners } = this.settings
    this.#links = listeners.length ? listeners.map((url) => new Link(this, url)) : [new Link(this)]
    for (const link of this.#links) attempt(() => link.connect())
  }

  stop() {
    if (this.stopped) return
    this.stopped = true
    for (const link of this.#links) link.close()
    for (const { timer } of this.watcher.traces.values()) timer?.cancel()
  }

  see(event) {
    if (this.stopped) return
    if (event?.type === "server.instance.disposed" && event.properties?.directory === this.input.directory) return this.stop()
    this.watcher.see(event)
  }

  /** One at a time, so that several listeners cannot crowd OpenCode. */
  snapshot() {
    const next = this.#snapshots.then(() => takeSnapshot(this.opencode, this.watcher))
    this.#snapshots = next.catch(() => {})
    return next
  }

  /** The fields of `hello` but for type, protocol, instance and nonce. */
  async hello() {
    const { directory, project, serverUrl } = this.input
    this.#place ??= await readPlace(process.env)
    this.#server ??= await this.#findServer(serverUrl)
    this.#repository ??= await repositoryOf(directory ?? "")
    const vcs = await tryAsk(() => this.opencode.get("/vcs"), SECOND)
    const name = basename(directory ?? "") || directory
    return {
      serverId: cut(`${hostname()}-${process.pid}`, 256),
      serverName: cut(project?.name || name || "opencode", 256),
      serverUrl: this.#server ?? "disabled",
      ...pick({ directory, project: project?.id, branch: vcs?.branch }, ["directory", "project", "branch"]),
      ...pick({ repository: this.#repository }, ["repository"]),
      pid: process.pid,
      hostname: cut(hostname(), 256),
      ...pick({ opencode: openCodeVersion(), command: commandOf(process.argv) }, ["opencode", "command"]),
      plugin: VERSION,
      platform: platform(),
      time: Date.now(),
      place: this.#place,
    }
  }

  async #findServer(own) {
    const address = serverAddress(process.env, own)
    return address && (await answers(address.probe)) ? address.url : undefined
  }
}

/** By directory: OpenCode may load the plugin twice for one (1.14's TUI does), or anew after a change of its config. */
const instances = (globalThis[Symbol.for("opencode-tray")] ??= new Map())

/** The plugin. Returns its hooks at once; everything else happens later. */
export const OpenCodeTray = async (input) => {
  try {
    const settings = readSettings(process.env)
    const before = instances.get(input.directory)
    before?.stop()
    const instance = new Instance(input, settings, before?.id ?? randomUUID(), createLog(settings.logFile))
    instances.set(input.directory, instance)
    later(() => instance.start(), 0)
    return {
      event: async ({ event }) => {
        try {
          instance.see(event)
        } catch (error) {
          instance.log(`event ${event?.type}: ${error?.name}`)
        }
      },
      dispose: async () => instance.stop(),
    }
  } catch {
    return {}
  }
}
