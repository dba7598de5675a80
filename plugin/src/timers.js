/** @import { Timer } from "./types.d.ts" */

/**
 * Call `act` after `ms`, without keeping the process alive. What it throws or rejects with is ignored.
 * @param {number} ms
 * @param {() => unknown} act
 * @returns {Timer}
 */
export function after(ms, act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer
  const done = new Promise((/** @type {(value: void) => void} */ resolve) => {
    timer = setTimeout(() => {
      resolve()
      attempt(act)
    }, ms)
    timer.unref?.()
  })
  return { cancel: () => clearTimeout(timer), done }
}

/**
 * Call `act`; pass what it throws, or later rejects with, to `onError`.
 * @param {() => unknown} act
 * @param {(error: any) => void} onError
 */
export function attempt(act, onError = () => {}) {
  try {
    const result = act()
    if (result instanceof Promise) result.catch(onError)
  } catch (error) {
    onError(error)
  }
}

/** Wait until OpenCode, whose thread this is, has done what it has queued. */
export const nextTurn = () => after(0, () => {}).done
