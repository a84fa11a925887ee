// Detects promises among the values that the functions of the program return.

/**
 * Returns whether `value` has a method then(), as a promise has. The promise may belong to a library or another
 * realm.
 */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
