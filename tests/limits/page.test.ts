// Checks that the options, tests and guards in each row of docs/limits.md exist.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";

import { RUN_OPTIONS } from "../../lib/run.ts";
import { SERVER_OPTIONS } from "../../lib/socketio/options.ts";
import { WEBSOCKET_SERVER_OPTIONS } from "../../lib/websocket/server-options.ts";
import { hasTitle } from "../support/page-rows.ts";
import { readBounds } from "./bounds.ts";
import { GUARDS } from "./guards.ts";

const TESTS = join(import.meta.dirname, "..");
const ROOT = join(TESTS, "..");
const bounds = readBounds();

const FILES = readdirSync(TESTS, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => join(TESTS, name));

describe("docs/limits.md", () => {
  test("has rows", () => assert.ok(bounds.length >= 3, `${bounds.length}`));

  for (const { cells, what, option, title } of bounds) {
    test(`${what}: the option, the test and a guard exist`, () => {
      assert.equal(cells.length, 5, `${cells}`);
      for (const [, name = ""] of option.matchAll(/^`(\w+)`$/g)) {
        const tables = what.includes("`WebSocketServer`")
          ? [WEBSOCKET_SERVER_OPTIONS]
          : [SERVER_OPTIONS, RUN_OPTIONS];
        assert.ok(
          tables.some((table) => name in table),
          name,
        );
      }
      assert.ok(
        title !== "" && FILES.some((file) => hasTitle(file, title)),
        `no test is named "${title}"`,
      );
      const guarded = GUARDS.some(({ bound }) => bound === what);
      assert.ok(guarded, "tests/limits/guards.ts has no guard for this limit");
    });
  }
});

describe("tests/limits/guards.ts", () => {
  for (const { bound, file, from, to, test: testFile } of GUARDS) {
    test(`${bound}: ${from.split("\n")[0]} occurs in ${file} once, and ${testFile} has tests`, () => {
      assert.ok(
        bounds.some(({ what }) => what === bound),
        "docs/limits.md has no such row",
      );
      const places = readFileSync(join(ROOT, file), "utf8").split(from).length - 1;
      assert.equal(places, 1);
      assert.notEqual(from, to);
      assert.match(readFileSync(join(ROOT, testFile), "utf8"), /\btest\(/);
    });
  }
});
