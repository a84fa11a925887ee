// Errors that the server and the client have in common. Each error has a stable `code`, but its message may change.
// The errors for invalid arguments have the codes of Node.

import { invalidOption } from "./option-mistakes.ts";

/** Thrown if an argument or an option has the wrong type. */
export class ArgumentTypeError extends TypeError {
  /** Node's code for this kind of error. */
  readonly code = "ERR_INVALID_ARG_TYPE";
}

/** Thrown if an argument or an option has the right type, but its value is out of range. */
export class ArgumentRangeError extends RangeError {
  /** Node's code for this kind of error. */
  readonly code = "ERR_OUT_OF_RANGE";
}

/**
 * Checks that an argument is a function.
 *
 * @param what the argument, as the error message names it
 * @throws ArgumentTypeError if `value` is not a function
 */
export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== "function")
    throw new ArgumentTypeError(invalidOption(what, "a function", value));
}

/**
 * Checks that an argument is a number of milliseconds that a timer can wait.
 *
 * @param what the argument, as the error message names it
 * @throws ArgumentTypeError if `value` is not a number
 * @throws ArgumentRangeError if `value` is not from 0 to 2,147,483,647
 */
export function checkMilliseconds(what: string, value: unknown): void {
  // With a delay of more than 31 bits, Node and browsers call the function of a timer immediately.
  const expected = "a number of milliseconds from 0 to 2147483647";
  if (typeof value !== "number") throw new ArgumentTypeError(invalidOption(what, expected, value));
  if (!(value >= 0 && value <= 0x7fffffff)) {
    throw new ArgumentRangeError(invalidOption(what, expected, value));
  }
}

/** The error that callbacks and promises receive if the other end does not acknowledge an event within the timeout. */
export class AckTimeoutError extends Error {
  /** The name of the class. */
  override readonly name = "AckTimeoutError";
  /** Identifies this kind of error. */
  readonly code = "ERR_ACK_TIMEOUT";

  /** @internal */
  constructor() {
    super("operation has timed out");
  }
}

/**
 * The error that callbacks and promises receive if the socket is disconnected before it receives the acknowledgement.
 */
export class DisconnectedError extends Error {
  /** The name of the class. */
  override readonly name = "DisconnectedError";
  /** Identifies this kind of error. */
  readonly code = "ERR_DISCONNECTED";

  /** @internal */
  constructor() {
    super("socket has been disconnected");
  }
}
