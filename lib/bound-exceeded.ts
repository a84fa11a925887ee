// A client has reached one of the bounds of the server. docs/limits.md lists them.

/** What happened, with the name of the option that sets the bound. The session of the client ends. */
export class BoundExceededError extends Error {
  override readonly name = "BoundExceededError";
  /** The bound, by the name of its option. */
  readonly bound: string;

  constructor(bound: string, message: string) {
    super(message);
    this.bound = bound;
  }
}
