// The error class for a client that exceeds one of the server's limits. docs/limits.md lists the limits.

/** Thrown or reported when a client exceeds one of the server's limits. The session of the client ends. */
export class BoundExceededError extends Error {
  /** The name of this class. */
  override readonly name = "BoundExceededError";
  /** The name of the option that sets the limit. */
  readonly bound: string;

  /**
   * Creates an error for the limit that the option `bound` sets.
   *
   * @param bound the name of the option that sets the limit
   * @param message the message of the error
   */
  constructor(bound: string, message: string) {
    super(message);
    this.bound = bound;
  }
}
