/** Recorded turns of the real OpenCode, replayed at their own pace: the bytes that the plugin sends for them. */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { mock } from "node:test"
import { pass, quiet, Tray, until, withPlugin } from "./fakes.js"

const VERSIONS = ["1.0.185", "1.1.65", "1.3.2", "1.18.33"]
const recorded = (version, name) =>
  readFileSync(new URL(`../../tests/recordings/${version}/${name}.jsonl`, import.meta.url), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))

const seedBytes = (events) => events.reduce((sum, event) => sum + Buffer.byteLength(JSON.stringify({ type: "event", event })), 0)
const providers = { providers: [{ id: "fake", models: { "fake-1": { limit: { context: 8000 } } } }] }

/** Bytes that the plugin sends for `steps` after the events `first`. */
async function play(steps, first = []) {
  const tray = new Tray()
  let bytes
  await withPlugin({ tray, answers: { ...quiet, "config.providers": providers } }, async ({ hooks }) => {
    await until(() => tray.snapshots.length === 1)
    await pass(10)
    await hooks.event({ event: { type: "session.status", properties: { sessionID: "ses_other", status: { type: "busy" } } } })
    await until(() => tray.of("snapshot").length === 2) // the context limits, once for each connection
    for (const event of first) await hooks.event({ event })
    const before = { bytes: tray.bytes, frames: tray.frames.length }
    let at = steps[0].t
    for (const step of steps) {
      mock.timers.tick(step.t - at)
      at = step.t
      await hooks.event({ event: step.event })
    }
    await pass(3_000)
    tray.frames.splice(0, before.frames)
    bytes = tray.bytes - before.bytes
  })
  return { bytes, tray }
}

/** The turn from the prompt to the last word. */
function turn(steps) {
  const first = steps.findIndex(({ event }) => event.type === "message.updated")
  return steps.slice(first)
}

/** A turn of `seconds`, made from a recorded one: its stream of text goes on at its own pace. */
function stretched(steps, seconds) {
  const isText = ({ event }) =>
    event.type === "message.part.delta" || (event.type === "message.part.updated" && event.properties.part.type === "text" && event.properties.delta)
  const streamed = steps.filter(isText)
  const [one, two] = streamed.slice(-2)
  const gap = two.t - one.t
  const more = Math.max(0, Math.floor((seconds * 1000 - (steps.at(-1).t - steps[0].t)) / gap))
  const at = steps.indexOf(two) + 1
  const extra = Array.from({ length: more }, (_, n) => ({ t: two.t + (n + 1) * gap, event: two.event }))
  const rest = steps.slice(at).map((step) => ({ ...step, t: step.t + more * gap }))
  return [...steps.slice(0, at), ...extra, ...rest]
}

for (const version of VERSIONS) {
  for (const name of ["01_prompt_stream", "18_abort_streaming"]) {
    test(`${version} ${name}: a streamed turn takes at most a tenth of protocol 1's bytes`, async (t) => {
      const whole = recorded(version, name)
      const steps = turn(whole)
      const created = whole.slice(0, whole.indexOf(steps[0])).map((step) => step.event)
      const ratio = async (what, played, first) => {
        const seed = seedBytes(played.map((step) => step.event))
        const { bytes } = await play(played, first)
        t.diagnostic(`${version} ${name} ${what}: ${bytes} of ${seed} bytes = ${((100 * bytes) / seed).toFixed(1)} %`)
        return bytes / seed
      }
      await ratio("as recorded, session and all", whole)
      const asRecorded = await ratio("as recorded, the turn", steps, created)
      const seconds20 = await ratio("20 s", stretched(steps, 20), created)
      assert.ok(asRecorded <= 0.1)
      assert.ok(seconds20 <= 0.1)
    })
  }
}
