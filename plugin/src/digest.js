/** A session's newest messages, summed up. */
import { trimAssistant, trimError, trimTokens } from "./trim.js"
import { isRecord, isText, lastLine, pick, truncate } from "./values.js"
/** @import { Tokens } from "./types.d.ts" */

/** Messages that are read. Reading 100 messages of 10 kB holds OpenCode's thread for 9 ms, reading 300 for 45 ms. */
export const MAX_MESSAGES = 100

/** The range of an id's time in ms: its first 12 hex digits are milliseconds * 4096 + a counter, modulo 2^48. */
const ID_SPAN = 2 ** 36

/**
 * Check whether OpenCode may have added another session's messages to this session's cost. Only its messages prove it.
 * @param {any} session
 */
export function mayBeFork({ title = "", cost, tokens, time = {} }) {
  if (!(cost > 0) && !tokens) return false
  return / \(fork #\d+\)$/.test(title) || time.updated === time.created
}

/**
 * Check whether a message was copied from another session, with its cost: it had ended before its own id was made.
 * @param {any} message
 */
export function isInherited({ id, time }) {
  const digits = /^[a-z]+_([0-9a-f]{12})/.exec(id)?.[1]
  if (!digits || !time?.completed) return false
  const age = (time.completed - Math.floor(Number.parseInt(digits, 16) / 4096)) % ID_SPAN
  return (age + ID_SPAN) % ID_SPAN >= ID_SPAN / 2 // the difference is negative
}

/**
 * Return the digest of a session. It is `partial` if there may be more messages than were read.
 * @param {any[]} messages as `session.messages` returns them, oldest first
 */
export function digestOf(messages) {
  const sums = { own: noUsage(), inherited: noUsage() }
  /** @type {Record<string, any>} */
  const digest = { messages: messages.length, cost: 0 }
  if (messages.length === MAX_MESSAGES) digest.partial = true
  for (const { info, parts } of messages.filter(isRecord)) {
    if (info?.role === "user" && isText(info.id)) digest.prompt = info.id
    if (info?.role !== "assistant") continue
    addUsage(sums[isInherited(info) ? "inherited" : "own"], info)
    digest.last = lastMessage(info)
    delete digest.tool // it ended with its message, whatever its part says
    addParts(digest, Array.isArray(parts) ? parts : [])
  }
  if (digest.last?.completed) delete digest.tool // a tool that an aborted turn left running
  digest.cost = sums.own.cost
  digest.tokens = trimTokens(sums.own.tokens) ?? {}
  const inherited = { cost: sums.inherited.cost, tokens: trimTokens(sums.inherited.tokens) }
  if (inherited.cost || inherited.tokens) digest.inherited = inherited
  return digest
}

/** @param {any} info */
function lastMessage(info) {
  const { sessionID, time, ...message } = trimAssistant(info)
  const last = { ...message, ...pick(info.time ?? {}, ["created", "completed"]) }
  if (message.error) last.error = trimError({ sessionID: info.sessionID, error: info.error })?.error ?? message.error
  return last
}

/**
 * @param {Record<string, any>} digest
 * @param {any[]} parts
 */
function addParts(digest, parts) {
  for (const part of parts) {
    if (part?.type === "text" && typeof part.text === "string") digest.output = lastLine(part.text) || digest.output
    if (part?.type === "tool" && part.state?.status === "running") digest.tool = truncate(String(part.tool))
  }
}

/** @typedef {{ cost: number, tokens: Tokens }} Usage */

/** @returns {Usage} */
const noUsage = () => ({ cost: 0, tokens: { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } } })

/**
 * @param {Usage} sum
 * @param {any} info
 */
function addUsage(sum, { cost, tokens }) {
  const count = (/** @type {any} */ value) => (value > 0 ? value : 0)
  sum.cost += count(cost)
  sum.tokens.input += count(tokens?.input)
  sum.tokens.output += count(tokens?.output)
  sum.tokens.reasoning += count(tokens?.reasoning)
  sum.tokens.cache.read += count(tokens?.cache?.read)
  sum.tokens.cache.write += count(tokens?.cache?.write)
}
