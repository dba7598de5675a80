/** Types that several modules share. Data from OpenCode and from the tray is `any`: its shape depends on their versions. */

export type Log = (line: string) => void

/** What the environment variables ask for. */
export interface Settings {
  listeners: string[] // WebSocket URLs; empty: find the tray that runs on this machine
  token: string
  tokenFile: string
  endpointFile: string
  traysFolder: string // with a file for each tray on another machine
  windowsFolder: string // of the tray on Windows, if this is WSL; else ""
  logFile: string // "": no debug log
}

/** A tray, as far as it is known. */
export interface Endpoint {
  url: string
  token: string // "": there is none yet
  key: string // of a token that is valid for this machine only; "": it is the tray's own
}

/** An event as PROTOCOL.md describes it, or of OpenCode. */
export interface Event {
  type: string
  properties: any
}

export interface Timer {
  cancel(): void
  done: Promise<void> // resolved when the timer fires, never when it is cancelled
}

/** A tool call that runs. */
export interface ToolCall {
  tool: string
  command: string | undefined
}

/** What the plugin has seen of one session since it was loaded. */
export interface Trace {
  id: string
  isIdle: boolean
  status: any
  userMessage: string // id of the newest message of each role; ids ascend
  assistantMessage: string
  lastEnd: string // fingerprint of the newest end of an assistant's message that was reported
  tools: Map<string, ToolCall> // running calls by id, oldest first
  tool: { tool: string; status: "running" | "completed" } | undefined // to be reported
  reportedTool: string // the tool that the tray believes to run; "": none
  text: { part: string; tail: string; since: number; hasEnded: boolean } | undefined // the text that is being written
  reportedText: string
  draftUntil: number // ms since the Unix epoch until which more of the text is kept, for a tray that reads it
  reportedPrompt: string // id of the message whose text was reported
  reportedAt: number
  timer: Timer | undefined
}

export type Requests = Map<string, any> // pending permissions or questions by id

export interface Tokens {
  input: number
  output: number
  reasoning: number
  cache: { read: number; write: number }
}

export interface Snapshot {
  type: "snapshot"
  sessions?: any[]
  status?: Record<string, any>
  permissions?: any[]
  questions?: any[]
  todos?: Record<string, any[]>
  branch?: string
}

/** The WebSocket of browsers, with what Bun's and Node's `ws` add. */
export interface Socket extends WebSocket {
  ping?(): void
  terminate?(): void
}
