// What a program is told with, on both ends: Node's own classes for calls that cannot be meant, and
// what becomes of acknowledgements; each with a `code` that stays the same when the words change.

/** An argument of the wrong type. `code` "ERR_INVALID_ARG_TYPE". */
export class ArgumentTypeError extends TypeError {
  readonly code = "ERR_INVALID_ARG_TYPE";
}

/** An argument of the right type that is out of bounds. `code` "ERR_OUT_OF_RANGE". */
export class ArgumentRangeError extends RangeError {
  readonly code = "ERR_OUT_OF_RANGE";
}

/** @throws ArgumentTypeError for what is no function */
export function checkFunction(what: string, value: unknown): void {
  if (typeof value !== "function") throw new ArgumentTypeError(`${what} is not a function`);
}

/** @throws ArgumentTypeError for what is no number, ArgumentRangeError for one that is no time to wait */
export function checkMilliseconds(what: string, value: unknown): void {
  if (typeof value !== "number") throw new ArgumentTypeError(`${what} is not a number`);
  // A timer takes no more than 32 bits, and calls at once for what is larger.
  if (!(value >= 0 && value <= 0x7fffffff)) {
    throw new ArgumentRangeError(`${what} is not a number from 0 to 2147483647`);
  }
}

/** No acknowledgement came in time. */
export class AckTimeoutError extends Error {
  override readonly name = "AckTimeoutError";
  readonly code = "ERR_ACK_TIMEOUT";

  constructor() {
    super("operation has timed out");
  }
}

/** The socket was disconnected before the acknowledgement came. */
export class DisconnectedError extends Error {
  override readonly name = "DisconnectedError";
  readonly code = "ERR_DISCONNECTED";

  constructor() {
    super("socket has been disconnected");
  }
}
