/** The state of one directory at this moment, read from OpenCode. */
import { digestOf, MAX_MESSAGES, mayBeFork } from "./digest.js"
import { tryAsk } from "./opencode.js"
import { chooseSessions } from "./sessions.js"
import { trimRequest, trimSession, trimStatus, trimTodos } from "./trim.js"
import { isRecord, isText, listOrNothing, MAX_LIST, truncate } from "./values.js"
/** @import { OpenCode } from "./opencode.js" */
/** @import { Snapshot } from "./types.d.ts" */
/** @import { Watcher } from "./watcher.js" */

const MAX_DIGESTS = 12
const MAX_FORKS = 12
const MAX_LIMITS = 500

/** Sections without which a snapshot is not complete. */
export const SECTIONS = ["sessions", "status", "permissions", "questions"]

/**
 * Return a snapshot as PROTOCOL.md describes it. A section that OpenCode did not answer is absent.
 * @param {OpenCode} opencode
 * @param {Watcher} watcher
 */
export async function takeSnapshot(opencode, watcher) {
  const listed = listOrNothing(await tryAsk(() => opencode.sessions(MAX_LIST)))
  const statuses = await tryAsk(() => opencode.statuses())
  const [permissions, questions] = await readRequests(opencode, watcher)
  const vcs = await tryAsk(() => opencode.get("/vcs"))

  /** @type {Snapshot} */
  const snapshot = { type: "snapshot" }
  if (isRecord(statuses)) snapshot.status = { ...watcher.activeStatuses(), ...activeOnly(statuses) }
  if (permissions) snapshot.permissions = permissions
  if (questions) snapshot.questions = questions
  if (isText(vcs?.branch)) snapshot.branch = truncate(vcs.branch)
  if (!listed) return snapshot

  const requests = [...(permissions ?? []), ...(questions ?? [])]
  const ranks = new Map([...watcher.traces.keys()].map((sessionID) => [sessionID, 1]))
  for (const sessionID of Object.keys(snapshot.status ?? {})) ranks.set(sessionID, 2)
  for (const { sessionID } of requests) ranks.set(sessionID, 2)
  snapshot.sessions = (await chooseSessions(opencode, listed, ranks)).map(trimSession)
  await addDigests(opencode, snapshot, new Set(ranks.keys()))
  return snapshot
}

/**
 * Add digests and todos to the sessions that are live, and to possible forks.
 * @param {OpenCode} opencode
 * @param {Snapshot} snapshot
 * @param {Set<string>} live ids
 */
async function addDigests(opencode, snapshot, live) {
  const { sessions = [] } = snapshot
  const newest = sessions.filter((session) => live.has(session.id)).slice(0, MAX_DIGESTS)
  const forks = sessions.filter((session) => !newest.includes(session) && mayBeFork(session)).slice(0, MAX_FORKS)
  snapshot.todos = {}
  for (const session of [...newest, ...forks]) {
    const query = { limit: MAX_MESSAGES }
    const messages = listOrNothing(await tryAsk(() => opencode.session("messages", session.id, { query })))
    if (messages) session.digest = digestOf(messages.slice(-MAX_MESSAGES))
    const todos = listOrNothing(await tryAsk(() => opencode.session("todo", session.id)))
    if (todos?.length) snapshot.todos[session.id] = trimTodos(todos)
  }
}

/**
 * Return the pending permissions and questions: those that OpenCode lists, and those that were seen. OpenCode 1.0 has no
 * such lists; in the terminal UI of 1.14 the in-process client belongs to another instance, whose lists are empty.
 * @param {OpenCode} opencode
 * @param {Watcher} watcher
 */
async function readRequests(opencode, watcher) {
  const read = async (/** @type {string} */ url) =>
    opencode.isOld ? [] : listOrNothing(await tryAsk(() => opencode.get(url)))
  const lists = [await read("/permission"), await read("/question")]
  return lists.map((list, index) => {
    const seen = index === 0 ? watcher.permissions : watcher.questions
    const listed = list?.slice(0, MAX_LIST).map(trimRequest).filter(Boolean)
    if (!listed) return undefined
    const requests = new Map(listed.map((request) => [request.id, request]))
    for (const [id, request] of seen) requests.set(id, request)
    return [...requests.values()]
  })
}

/**
 * @param {Record<string, any>} statuses by session
 * @returns {Record<string, any>}
 */
function activeOnly(statuses) {
  const active = Object.entries(statuses).filter(([, status]) => isText(status?.type) && status.type !== "idle")
  const trimmed = active.map(([sessionID, status]) => [sessionID, trimStatus({ sessionID, status })?.status])
  return Object.fromEntries(trimmed.slice(0, MAX_LIST))
}

/**
 * Return the context sizes of the configured models as `limits` of a snapshot. `provider.list` would return all models
 * that OpenCode knows: 6 MB.
 * @param {OpenCode} opencode
 */
export async function readLimits(opencode) {
  const found = await tryAsk(() => opencode.providers())
  /** @type {Record<string, number>} */
  const limits = {}
  for (const provider of listOrNothing(found?.providers) ?? [])
    for (const [model, info] of Object.entries(provider?.models ?? {})) {
      const size = info?.limit?.context
      if (size > 0 && Object.keys(limits).length < MAX_LIMITS) limits[`${provider.id}/${model}`] = size
    }
  return Object.keys(limits).length ? limits : undefined
}
