// Checks that each test named in docs/attacks.md exists in the file that its row links to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { hasTitle, rowsOf } from "./support/page-rows.ts";

const DOCS = join(import.meta.dirname, "../docs");
const rows = rowsOf(readFileSync(join(DOCS, "attacks.md"), "utf8"));

/** The start of the outcome in rows that have no test. */
const UNTESTED = /^Does not apply: /;

/**
 * Matches a link to a test file, followed by the title of a test. A test that is generated from a table is named by several
 * texts, as in `EIO` › `revision 3 upgrade of a session`.
 */
const TEST = /^\[[^\]]+\]\(([^)]+)\) ((?:`[^`]+`)(?: › `[^`]+`)*)$/;

describe("docs/attacks.md", () => {
  test("every row has a test, or the reason why it has none", () => {
    assert.ok(rows.length >= 80, `${rows.length}`);
    for (const [attack = "", outcome = "", tests = "", ...others] of rows) {
      assert.deepEqual(others, [], attack);
      assert.equal(tests === "", UNTESTED.test(outcome), attack);
    }
  });

  for (const [attack = "", , tests = ""] of rows) {
    if (tests === "") continue;
    test(`the test of this row exists: ${attack}`, () => {
      for (const each of tests.split("<br>")) {
        const [, file = "", titles = ""] = TEST.exec(each) ?? assert.fail(each);
        for (const title of titles.split(" › ")) {
          const text = title.slice(1, -1);
          assert.ok(hasTitle(join(DOCS, file), text), `${file} has no test "${text}"`);
        }
      }
    });
  }
});
