// The rows of docs/limits.md.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { rowsOf } from "../support/page-rows.ts";

/** A row. */
export interface Bound {
  readonly cells: readonly string[];
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
  return rowsOf(page).map((cells) => {
    const [what = "", option = "", , , title = ""] = cells;
    return { cells, what, option, title };
  });
}
