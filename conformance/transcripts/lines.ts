// How a transcript is written: its lines, and the parts of a line. Cases and the pages of docs/wire/ share it.

/** A line of a transcript. */
export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  /** Characters before `text` in its line of the file. */
  readonly indent: number;
}

/**
 * What a line says: ">" the client sends, "<" the server sends, "~" time passes. The pages of docs/wire/ also have "=", the
 * meaning of the bytes above it, and "@", what the program prints.
 */
export type Sign = ">" | "<" | "~" | "=" | "@";

/** A line in its parts. */
export interface Signed {
  /** "" or a capital letter. */
  readonly connection: string;
  readonly sign: Sign;
  /** Written together with the line above: ">+". */
  readonly joins: boolean;
  readonly said: string;
}

/** Removes what stands behind two spaces and a bar: it is for the reader. */
export function withoutRemark(text: string): string {
  return text.replace(/(?:^|\s{2,})\| .*$/, "").trimEnd();
}

/** Takes apart `A> text 'hello'`; `undefined` for a line without a sign. */
export function takeApart(text: string): Signed | undefined {
  const [whole, connection = "", sign = "", plus = "", said = ""] =
    /^([A-Z]?)([><=@~])(\+?)(?: (.*))?$/s.exec(text) ?? [];
  if (whole === undefined || !isSign(sign)) return undefined;
  return { connection, sign, joins: plus === "+", said };
}

function isSign(text: string): text is Sign {
  return [">", "<", "~", "=", "@"].includes(text);
}
