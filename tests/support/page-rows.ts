// Reads the tables in a page of the documentation, and finds the titles of the tests that the page names.

import { existsSync, readFileSync } from "node:fs";

import { loadCases } from "../../conformance/transcripts/load.ts";

/** Returns the cells of each row of the tables in `page`, without the header rows. */
export function rowsOf(page: string): string[][] {
  return page.split(/\n(?!\|)/).flatMap((part) => {
    const [, , ...rows] = part.split("\n").filter((line) => line.startsWith("|"));
    return rows.map((row) =>
      row
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("\\|", "|")),
    );
  });
}

/**
 * Returns whether `file` contains a test, a group of tests, or a row of a table of tests with this title. For a
 * transcript of the conformance kit, returns whether it contains a case with this id.
 */
export function hasTitle(file: string, title: string): boolean {
  if (!existsSync(file)) return false;
  if (file.endsWith(".wire")) return loadCases(file).some(({ id }) => id === title);
  const source = readFileSync(file, "utf8");
  // A page copies the source form of a title, including its escapes.
  const literals = [JSON.stringify(title), `"${title}"`, `'${title}'`, `\`${title}\``];
  if (literals.some((literal) => isTitle(source, literal))) return true;
  if (!makesTitles(file, source)) return false;
  return literals.some((literal) => source.includes(literal)) || isKey(source, title);
}

/** Whether the literal is the first argument of a call that declares a test. */
function isTitle(source: string, literal: string): boolean {
  const escaped = literal.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  return new RegExp(`\\b(?:test|describe|check)\\(\\s*${escaped}`).test(source);
}

/**
 * Whether the file builds titles from the texts and keys of tables. Files that are not test files contain only
 * tables.
 */
function makesTitles(file: string, source: string): boolean {
  return (
    !file.endsWith(".test.ts") || /\b(?:test|describe|check)\(\s*(?:\w|`[^`]*\$\{)/.test(source)
  );
}

function isKey(source: string, name: string): boolean {
  return /^\w+$/.test(name) && new RegExp(`[\\s{]${name}: `).test(source);
}
