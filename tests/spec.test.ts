// Checks the traceability of the specifications: every cited section exists, and every section with an obligation for
// an endpoint has a line of code that implements it and a unit test. A section with an obligation for a server has a
// conformance case too. `npx tsx build/traceability.ts` generates docs/traceability.md from the same data.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import {
  type Citation,
  citations,
  evidenceFor,
  keyOf,
  REQUIREMENTS,
  readUncovered,
  SECTIONS,
  SOURCES,
  sectionsIn,
  TESTS,
  TRACED,
  traceability,
  WITHOUT_CASE,
  writtenPage,
} from "../build/traceability.ts";

const ROOT = join(import.meta.dirname, "..");
const UNCOVERED = readUncovered();
const ANEW = "run: npx tsx build/traceability.ts";

test("every cited section exists, and is cited with its document, such as RFC 6455 §5.1", () => {
  for (const { file, line, document, section } of [...SOURCES, ...TESTS]) {
    assert.ok(document !== "", `${file}:${line}: §${section}`);
    const sections = SECTIONS[document];
    // docs/requirements.json lists only RFCs. Other documents are cited without a list of their sections.
    if (sections === undefined || !document.startsWith("RFC")) continue;
    assert.ok(sections[section], `${file}:${line}: ${document} §${section}`);
  }
});

for (const document of Object.keys(SECTIONS)) {
  describe(`${document}: each section with requirements for an endpoint has a source line and a test`, () => {
    for (const traced of TRACED) {
      if (traced.document !== document || !traced.obliges) continue;
      test(`${keyOf(traced)} ${traced.title}`, () => {
        assert.notEqual(traced.sources.length, 0, "no source cites it");
        assert.notEqual(traced.tests.length, 0, "no test cites it");
        const reason = UNCOVERED[keyOf(traced)];
        const without = WITHOUT_CASE.includes(keyOf(traced));
        assert.ok(!without || reason, "no case cites it, and docs/uncovered.json does not say why");
      });
    }
  });
}

test("docs/requirements.json: each requirement has a section, and a reason if no endpoint must obey it", () => {
  for (const each of REQUIREMENTS) {
    assert.ok(SECTIONS[each.document]?.[each.section], keyOf(each));
    assert.equal(each.reason !== undefined, each.whom === "other", each.sentence);
    assert.match(each.sentence, new RegExp(`\\b(?:${WORDS[each.level]})\\b`));
  }
});

for (const requirement of REQUIREMENTS) {
  const { level, whom, sentence, unkept } = requirement;
  if (whom === "other") continue;
  test(`${keyOf(requirement)} ${level} ${sentence}`, () => {
    const { untested, test: named } = requirement;
    const { line, tests, case: proof } = evidenceFor(requirement);
    assert.ok(tests.every(({ file }) => file.startsWith("tests/")));
    if (unkept !== undefined) {
      assert.deepEqual(
        [line, named, untested, proof],
        [undefined, undefined, undefined, undefined],
      );
      return;
    }
    assert.ok(line !== undefined, "no line obeys it");
    assert.ok((named === undefined) !== (untested === undefined), "either a test or a reason");
    assert.ok(untested === undefined ? tests.length > 0 : untested.endsWith("."));
    assert.ok(proof === undefined || whom === "both" || whom === proof.end, `${proof?.id}`);
  });
}

/** The keywords of RFC 2119. */
const WORDS = {
  MUST: "MUST|SHALL|REQUIRED",
  SHOULD: "SHOULD|RECOMMENDED",
  MAY: "MAY|OPTIONAL",
} as const;

test("docs/uncovered.json names only sections without a conformance case", () => {
  const without = new Set(WITHOUT_CASE);
  const stale = Object.keys(UNCOVERED).filter((key) => !without.has(key));
  assert.deepEqual(stale, [], ANEW);
});

test("docs/traceability.md is up to date", () => {
  assert.ok(writtenPage() === traceability(UNCOVERED), ANEW);
});

describe("protocol/README.md: the file in each row cites the sections in this row", () => {
  const TOUR = "protocol/README.md";
  const rows = readFileSync(join(ROOT, TOUR), "utf8")
    .split("\n")
    .map((row) => /^\| (.+?\?) +\| \[(.+?)\]\(\2\) +\| (.+?) +\|$/.exec(row))
    .filter((row) => row !== null);

  test("there are at least 45 questions, with some for each layer", () => {
    assert.ok(rows.length >= 45, `${rows.length}`);
    for (const layer of ["websocket", "engineio", "socketio"]) {
      assert.ok(rows.some(([, , file = ""]) => file.startsWith(layer)));
    }
  });

  for (const [, question = "", file = "", sections = ""] of rows) {
    test(question, () => {
      const source = join("protocol", file);
      const cited = new Set(citations(source).map(citationText));
      for (const asked of citedIn(sections, source)) {
        assert.ok(cited.has(asked), `${source} does not cite ${asked}, but ${[...cited]}`);
      }
    });
  }

  /**
   * Returns the sections or headings in a cell. docs/requirements.json does not list the sections of other protocol
   * revisions. A citation of such a section must occur in the source file.
   */
  function citedIn(cell: string, source: string): string[] {
    const [, other = ""] = /^((?:Engine|Socket)\.IO [34] "[^"]+")$/.exec(cell) ?? [];
    if (other !== "") {
      assert.ok(readFileSync(join(ROOT, source), "utf8").includes(other), other);
      return [];
    }
    const numbers = sectionsIn(cell).map(({ document, section }) => `${document} §${section}`);
    const layer = source.includes("engineio") ? "Engine.IO 4" : "Socket.IO 5";
    const headings = [...cell.matchAll(/"([^"]+)"/g)].map(([, title]) => `${layer} §${title}`);
    const all = [...numbers, ...headings];
    assert.notEqual(all.length, 0, `${cell} names nothing`);
    return all;
  }
});

function citationText({ document, section }: Citation): string {
  return `${document} §${section}`;
}

test("links in protocol/README.md, lib/README.md, docs/traceability.md and docs/wire lead to existing files", () => {
  const pages = [
    "protocol/README.md",
    "lib/README.md",
    "docs/traceability.md",
    ...readdirSync(join(ROOT, "docs/wire")).map((name) => `docs/wire/${name}`),
  ];
  for (const page of pages) {
    const text = readFileSync(join(ROOT, page), "utf8");
    for (const [, target = ""] of text.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      assert.ok(existsSync(join(ROOT, dirname(page), target)), `${page}: ${target}`);
    }
  }
});
