// The syntax of a transcript: its lines, and the parts of a line. The cases and the pages of docs/wire/ have the same
// syntax.

/** A line of a transcript. */
export interface Line {
  readonly text: string;
  /** The number of the line, from 1. */
  readonly number: number;
  /** The number of characters before `text` in its line of the file. */
  readonly indent: number;
}

/**
 * The sign of a line. ">": the client sends. "<": the server sends. "~": time passes. The pages of docs/wire/ also
 * have "=", which explains the bytes above it, and "@", which is the output of the program.
 */
export type Sign = ">" | "<" | "~" | "=" | "@";

/** The parts of a line. */
export interface Signed {
  /** The name of the connection: a capital letter, or "" for the connection without a name. */
  readonly connection: string;
  readonly sign: Sign;
  /** Whether the line is written together with the line above: ">+". */
  readonly joins: boolean;
  readonly said: string;
}

/** Removes the remark, which begins after two spaces and "|". */
export function withoutRemark(text: string): string {
  return text.replace(/(?:^|\s{2,})\| .*$/, "").trimEnd();
}

/** Splits `A> text 'hello'` into its parts. Returns `undefined` for a line without a sign. */
export function takeApart(text: string): Signed | undefined {
  const [whole, connection = "", sign = "", plus = "", said = ""] =
    /^([A-Z]?)([><=@~])(\+?)(?: (.*))?$/s.exec(text) ?? [];
  if (whole === undefined || !isSign(sign)) return undefined;
  return { connection, sign, joins: plus === "+", said };
}

function isSign(text: string): text is Sign {
  return [">", "<", "~", "=", "@"].includes(text);
}
