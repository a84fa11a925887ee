// Creates the error messages for invalid options and arguments.

/**
 * Returns the message for an unknown option. Suggests the known option with the most similar name, if any is similar.
 *
 * @param path the path of the object with the unknown option, such as "cors.". Empty for the outermost object
 */
export function unknownOption(path: string, name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  const hint = near === undefined ? "" : `; did you mean "${path}${near}"?`;
  return `unknown option "${path}${name}"${hint}`;
}

/**
 * Returns the message for an option or argument with an invalid value. The message contains the expected and the
 * given value.
 */
export function invalidOption(name: string, expected: string, value: unknown): string {
  // A string that is passed instead of an object may be a secret, such as a token passed as `auth`. The message does
  // not repeat such a string.
  const isSecret = expected.includes("object") && typeof value === "string";
  return `${name} must be ${expected}, got ${isSecret ? "a string" : shown(value)}`;
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(shortened(value));
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** The longest part of an invalid string that an error message repeats, in UTF-16 code units. */
const LONGEST = 100;

function shortened(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** Returns the most similar known name, or `undefined` if no name is similar. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const each of known) {
    const distance = editDistance(name.toLowerCase(), each.toLowerCase());
    if (distance >= least) continue;
    least = distance;
    nearest = each;
  }
  return nearest;
}

/**
 * Returns the Levenshtein distance: how many characters must be inserted, removed or replaced to turn `from` into
 * `to`.
 */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [row, char] of [...from].entries()) {
    const current = [row + 1];
    for (const [column, above] of previous.slice(1).entries()) {
      const diagonal = (previous[column] ?? 0) + (char === to[column] ? 0 : 1);
      current.push(Math.min(above + 1, (current[column] ?? 0) + 1, diagonal));
    }
    previous = current;
  }
  return previous.at(-1) ?? 0;
}
