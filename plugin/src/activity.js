/** What a session is doing: the tool that runs and the text that is written, reported at a limited rate. */
import { addCommand } from "./requests.js"
import { after } from "./timers.js"
import { extensionOf, isText, lastLine, MAX_LINE, MAX_TEXT, SECOND, tailOf, truncate } from "./values.js"
/** @import { Trace } from "./types.d.ts" */
/** @import { Watcher } from "./watcher.js" */

/** The event type for the beginning of a prompt. A tray that asked for prompts gets it as `message.part.updated`. */
export const PROMPT_WRITTEN = "prompt"

/** The event type for a change of a file, sent to a tray that asked for them. */
export const EDITED = "tray.edit"

const ACTIVITY_INTERVAL = SECOND // between two reports of one session
const TEXT_INTERVAL = 5 * SECOND
const MAX_TOOLS = 50 // that run at once in one session
const MAX_CHANGES = 100 // files that one call reports
const DRAFT_TIME = 5 * SECOND // after a tray has read the text that is being written, during which more of it is kept
const MAX_DRAFT = 8_000 // characters of it

/**
 * Take a part of a message. Of the assistant's text, the last line is reported; of a prompt, the beginning, once.
 * @param {Watcher} watcher
 * @param {any} part
 */
export function handlePart(watcher, part) {
  if (!isText(part?.sessionID)) return
  if (part.type === "tool" && isText(part.tool)) return handleTool(watcher, watcher.trace(part.sessionID), part)
  if (part.type !== "text" || typeof part.text !== "string" || part.synthetic) return
  const trace = watcher.trace(part.sessionID)
  if (part.messageID === trace.userMessage) return reportPrompt(watcher, trace, part)
  if (part.messageID !== trace.assistantMessage) return
  if (trace.text?.part !== part.id) {
    reportText(watcher, trace)
    trace.text = { part: part.id, tail: "", since: Date.now(), hasEnded: false }
  }
  if (trace.text) {
    trace.text.tail = endOf(trace, part.text)
    trace.text.hasEnded = part.time?.end > 0
  }
  reportSoon(watcher, trace)
}

/**
 * @param {Watcher} watcher
 * @param {Trace} trace
 * @param {any} part
 */
function reportPrompt(watcher, trace, { messageID, text }) {
  if (messageID === trace.reportedPrompt || !watcher.hasListener || !text.trim()) return
  trace.reportedPrompt = messageID
  const part = { sessionID: trace.id, messageID, type: "text", text: text.trim().slice(0, MAX_LINE) }
  watcher.emit(PROMPT_WRITTEN, { part })
}

/**
 * Take a piece of streamed text (since OpenCode 1.2).
 * @param {Watcher} watcher
 * @param {any} properties
 */
export function handleDelta(watcher, { sessionID, partID, delta }) {
  const trace = watcher.traces.get(sessionID)
  if (!trace?.text || trace.text.part !== partID || typeof delta !== "string") return
  trace.text.tail = endOf(trace, trace.text.tail + delta)
  if (Date.now() - trace.text.since >= TEXT_INTERVAL) reportSoon(watcher, trace)
}

/**
 * Return the end of a text that is being written: more of it while a tray reads it.
 * @param {Trace} trace
 * @param {string} text
 */
const endOf = (trace, text) => (Date.now() < trace.draftUntil ? text.slice(-MAX_DRAFT) : tailOf(text))

/**
 * Return the end of the text that the assistant is writing; "" if it writes none.
 * @param {Trace | undefined} trace
 */
export function readDraft(trace) {
  if (!trace) return ""
  trace.draftUntil = Date.now() + DRAFT_TIME
  return trace.isIdle || !trace.text || trace.text.hasEnded ? "" : trace.text.tail
}

/**
 * @param {Watcher} watcher
 * @param {Trace} trace
 * @param {any} part
 */
function handleTool(watcher, trace, part) {
  const call = part.callID ?? part.id
  const status = part.state?.status
  if (status === "running" || status === "pending") {
    if (trace.isIdle) return // OpenCode 1.0 and 1.1 report the tools of an aborted turn after its end
    const { command } = part.state.input ?? {}
    if (trace.tools.size < MAX_TOOLS)
      trace.tools.set(call, { tool: part.tool, command: isText(command) ? truncate(command, MAX_TEXT + 1) : undefined })
    if (isText(command)) addCommand(watcher, trace.id, call, command)
  } else {
    if (status === "completed") reportEdit(watcher, trace.id, part)
    trace.tools.delete(call)
  }
  const running = [...trace.tools.values()].at(-1)
  trace.tool = running ? { tool: running.tool, status: "running" } : { tool: part.tool, status: "completed" }
  reportSoon(watcher, trace)
}

/**
 * Report what a completed `edit` or `apply_patch` has changed, or a `write`, of which OpenCode does not tell what it
 * replaced.
 * @param {Watcher} watcher
 * @param {string} sessionID
 * @param {any} part
 */
function reportEdit(watcher, sessionID, { tool, callID, state }) {
  if (!isText(callID) || !watcher.hasListener) return
  // Models repeat the ids of calls in other sessions: the start makes them unique.
  const call = `${truncate(callID)}@${state.time?.start ?? 0}`
  for (const [index, { path, added, removed }] of changesOf(tool, state).entries())
    watcher.emit(EDITED, { sessionID, callID: index ? `${call}#${index}` : call, extension: extensionOf(path), added, removed })
}

/**
 * Return the changes of files of a completed call.
 * @param {string} tool
 * @param {any} state
 * @returns {{ path: string, added: number, removed?: number }[]}
 */
function changesOf(tool, { metadata, input }) {
  const { filediff: diff, files } = metadata ?? {}
  const { filePath, content } = input ?? {}
  if (tool === "edit" && isText(diff?.file)) return [{ path: diff.file, added: diff.additions, removed: diff.deletions }]
  if (tool === "write" && isText(filePath) && isText(content))
    return [{ path: filePath, added: content.split("\n").length - (content.endsWith("\n") ? 1 : 0) }]
  if (tool !== "apply_patch" || !Array.isArray(files)) return []
  return files
    .slice(0, MAX_CHANGES)
    .map((file) => ({ path: file?.movePath ?? file?.filePath, added: file?.additions, removed: file?.deletions }))
    .filter(({ path }) => isText(path))
}

/**
 * Forget the running tools: the turn has ended.
 * @param {Trace} trace
 */
export function endTurn(trace) {
  if (trace.text) trace.text.hasEnded = true // OpenCode before 1.18 does not end the text of a stopped turn
  trace.tools.clear()
  trace.tool = undefined
  trace.reportedTool = ""
  trace.timer?.cancel()
  trace.timer = undefined
}

/**
 * Report the session's activity now, or when a second has passed since the last report.
 * @param {Watcher} watcher
 * @param {Trace} trace
 */
function reportSoon(watcher, trace) {
  if (!watcher.hasListener) {
    trace.reportedTool = trace.tool?.status === "running" ? trace.tool.tool : "" // as the next snapshot will have it
    return
  }
  if (trace.timer) return
  const wait = trace.reportedAt + ACTIVITY_INTERVAL - Date.now()
  if (wait <= 0 || wait > ACTIVITY_INTERVAL) return report(watcher, trace)
  trace.timer = after(wait, () => {
    trace.timer = undefined
    report(watcher, trace)
  })
}

/**
 * @param {Watcher} watcher
 * @param {Trace} trace
 */
function report(watcher, trace) {
  const { tool } = trace
  const running = tool?.status === "running" ? tool.tool : ""
  if (tool && running !== trace.reportedTool) {
    const name = running || trace.reportedTool // the tool that ends is the one that was reported to run
    trace.reportedTool = running
    trace.reportedAt = Date.now()
    const part = { sessionID: trace.id, type: "tool", tool: truncate(name), state: { status: tool.status } }
    watcher.emit("message.part.updated", { part })
  } else if (trace.text && Date.now() - trace.text.since >= TEXT_INTERVAL) reportText(watcher, trace)
}

/**
 * @param {Watcher} watcher
 * @param {Trace} trace
 */
function reportText(watcher, trace) {
  const text = takeNewLine(watcher, trace)
  if (!text || !trace.text) return
  trace.reportedAt = trace.text.since
  watcher.emit("message.part.updated", { part: { sessionID: trace.id, type: "text", text } })
}

/**
 * Return the last line of the text and remember it as reported; "" if it was reported before or there is none.
 * @param {Watcher} watcher
 * @param {Trace} trace
 */
export function takeNewLine(watcher, trace) {
  if (!trace.text || !watcher.hasListener) return ""
  const line = lastLine(trace.text.tail)
  trace.text.since = Date.now()
  if (line === trace.reportedText) return ""
  trace.reportedText = line
  return line
}
