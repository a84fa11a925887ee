// About how much memory a value of the program takes: the data of a socket, or a room that is not a string.

/** The values of one value that are looked at, so that data that refer to much cost no more than a part of a millisecond. */
const MAX_VALUES = 10_000;
/** About as many bytes as a value takes beside its contents. */
const OVERHEAD = 16;

/**
 * Returns about how many bytes a value takes: strings, binary data, arrays, plain objects, maps and sets with what is
 * in them. An instance of another class counts as one value, since the program may share it, and of more than 10,000
 * values only their number counts.
 */
export function valueSize(value: unknown): number {
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
    // A getter or a proxy of the program throws: what was counted until then counts.
  }
  return size;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
