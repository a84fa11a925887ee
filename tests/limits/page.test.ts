// docs/limits.md, row by row: its options exist, and its tests too.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { RUN_OPTIONS } from "../../lib/run.ts";
import { SERVER_OPTIONS } from "../../lib/socketio/options.ts";

const TESTS = join(import.meta.dirname, "..");
const page = readFileSync(join(TESTS, "../docs/limits.md"), "utf8");
const [, , ...rows] = page.split("\n").filter((line) => line.startsWith("|"));

const sources = readdirSync(TESTS, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => readFileSync(join(TESTS, name), "utf8"))
  .join("\n");

describe("docs/limits.md", () => {
  test("has rows", () => assert.ok(rows.length >= 3, `${rows.length}`));

  for (const row of rows) {
    const cells = row.split("|").map((cell) => cell.trim());
    const [, what = "", option = "", , , title = ""] = cells;
    test(`${what}: the option and the test exist`, () => {
      assert.equal(cells.length, 7, row);
      for (const [, name = ""] of option.matchAll(/^`(\w+)`$/g)) {
        assert.ok(name in SERVER_OPTIONS || name in RUN_OPTIONS, name);
      }
      assert.ok(title !== "" && sources.includes(`"${title}"`), `no test is named "${title}"`);
    });
  }
});
