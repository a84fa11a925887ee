// What a program's function returns where it may be asynchronous.

/** Whether `value` is a promise, of this realm or of a library. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
