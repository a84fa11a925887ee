// What the adapter for python-socketio throws and reports.

/** What went wrong. It stays the same when the words change. */
export type PythonAdapterErrorCode =
  /** Thrown: the dialect has no way to say what is emitted. Reported: nor has it one for an operation. */
  | "ERR_PYTHON_INEXPRESSIBLE"
  /** Thrown: two servers use the adapter of one. */
  | "ERR_PYTHON_IN_USE"
  /** Reported: a message of another host was ignored, since it is invalid. */
  | "ERR_PYTHON_MESSAGE"
  /** Reported once: another host sends pickles, and the option `pickle` is off. */
  | "ERR_PYTHON_PICKLE_OFF"
  /** Reported: Redis did not take a message, so that other hosts have not received it. */
  | "ERR_PYTHON_PUBLISH"
  /** Reported: Redis did not take the subscription. It is tried again. */
  | "ERR_PYTHON_SUBSCRIBE";

/** An error of the adapter for python-socketio. What caused it is its `cause`. */
export class PythonAdapterError extends Error {
  override readonly name = "PythonAdapterError";
  readonly code: PythonAdapterErrorCode;

  constructor(code: PythonAdapterErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Adds what an error says to a sentence. */
export function because(sentence: string, error: unknown): string {
  return `${sentence}: ${error instanceof Error ? error.message : String(error)}`;
}
