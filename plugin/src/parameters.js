/** Checks of the parameters of calls. */
import { ParameterError } from "./errors.js"
import { isRecord, isText } from "./values.js"

const MAX_MESSAGE = 10_000 // characters of an answer or a message that the user wrote

/** @param {any} value */
export const isId = (value) => typeof value === "string" && /^[A-Za-z0-9][\w-]{0,127}$/.test(value)

/** @param {any} value */
export const isMessage = (value, most = MAX_MESSAGE) => isText(value) && value.length <= most

/**
 * Return the named parameters.
 * @param {any} params
 * @param {Record<string, (value: any) => boolean>} checks by name; a name that ends in "?" may be absent
 * @returns {Record<string, any>}
 * @throws {ParameterError} one is missing or does not pass its check
 */
export function checkParameters(params, checks) {
  const given = isRecord(params) ? params : {}
  /** @type {Record<string, any>} */
  const checked = {}
  for (const [key, isValid] of Object.entries(checks)) {
    const name = key.replace("?", "")
    if (given[name] === undefined && name !== key) continue
    if (!isValid(given[name])) throw new ParameterError(`invalid ${name}`)
    checked[name] = given[name]
  }
  return checked
}
