import assert from "node:assert/strict"
import { test } from "node:test"
import { commandOf, openCodeVersion, readPlace, terminalName } from "../../src/environment.js"

test("the place has the fields that the environment sets, cut at 1,024 characters", async () => {
  const env = { TMUX: "/tmp/tmux-1000/default,1,0", TMUX_PANE: "%7", ZELLIJ_PANE_ID: "x".repeat(2_000), WINDOWID: "" }
  const { tty, ...place } = await readPlace(env)
  assert.deepEqual(place, { tmux: "/tmp/tmux-1000/default", tmuxPane: "%7", zellijPane: "x".repeat(1_024) })
})

test("inside tmux the terminal is known by its own variable", () => {
  assert.equal(terminalName({ TERM_PROGRAM: "WezTerm" }), "WezTerm")
  assert.equal(terminalName({ TERM_PROGRAM: "tmux", KITTY_WINDOW_ID: "1" }), "kitty")
  assert.equal(terminalName({ TERMINAL_EMULATOR: "JetBrains" }), "JetBrains")
  assert.equal(terminalName({}), undefined)
})

test("the version comes from the binary's own arguments", () => {
  assert.equal(openCodeVersion(["--smol", "--user-agent=opencode/1.18.33"]), "1.18.33")
  assert.equal(openCodeVersion([]), undefined)
})

test("the command is the first word that is not an option or a folder", () => {
  const start = ["bun", "/$bunfs/root/src/index.js"]
  assert.equal(commandOf([...start, "--log-level", "DEBUG", "serve", "--port", "0"]), "serve")
  assert.equal(commandOf([...start, "/home/me"]), undefined)
})
