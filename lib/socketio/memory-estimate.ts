// Estimates the memory that a value of the application takes: the data of a socket, or a room that
// is not a string.

/**
 * Largest number of nested values that are measured, so that measuring large data takes only a
 * fraction of a millisecond.
 */
const MAX_VALUES = 10_000;
/** Approximate size of a value without its contents, in bytes. */
const OVERHEAD = 16;

/**
 * Returns the approximate size of a value, in bytes. Strings, binary data, arrays, plain objects,
 * maps and sets count with their contents. An instance of another class counts as one value without
 * its contents, because the application may use the same instance in several places. After 10,000
 * values, each further value counts with a fixed size.
 */
export function estimateMemory(value: unknown): number {
  let size = 0;
  const seen = new Set<object>();
  const waiting = [value];
  let left = MAX_VALUES;
  const addAll = (values: readonly unknown[]): void => {
    size += OVERHEAD * values.length;
    for (const each of values.slice(0, left)) waiting.push(each);
    left = Math.max(0, left - values.length);
  };
  try {
    while (waiting.length > 0) {
      const next = waiting.pop();
      size += OVERHEAD;
      if (typeof next === "string") size += 2 * next.length;
      if (typeof next !== "object" || next === null || seen.has(next)) continue;
      seen.add(next);
      if (ArrayBuffer.isView(next) || next instanceof ArrayBuffer) size += next.byteLength;
      else if (Array.isArray(next)) addAll(next);
      else if (next instanceof Map) addAll([...next.keys(), ...next.values()]);
      else if (next instanceof Set) addAll([...next]);
      else if (isPlain(next)) addAll([...Object.keys(next), ...Object.values(next)]);
    }
  } catch {
    // A getter or a proxy of the application threw an error. The size measured so far is returned.
  }
  return size;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
