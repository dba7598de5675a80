import { tryAsk } from "./opencode.js"
import { DAY, isText, MAX_LIST } from "./values.js"
/** @import { OpenCode } from "./opencode.js" */

const MAX_EXTRA = 50 // sessions that are read because the list does not have them

/**
 * Return the sessions of a snapshot with their ancestors, at most 200: the busy or waiting ones (rank 2), then the
 * touched ones (rank 1), then those of the last 24 hours.
 *
 * OpenCode lists the sessions of the whole project, or of all folders without version control. Idle sessions of another
 * directory are left to that directory's instance.
 * @param {OpenCode} opencode
 * @param {any[]} listed
 * @param {Map<string, number>} ranks by session
 */
export async function chooseSessions(opencode, listed, ranks) {
  const known = new Map(listed.filter((info) => isText(info?.id)).map((info) => [info.id, info]))
  let extra = 0
  const find = async (/** @type {string} */ id) => {
    if (!known.has(id) && extra++ < MAX_EXTRA) known.set(id, await tryAsk(() => opencode.session("get", id)))
    return isText(known.get(id)?.id) ? known.get(id) : undefined
  }
  for (const id of ranks.keys()) await find(id)

  /** @type {Map<string, any>} */
  const chosen = new Map()
  for (const info of sortByRank([...known.values()], ranks, opencode.directory)) {
    for (let next = info; next && !chosen.has(next.id) && chosen.size < MAX_LIST; ) {
      chosen.set(next.id, next)
      next = isText(next.parentID) ? await find(next.parentID) : undefined
    }
  }
  return [...chosen.values()]
}

/**
 * @param {any[]} sessions
 * @param {Map<string, number>} ranks
 * @param {string} directory
 */
function sortByRank(sessions, ranks, directory) {
  const rank = (/** @type {any} */ info) => ranks.get(info.id) ?? 0
  const updated = (/** @type {any} */ info) => info.time?.updated ?? 0
  const isRecent = (/** @type {any} */ info) => info.directory === directory && updated(info) > Date.now() - DAY
  return sessions
    .filter((info) => isText(info?.id) && !info.time?.archived && (rank(info) || isRecent(info)))
    .sort((a, b) => rank(b) - rank(a) || updated(b) - updated(a))
}
