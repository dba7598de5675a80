/** Where this OpenCode runs and how it was started, without a subprocess. */
import { readlink } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { readSmallFile } from "./files.js"
import { isText, truncate } from "./values.js"

const MAX_PLACE = 1_024 // characters of each field
const MAX_WORD = 64

/** Variables that only one terminal program sets. */
const TERMINALS = [
  ["KITTY_WINDOW_ID", "kitty"],
  ["WEZTERM_PANE", "WezTerm"],
  ["ITERM_SESSION_ID", "iTerm.app"],
  ["ALACRITTY_WINDOW_ID", "alacritty"],
  ["GHOSTTY_RESOURCES_DIR", "ghostty"],
  ["KONSOLE_VERSION", "konsole"],
  ["GNOME_TERMINAL_SCREEN", "gnome-terminal"],
  ["WT_SESSION", "Windows Terminal"],
  ["VTE_VERSION", "vte"],
]

/**
 * Return `place` of the `hello` frame: the terminal, multiplexer and window of this OpenCode.
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Record<string, string>>}
 */
export async function readPlace(env) {
  const place = {
    tty: await terminalDevice(env),
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
    wsl: env.WSL_DISTRO_NAME,
    program: env.WSL_DISTRO_NAME && process.execPath,
  }
  const isSet = (/** @type {[string, string | undefined]} */ field) => isText(field[1])
  const fields = Object.entries(place).filter(isSet)
  return Object.fromEntries(fields.map(([name, value = ""]) => [name, truncate(value, MAX_PLACE)]))
}

/** @param {NodeJS.ProcessEnv} env */
async function terminalDevice(env) {
  for (const descriptor of [0, 1, 2]) {
    try {
      const device = await readlink(`/proc/self/fd/${descriptor}`)
      if (/^\/dev\/(pts\/\d+|tty\w+)$/.test(device)) return device
    } catch {
      return env.GPG_TTY // macOS has no /proc; users who sign commits have set this
    }
  }
}

/**
 * Return the terminal program's name. Inside tmux TERM_PROGRAM is tmux; the terminal's own variables are still set.
 * @param {NodeJS.ProcessEnv} env
 */
export function terminalName(env) {
  if (isText(env.TERM_PROGRAM) && env.TERM_PROGRAM !== "tmux") return env.TERM_PROGRAM
  const found = TERMINALS.find(([variable]) => isText(env[/** @type {string} */ (variable)]))
  return found ? found[1] : env.TERMINAL_EMULATOR
}

/** Return OpenCode's version: its binary starts itself with `--user-agent=opencode/VERSION`. */
export function openCodeVersion(execArgv = process.execArgv ?? []) {
  const agent = execArgv.find((argument) => argument.startsWith("--user-agent=opencode/"))
  return agent ? truncate(agent.slice(agent.indexOf("/") + 1), MAX_WORD) : undefined
}

/**
 * Return OpenCode's command ("run", "serve" …); undefined for its terminal UI.
 * @param {string[]} argv
 */
export function commandOf(argv) {
  const words = argv.slice(2) // after the runtime and the program
  const command = words.find((word, index) => !word.startsWith("-") && words[index - 1] !== "--log-level")
  return command && /^[a-z]+$/.test(command) ? truncate(command, MAX_WORD) : undefined
}

/**
 * Return the repository's folder if `directory` is a linked worktree (`git worktree add`); else "".
 * @param {string} directory
 */
export async function repositoryOf(directory) {
  const text = await readSmallFile(join(directory, ".git"))
  const [, common] = /^gitdir: (.+)[\\/]worktrees[\\/][^\\/]+\s*$/.exec(text) ?? []
  if (!common) return ""
  return basename(common).startsWith(".") ? dirname(common) : common.replace(/\.git$/, "")
}
