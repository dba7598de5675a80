/**
 * The plugin's costs for OpenCode: µs for each event in the `event` hook, and ms until it returns its hooks.
 * The floor is JSON.stringify of the same event in the same run: any plugin that forwards events has this cost.
 * Run: `node tests/benchmarks/plugin.bench.mjs [FILE]`, with another plugin file to compare (or with Bun, OpenCode's
 * runtime). Exits with 1 over the budget.
 */
import { createHmac } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { pathToFileURL } from "node:url"

const BUDGET = { event: 50, start: 5 } // µs, ms
const VERSIONS = ["1.0.185", "1.1.65", "1.3.2", "1.18.33"]
const ROUNDS = 20

const token = "benchmark"
process.env.OPENCODE_MONITOR_TOKEN = token
const clock = () => performance.now()
const settled = () => new Promise((resolve) => setTimeout(resolve, 50))
const sent = { frames: 0, bytes: 0 }

/** A tray that welcomes at once and reads everything; the host "nobody" refuses the connection. */
globalThis.WebSocket = class {
  bufferedAmount = 0
  constructor(url) {
    queueMicrotask(() => (url.includes("nobody") ? this.onclose?.({ code: 1006 }) : this.onopen?.({})))
  }
  send(text) {
    sent.frames += 1
    sent.bytes += text.length
    if (sent.frames > 2) return
    const frame = JSON.parse(text)
    if (frame.type === "hello") {
      this.hello = frame
      const nonce = "0".repeat(64)
      const said = `opencode-tray 2 tray\n${frame.instance}\n${frame.nonce}\n${nonce}`
      this.say({ type: "challenge", nonce, proof: createHmac("sha256", token).update(said).digest("hex") })
    } else this.say({ type: "welcome", version: "bench" })
  }
  say(frame) {
    queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(frame) }))
  }
  close() {}
}

const answer = (data) => async () => ({ data })
const session = { list: answer([]), status: answer({}), messages: answer([]), todo: answer([]), get: answer(undefined) }
const client = { session, config: { providers: answer({ providers: [] }) }, _client: { get: answer([]) } }

/** Return every recorded event of a version, with new session ids for each round, so that no state is reused. */
function recorded(version) {
  const folder = new URL(`../recordings/${version}/`, import.meta.url)
  const text = readdirSync(folder).sort().map((name) => readFileSync(new URL(name, folder), "utf8").trim()).join("\n")
  return (round) => text.replaceAll("ses_", `ses_${round}`).split("\n").map((line) => JSON.parse(line).event)
}

/** Return µs for each event: the median of the rounds' means, and the 99th percentile of one more round. */
async function measure(eventsOf, act) {
  const means = []
  const each = []
  for (let round = 0; round < ROUNDS; round++) {
    const events = eventsOf(round)
    const begin = clock()
    for (const event of events) act(event)
    means.push((clock() - begin) / events.length)
    await settled()
  }
  for (const event of eventsOf("p")) {
    const before = clock()
    act(event)
    each.push(clock() - before)
  }
  await settled()
  const at = (values, part) => 1000 * values.sort((a, b) => a - b)[Math.floor(values.length * part)]
  return { median: at(means, 0.5), p99: at(each, 0.99) }
}

const us = (value) => value.toFixed(1).padStart(8)
const file = process.argv[2] ? pathToFileURL(process.argv[2]) : new URL("../../plugin/opencode-tray.js", import.meta.url)
const begin = clock()
const { OpenCodeTray } = await import(file)
const loaded = clock() - begin
const called = clock()
const hooks = await OpenCodeTray({ client, directory: "/bench", serverUrl: new URL("http://localhost:4096/") })
const start = clock() - called
let over = start > BUDGET.start

console.log(`start: module ${loaded.toFixed(2)} ms, hooks ${start.toFixed(2)} ms (budget ${BUDGET.start} ms)\n`)
console.log("µs per event        floor   no tray      tray  its p99   (all recorded scenarios)")
process.env.OPENCODE_MONITOR_HOST = "nobody"
const idle = await OpenCodeTray({ client, directory: "/nobody" })
await settled()
for (const version of VERSIONS) {
  const events = recorded(version)
  const floor = await measure(events, (event) => JSON.stringify(event))
  const alone = await measure(events, (event) => idle.event({ event }))
  const live = await measure(events, (event) => hooks.event({ event }))
  over ||= live.median > BUDGET.event
  console.log(`${version.padEnd(16)} ${us(floor.median)}  ${us(alone.median)}  ${us(live.median)}  ${us(live.p99)}`)
}
console.log(`\nbudget ${BUDGET.event} µs per event; ${sent.frames} frames, ${sent.bytes} bytes sent`)
await Promise.all([hooks.dispose(), idle.dispose()])
process.exitCode = over ? 1 : 0
