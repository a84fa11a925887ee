// The specifications as a checklist: every section cited exists, and every section that obliges
// an endpoint is cited where it is obeyed and where it is tested.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

const ROOT = join(import.meta.dirname, "..");

interface Section {
  readonly title: string;
  /** It says what an endpoint MUST, SHOULD or MAY do. */
  readonly normative?: boolean;
}

const SECTIONS: Readonly<Record<string, Readonly<Record<string, Section>>>> = JSON.parse(
  readFileSync(join(ROOT, "docs/sections.json"), "utf8"),
);

function files(...folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name)),
  );
}

interface Citation {
  readonly file: string;
  readonly document: string;
  readonly section: string;
}

/**
 * The sections that a file cites. One without its document is of the first document that the file
 * names and that has it; RFC 6455 where it names none.
 */
function citations(file: string): Citation[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const named = [...text.matchAll(/RFC \d+/g)].map(([name]) => name);
  return [...text.matchAll(/(RFC \d+ )?§(\d+(?:\.\d+)*)/g)].map(([, rfc, section = ""]) => {
    const document =
      rfc?.trim() ?? named.find((name) => SECTIONS[name]?.[section] !== undefined) ?? "RFC 6455";
    return { file, document, section };
  });
}

const SOURCES = files("protocol", "lib").flatMap(citations);
const TESTS = files("tests")
  .filter((file) => file !== join("tests", "spec.test.ts"))
  .flatMap(citations);

test("every section cited exists", () => {
  for (const { file, document, section } of [...SOURCES, ...TESTS]) {
    const sections = SECTIONS[document];
    // Other documents are cited here and there, and not kept as a list.
    if (sections !== undefined) assert.ok(sections[section], `${file}: ${document} §${section}`);
  }
});

for (const [document, sections] of Object.entries(SECTIONS)) {
  describe(`${document}: what obliges an endpoint is obeyed and tested`, () => {
    for (const [section, { title, normative }] of Object.entries(sections)) {
      if (!normative) continue;
      test(`§${section} ${title}`, () => {
        const cites = (each: Citation): boolean =>
          each.document === document && each.section === section;
        assert.ok(SOURCES.some(cites), "no source cites it");
        assert.ok(TESTS.some(cites), "no test cites it");
      });
    }
  });
}
