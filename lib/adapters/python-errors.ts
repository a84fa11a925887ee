// The errors that the adapter for python-socketio throws and reports. A host is a server of the python-socketio
// cluster.

/** The reason of a PythonAdapterError. Codes are stable, messages can change. */
export type PythonAdapterErrorCode =
  /**
   * Thrown if an event cannot be expressed in the format that the option `dialect` selects. Reported if python-socketio
   * has no message for an operation.
   */
  | "ERR_PYTHON_INEXPRESSIBLE"
  /** Thrown if two servers use the same adapter. */
  | "ERR_PYTHON_IN_USE"
  /** Reported if an invalid message of another host was ignored. */
  | "ERR_PYTHON_MESSAGE"
  /** Reported once if another host sends pickles and the option `pickle` is disabled. */
  | "ERR_PYTHON_PICKLE_OFF"
  /** Reported if Redis has not accepted a message, so that other hosts have not received it. */
  | "ERR_PYTHON_PUBLISH"
  /** Reported if Redis has not accepted the subscription. The adapter tries again. */
  | "ERR_PYTHON_SUBSCRIBE";

/** An error of the adapter for python-socketio. The property `cause` is the error that caused it, if any. */
export class PythonAdapterError extends Error {
  /** The name of this class. */
  override readonly name = "PythonAdapterError";
  /** The reason of the error. */
  readonly code: PythonAdapterErrorCode;

  /**
   * Creates an error with a code, a message and a cause.
   *
   * @param code the reason
   * @param message the message
   * @param cause the error that caused this one, if any
   */
  constructor(code: PythonAdapterErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Appends the message of an error to a sentence. */
export function because(sentence: string, error: unknown): string {
  return `${sentence}: ${error instanceof Error ? error.message : String(error)}`;
}
