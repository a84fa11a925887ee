// The rows of docs/limits.md.

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A row. */
export interface Bound {
  readonly line: string;
  /** "What is bounded". */
  readonly what: string;
  /** "Option", as it is written. */
  readonly option: string;
  /** "Test": the title of a test or suite. */
  readonly title: string;
}

/** Reads the rows of the page. */
export function readBounds(): Bound[] {
  const page = readFileSync(join(import.meta.dirname, "../../docs/limits.md"), "utf8");
  const [, , ...rows] = page.split("\n").filter((line) => line.startsWith("|"));
  return rows.map((line) => {
    const [, what = "", option = "", , , title = ""] = line.split("|").map((cell) => cell.trim());
    return { line, what, option, title };
  });
}
