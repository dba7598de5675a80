/** The connection to a tray: finding it, the handshake, reconnecting. */
import assert from "node:assert/strict"
import { spawnSync } from "node:child_process"
import { createHmac } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { OpenCodeTray } from "../opencode-tray.js"
import { frames, Network, pass, token, Tray, until, withPlugin } from "./fakes.js"

test("the proofs in frames.json are those of PROTOCOL.md", () => {
  for (const [who, said] of [["tray", frames.challenge.proof], ["plugin", frames.auth.proof]]) {
    const text = `opencode-tray 2 ${who}\n${frames.hello.instance}\n${frames.hello.nonce}\n${frames.challenge.nonce}`
    assert.equal(said, createHmac("sha256", token).update(text).digest("hex"))
  }
})

test("hello has the fields of frames.json, and the token is not sent", () =>
  withPlugin({ answers: { "/vcs": { branch: "main" } } }, async ({ tray }) => {
    await until(() => tray.snapshots.length === 1)
    const [hello] = tray.of("hello")
    const { opencode, ...common } = frames.hello // only OpenCode's own binary tells its version
    assert.deepEqual(Object.keys(hello).sort(), Object.keys(common).sort())
    assert.equal(hello.serverUrl, "disabled")
    assert.match(hello.nonce, /^[0-9a-f]{64}$/)
    assert.ok(!JSON.stringify(tray.frames).includes(token))
  }))

test("a tray with a wrong proof is closed with 4401 and gets nothing more", () => {
  const tray = new Tray({ faults: { challenge: (socket) => socket.say({ ...frames.challenge, proof: "00".repeat(32) }) } })
  return withPlugin({ tray }, async () => {
    await until(() => tray.socket?.closedByPlugin)
    assert.equal(tray.socket.closedByPlugin, 4401)
    assert.deepEqual(tray.frames.map((frame) => frame.type), ["hello"])
  })
})

const faults = {
  "no JSON": (socket) => socket.say("{{{"),
  "a call before the welcome": (socket) => socket.say({ id: 1, method: "snapshot" }),
  "a welcome without a proof": (socket) => socket.say({ type: "welcome", version: "x" }),
  "a binary frame": (socket) => socket.onmessage({ data: new ArrayBuffer(8) }),
  "a nonce that is none": (socket) => socket.say({ type: "challenge", nonce: 7, proof: null }),
  "null": (socket) => socket.say("null"),
  "a frame of 5 MB": (socket) => socket.say("x".repeat(5e6)),
}
for (const [what, challenge] of Object.entries(faults))
  test(`${what} instead of a challenge closes the connection until the next attempt`, () => {
    const tray = new Tray({ faults: { challenge } })
    return withPlugin({ tray }, async ({ network }) => {
      await until(() => tray.socket?.closedByPlugin)
      assert.deepEqual(tray.frames.map((frame) => frame.type), ["hello"])
      await until(() => network.attempts.length === 2)
    })
  })

test("a tray that does not answer is closed after 10 s", () => {
  const tray = new Tray({ faults: { challenge: () => {} } })
  return withPlugin({ tray }, async () => {
    await until(() => tray.of("hello").length === 1)
    await pass(10_000)
    assert.equal(tray.sockets[0].closedByPlugin, 4408)
  })
})

/** The environment names the listener: the mocked clock does not wait for a file to be read. */
const given = { OPENCODE_MONITOR_PORT: "41235" }

test("without a listener it connects again, with backoff up to 4 s", () =>
  withPlugin({ tray: null, env: given }, async ({ network }) => {
    await pass(60_000)
    const gaps = network.attempts.slice(1).map(({ at }, index) => at - network.attempts[index].at)
    assert.ok(gaps.length >= 12 && gaps.length <= 30, `${gaps}`)
    assert.ok(gaps.every((gap) => gap >= 1_000 && gap <= 4_100), `${gaps}`)
    assert.ok(gaps.slice(3).every((gap) => gap >= 2_000), `${gaps}`)
  }))

test("plugins that lose their tray together reconnect spread over a second", async () => {
  const network = new Network()
  const others = []
  await withPlugin({ tray: new Tray(), network, env: given }, async ({ tray, client }) => {
    for (let n = 0; n < 29; n++) others.push(await OpenCodeTray({ client, directory: `/srv/${n}` }))
    await until(() => tray.snapshots.length === 30)
    network.attempts.length = 0
    const lost = Date.now()
    for (const socket of [...tray.sockets]) socket.closed(1001)
    await until(() => network.attempts.length === 30)
    const waits = network.attempts.map(({ at }) => at - lost)
    assert.ok(waits.every((wait) => wait >= 1_000 && wait <= 2_100), `${waits}`)
    const inOneTenth = Math.max(...waits.map((wait) => waits.filter((other) => other >= wait && other < wait + 100).length))
    assert.ok(inOneTenth < 20, `${waits}`)
    for (const hooks of others) await hooks.dispose()
  })
})

test("it reconnects as the same instance, with a new nonce and snapshot", () =>
  withPlugin({}, async ({ tray }) => {
    await until(() => tray.snapshots.length === 1)
    tray.socket.closed(1006)
    await until(() => tray.snapshots.length === 2)
    const [one, two] = tray.of("hello")
    assert.equal(one.instance, two.instance)
    assert.notEqual(one.nonce, two.nonce)
  }))

test("a frame that is no JSON was changed on the way: it connects again", () =>
  withPlugin({}, async ({ tray, network }) => {
    await until(() => tray.snapshots.length === 1)
    tray.socket.say("{{{")
    assert.equal(tray.sockets[0].closedByPlugin, 4400)
    await until(() => tray.snapshots.length === 2)
    assert.equal(network.attempts.length, 2)
  }))

test("a replaced connection (4409) is not made again", () =>
  withPlugin({}, async ({ tray, network }) => {
    await until(() => tray.snapshots.length === 1)
    tray.socket.closed(4409)
    await pass(60_000)
    assert.equal(network.attempts.length, 1)
  }))

test("it connects once there is a token, and again with a rotated one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "opencode-tray-"))
  const file = join(folder, "token")
  const tray = new Tray()
  try {
    await withPlugin({ tray, env: { OPENCODE_MONITOR_TOKEN: "", OPENCODE_TRAY_TOKEN_FILE: file } }, async ({ network }) => {
      await pass(3_000)
      assert.equal(network.attempts.length, 0)
      tray.token = "first"
      writeFileSync(file, "first\n")
      await until(() => tray.snapshots.length === 1)
      tray.token = "second"
      writeFileSync(file, "second\n")
      tray.socket.closed(4401)
      await until(() => tray.snapshots.length === 2)
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** Run `act` with a token folder; `endpoint` writes the endpoint file in it. */
async function besideToken(act) {
  const folder = mkdtempSync(join(tmpdir(), "opencode-tray-"))
  writeFileSync(join(folder, "token"), token)
  const endpoint = (text) => writeFileSync(join(folder, "endpoint"), typeof text === "string" ? text : JSON.stringify(text))
  try {
    await act({ folder, endpoint, env: { OPENCODE_MONITOR_TOKEN: "", OPENCODE_TRAY_TOKEN_FILE: join(folder, "token") } })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const running = { host: "127.0.0.1", port: 41001, pid: process.pid }

test("the endpoint file is read again when the tray restarts elsewhere", () =>
  besideToken(async ({ endpoint, env }) => {
    endpoint(running)
    const network = new Network()
    const elsewhere = network.listen(new Tray({ url: "ws://[::1]:41002/" }))
    await withPlugin({ tray: new Tray({ url: "ws://127.0.0.1:41001/" }), network, env }, async ({ tray }) => {
      await until(() => tray.snapshots.length === 1)
      network.listeners.delete(tray.url)
      endpoint({ ...running, host: "::1", port: 41002 })
      tray.socket.closed(1001)
      await until(() => elsewhere.snapshots.length === 1)
      assert.deepEqual(network.attempts.map(({ url }) => url), [tray.url, elsewhere.url])
    })
  }))

test("a tray that starts later on another port is found", () =>
  besideToken(async ({ endpoint, env }) =>
    withPlugin({ tray: new Tray({ url: "ws://127.0.0.1:41001/" }), env }, async ({ tray, network }) => {
      await until(() => network.attempts.length === 1)
      assert.equal(network.attempts[0].url, "ws://127.0.0.1:41235/")
      endpoint(running)
      await until(() => tray.snapshots.length === 1)
    }),
  ))

const named = { OPENCODE_MONITOR_PORT: ["5000", "ws://127.0.0.1:5000/"], OPENCODE_MONITOR_HOST: ["far.example", "ws://far.example:41235/"] }
for (const [variable, [value, url]] of Object.entries(named))
  test(`${variable} overrides the endpoint file`, () =>
    besideToken(async ({ endpoint, env }) => {
      endpoint(running)
      await withPlugin({ tray: new Tray({ url }), env: { ...env, [variable]: value } }, ({ tray }) => until(() => tray.snapshots.length === 1))
    }))

const unusable = {
  "that is empty": "",
  "that is no JSON": "{{{",
  "that holds null": "null",
  "without a port": { host: "127.0.0.1", pid: process.pid },
  "with a port that is none": { ...running, port: 70_000 },
  "with a host that is none": { ...running, host: "a b" },
  "with a host that is no text": { ...running, host: ["127.0.0.1"] },
  "of a process that has ended": { ...running, pid: spawnSync(process.execPath, ["--version"]).pid },
  "with a process that is none": { ...running, pid: "me" },
  "of a megabyte": " ".repeat(1e6) + JSON.stringify(running),
}
for (const [what, text] of Object.entries(unusable))
  test(`an endpoint file ${what} is ignored`, () =>
    besideToken(async ({ endpoint, env }) => {
      endpoint(text)
      await withPlugin({ env }, ({ tray }) => until(() => tray.snapshots.length === 1))
    }))

test("a listener at the endpoint that cannot prove the token gets nothing", () =>
  besideToken(async ({ endpoint, env }) => {
    endpoint(running)
    const tray = new Tray({ url: "ws://127.0.0.1:41001/", faults: { challenge: (socket) => socket.say({ ...frames.challenge, proof: "00".repeat(32) }) } })
    await withPlugin({ tray, env }, async () => {
      await until(() => tray.socket?.closedByPlugin)
      assert.deepEqual([tray.socket.closedByPlugin, tray.frames.map((frame) => frame.type)], [4401, ["hello"]])
    })
  }))

test("every host of the list gets its own connection, IPv6 ones as well", () => {
  const network = new Network()
  const urls = ["ws://127.0.0.1:5000/", "ws://[::1]:5000/", "ws://[fe80::2]:5000/", "ws://far.example:7000/", "ws://[::3]:9/"]
  const trays = urls.map((url) => network.listen(new Tray({ url })))
  const env = { OPENCODE_MONITOR_PORT: "5000", OPENCODE_MONITOR_HOST: "127.0.0.1, ::1,[fe80::2],far.example:7000,[::3]:9,127.0.0.1," }
  return withPlugin({ tray: null, network, env }, async ({ event }) => {
    await until(() => trays.every((tray) => tray.snapshots.length === 1))
    await pass(50)
    await event("vcs.branch.updated", { branch: "x" })
    for (const tray of trays) assert.equal(tray.events.length, 1)
    trays[1].socket.closed(1006)
    await event("vcs.branch.updated", { branch: "y" })
    assert.deepEqual(trays.map((tray) => tray.events.length), [2, 1, 2, 2, 2])
    await until(() => trays[1].snapshots.length === 2)
  })
})

test("an invalid host does not affect the others", () => {
  const env = { OPENCODE_MONITOR_HOST: "exa mple,127.0.0.1,http://x/y" }
  return withPlugin({ env }, async ({ tray }) => until(() => tray.snapshots.length === 1))
})

test("hello has OpenCode's command", async () => {
  const argv = process.argv
  const commandFor = async (...words) => {
    process.argv = ["bun", "/$bunfs/root/src/index.js", ...words]
    let command
    await withPlugin({}, async ({ tray }) => {
      await until(() => tray.of("hello").length === 1)
      command = tray.of("hello")[0].command
    })
    return command
  }
  try {
    assert.equal(await commandFor("run", "do it"), "run")
    assert.equal(await commandFor("--print-logs", "--log-level", "DEBUG", "run", "x"), "run")
    assert.equal(await commandFor("/home/me/run"), undefined)
    assert.equal(await commandFor(), undefined)
  } finally {
    process.argv = argv
  }
})

test("dispose says goodbye, closes and does not reconnect", () =>
  withPlugin({}, async ({ hooks, tray, network, event }) => {
    await until(() => tray.snapshots.length === 1)
    await hooks.dispose()
    assert.deepEqual(tray.frames.at(-1), frames.goodbye)
    assert.equal(tray.socket.closedByPlugin, 1000)
    await event("vcs.branch.updated", { branch: "x" })
    await pass(60_000)
    assert.equal(network.attempts.length, 1)
    assert.equal(tray.events.length, 0)
  }))

test("only the end of this directory's instance is a goodbye", () =>
  withPlugin({}, async ({ tray, event }) => {
    await until(() => tray.snapshots.length === 1)
    await event("server.instance.disposed", { directory: "/elsewhere" })
    assert.equal(tray.of("goodbye").length, 0)
    await event("server.instance.disposed", { directory: "/home/dev/project" })
    assert.equal(tray.of("goodbye").length, 1)
  }))

test("a tray that stops to ping is disconnected", () =>
  withPlugin({ env: given }, async ({ tray, network }) => {
    await until(() => tray.snapshots.length === 1)
    tray.socket.handlers.ping()
    await pass(60_000)
    assert.equal(network.attempts.length, 1)
    await pass(60_000)
    assert.equal(network.attempts.length, 2)
  }))

test("hello has the repository of a linked worktree", async () => {
  const folder = mkdtempSync(join(tmpdir(), "worktree-"))
  for (const [gitfile, repository] of [
    ["gitdir: /home/me/shop/.git/worktrees/fix\n", "/home/me/shop"],
    ["gitdir: /home/me/docs/.bare/worktrees/main\n", "/home/me/docs"],
    ["gitdir: /home/me/infra.git/worktrees/main\n", "/home/me/infra"],
    ["gitdir: ../.git/modules/lib\n", undefined],
  ]) {
    writeFileSync(join(folder, ".git"), gitfile)
    await withPlugin({ input: { directory: folder } }, async ({ tray }) => {
      await until(() => tray.of("hello").length === 1)
      assert.equal(tray.of("hello")[0].repository, repository)
    })
  }
  rmSync(folder, { recursive: true })
})
