/** The tray on Windows, as seen by an OpenCode inside the Windows Subsystem for Linux (WSL). */
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { readSmallFile } from "./files.js"

export const USERS = "/mnt/c/Users" // where WSL shows the profile folders of Windows, unless /etc/wsl.conf says otherwise
const DATA_FOLDER = "AppData/Local/opencode-tray"
const MAX_USERS = 50

/**
 * Return the folder with the token of the tray on Windows; "" if no tray was started there. WSL sees only the profile
 * of the Windows user who has started it, and those that are open to all.
 * @param {string} [users]
 */
export async function trayFolderOnWindows(users = USERS) {
  try {
    for (const name of (await readdir(users)).slice(0, MAX_USERS)) {
      const folder = join(users, name, DATA_FOLDER)
      if (await readSmallFile(join(folder, "token"))) return folder
    }
  } catch {}
  return ""
}
