// The specifications as a checklist: every section cited exists, and every section that obliges
// an endpoint has a line that obeys it, a unit test and, where it obliges a server, a conformance
// case. docs/traceability.md shows it; `npx tsx build/traceability.ts` writes it anew.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  keyOf,
  REQUIREMENTS,
  readUncovered,
  SECTIONS,
  SOURCES,
  TESTS,
  TRACED,
  traceability,
  WITHOUT_CASE,
  writtenPage,
} from "../build/traceability.ts";

const UNCOVERED = readUncovered();
const ANEW = "run: npx tsx build/traceability.ts";

test("every section cited exists", () => {
  for (const { file, line, document, section } of [...SOURCES, ...TESTS]) {
    const sections = SECTIONS[document];
    // Other documents are cited here and there, and not kept as a list.
    if (sections === undefined || !document.startsWith("RFC")) continue;
    assert.ok(sections[section], `${file}:${line}: ${document} §${section}`);
  }
});

for (const document of Object.keys(SECTIONS)) {
  describe(`${document}: what obliges an endpoint is obeyed and tested`, () => {
    for (const traced of TRACED) {
      if (traced.document !== document || !traced.obliges) continue;
      test(`${keyOf(traced)} ${traced.title}`, () => {
        assert.notEqual(traced.sources.length, 0, "no source cites it");
        assert.notEqual(traced.tests.length, 0, "no test cites it");
        const listed = UNCOVERED[keyOf(traced)] !== undefined;
        const covered = traced.cases.length > 0 || !traced.obligesServer;
        assert.ok(
          covered || listed,
          "no conformance case cites it, and docs/uncovered.json says not why",
        );
      });
    }
  });
}

test("docs/requirements.json: each is of a section, and has a reason where it is nobody's", () => {
  for (const each of REQUIREMENTS) {
    assert.ok(SECTIONS[each.document]?.[each.section], keyOf(each));
    assert.equal(each.reason !== undefined, each.whom === "other", each.sentence);
    assert.match(each.sentence, new RegExp(`\\b(?:${WORDS[each.level]})\\b`));
  }
});

/** RFC 2119. */
const WORDS = {
  MUST: "MUST|SHALL|REQUIRED",
  SHOULD: "SHOULD|RECOMMENDED",
  MAY: "MAY|OPTIONAL",
} as const;

test("docs/uncovered.json names only what has no case", () => {
  const without = new Set(WITHOUT_CASE);
  const stale = Object.keys(UNCOVERED).filter((key) => !without.has(key));
  assert.deepEqual(stale, [], ANEW);
});

test("docs/traceability.md is what the sources and tests say", () => {
  assert.ok(writtenPage() === traceability(UNCOVERED), ANEW);
});
