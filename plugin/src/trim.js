/** OpenCode's records, reduced to the fields that PROTOCOL.md names. */
import { isRecord, isText, MAX_TEXT, pick, truncate, truncateDeep } from "./values.js"

const MAX_METADATA = 20 // entries of a permission's metadata
const MAX_SERVICES = 100
const MAX_TODOS = 100

/**
 * Return the token counts without zeros; undefined if all are 0.
 * @param {any} tokens
 */
export function trimTokens(tokens) {
  if (!isRecord(tokens)) return undefined
  /** @type {Record<string, any>} */
  const counts = {}
  for (const name of ["input", "output", "reasoning"]) if (tokens[name] > 0) counts[name] = tokens[name]
  /** @type {Record<string, number>} */
  const cache = {}
  for (const name of ["read", "write"]) if (tokens.cache?.[name] > 0) cache[name] = tokens.cache[name]
  if (cache.read || cache.write) counts.cache = cache
  return Object.keys(counts).length ? counts : undefined
}

/**
 * Return a session as PROTOCOL.md's session info; undefined without an id.
 * @param {any} info
 */
export function trimSession(info) {
  if (!isText(info?.id)) return undefined
  const session = pick(info, ["id", "parentID", "title", "directory", "agent"])
  if (isRecord(info.model)) session.model = pick(info.model, ["id", "providerID"])
  if (info.cost > 0) session.cost = info.cost
  const tokens = trimTokens(info.tokens)
  if (tokens) session.tokens = tokens
  if (isRecord(info.time)) session.time = pick(info.time, ["created", "updated", "archived"])
  const { additions = 0, deletions = 0, files = 0 } = info.summary ?? {}
  if (additions || deletions || files) session.summary = { additions, deletions, files }
  return session
}

/**
 * Return an assistant's message that has ended, as `message.updated` carries it.
 * @param {any} info
 */
export function trimAssistant(info) {
  const message = pick(info, ["id", "sessionID", "role", "agent", "modelID", "providerID", "finish"])
  if (isText(info.mode) && !message.agent) message.agent = info.mode
  if (info.error?.name) message.error = { name: truncate(String(info.error.name)) }
  if (info.cost > 0) message.cost = info.cost
  const tokens = trimTokens(info.tokens)
  if (tokens) message.tokens = tokens
  if (info.time?.completed) message.time = { completed: info.time.completed }
  if (info.summary === true) message.summary = true
  return message
}

/** @param {any} value */
const isPlain = (value) => ["string", "number", "boolean"].includes(typeof value)

/**
 * Return a permission or question whole, except that its metadata keeps only plain values. `more` is true if anything
 * was cut or left out. Undefined without an id and a session.
 * @param {any} request
 */
export function trimRequest(request) {
  if (!isText(request?.id) || !isText(request.sessionID)) return undefined
  const { metadata, ...rest } = request
  let more = false
  const onCut = () => (more = true)
  const trimmed = truncateDeep(rest, onCut)
  if (isRecord(metadata)) {
    const all = Object.entries(metadata)
    const plain = all.filter(([, value]) => isPlain(value) || (Array.isArray(value) && value.every(isPlain)))
    if (plain.length < all.length || plain.length > MAX_METADATA) onCut()
    const kept = plain.slice(0, MAX_METADATA).map(([key, value]) => [truncate(key), truncateDeep(value, onCut)])
    trimmed.metadata = Object.fromEntries(kept)
  }
  if (more) trimmed.more = true
  return trimmed
}

/**
 * Return a permission with its command, unless it has one: OpenCode 1.1 has it only in the tool's part.
 * @param {any} request
 * @param {string | undefined} command
 */
export function withCommand(request, command) {
  if (!isText(command) || request.metadata?.command) return request
  const completed = { ...request, metadata: { ...request.metadata, command: truncate(command) } }
  return command.length > MAX_TEXT ? { ...completed, more: true } : completed
}

/**
 * Return the state of MCP servers (by name) or LSP servers (a list).
 * @param {Record<string, any> | any[]} services
 */
export function trimServices(services) {
  const trim = (/** @type {any} */ service) =>
    truncateDeep(pick(isRecord(service) ? service : {}, ["id", "name", "status", "error"]))
  if (Array.isArray(services)) return services.slice(0, MAX_SERVICES).map(trim)
  const entries = Object.entries(services).slice(0, MAX_SERVICES)
  return Object.fromEntries(entries.map(([name, service]) => [truncate(name), trim(service)]))
}

/** @param {any[]} todos */
export function trimTodos(todos) {
  return todos.slice(0, MAX_TODOS).map((todo) => pick(todo ?? {}, ["content", "status", "priority"]))
}

/**
 * Return the properties of `session.error`. A stop by the user (`MessageAbortedError`) needs no details.
 * @param {any} properties
 */
export function trimError({ sessionID, error }) {
  if (!isText(sessionID) || !isRecord(error)) return undefined
  const name = truncate(String(error.name))
  if (name === "MessageAbortedError") return { sessionID, error: { name } }
  return { sessionID, error: { name, data: pick(error.data ?? {}, ["message", "statusCode"]) } }
}

/**
 * Return the properties of `session.status`.
 * @param {any} properties
 */
export function trimStatus({ sessionID, status }) {
  if (!isText(sessionID) || !isText(status?.type)) return undefined
  const trimmed = status.type === "retry" ? pick(status, ["type", "attempt", "message", "next"]) : { type: status.type }
  return { sessionID, status: trimmed }
}
