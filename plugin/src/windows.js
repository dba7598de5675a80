/** The tray on Windows, as seen by an OpenCode inside the Windows Subsystem for Linux (WSL). */

/**
 * Return the folder of the tray on Windows, for the Windows user who has started WSL; "" if it is unknown. WSL adds the
 * PATH of Windows to its own, which has folders of that user's profile. Other profiles count for nothing: their users
 * could pose as the tray.
 * @param {NodeJS.ProcessEnv} env
 */
export function trayFolderOnWindows(env) {
  if (!env.WSL_DISTRO_NAME) return ""
  const profiles = (env.PATH ?? "").split(":").map((path) => /^\/.*\/Users\/[^/]+(?=\/AppData\/Local\/)/.exec(path)?.[0])
  const profile = profiles.find((found) => found !== undefined && !found.endsWith("/Public"))
  return profile ? `${profile}/AppData/Local/opencode-tray` : ""
}
