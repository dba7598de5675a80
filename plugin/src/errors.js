/** Reasons why a call fails. The tray receives the message. */

/** OpenCode refused a call or did not answer. `status` is its HTTP status, if it sent one. */
export class RefusedError extends Error {
  /**
   * @param {string} message
   * @param {number} [status]
   */
  constructor(message, status) {
    super(message)
    this.status = status
  }
}

/** A call's parameters are wrong. */
export class ParameterError extends Error {}

/** The session does not exist, or the request is not pending. */
export class NotFoundError extends Error {}

/** This version of OpenCode does not have the function. */
export class UnsupportedError extends Error {}
