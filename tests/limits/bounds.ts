// Reads the table in docs/limits.md.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { rowsOf } from "../support/page-rows.ts";

/** A row of the table. */
export interface Bound {
  readonly cells: readonly string[];
  /** The column "What is bounded". */
  readonly what: string;
  /** The column "Option", as Markdown. */
  readonly option: string;
  /** The column "Test": the title of a test or suite. */
  readonly title: string;
}

export function readBounds(): Bound[] {
  const page = readFileSync(join(import.meta.dirname, "../../docs/limits.md"), "utf8");
  return rowsOf(page).map((cells) => {
    const [what = "", option = "", , , title = ""] = cells;
    return { cells, what, option, title: withoutQuotes(title) };
  });
}

/** Removes the backquotes around the code of a Markdown cell. */
function withoutQuotes(cell: string): string {
  return cell.replace(/^(`+)(.*)\1$/, "$2").trim();
}
