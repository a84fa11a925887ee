// Tests the runner of the test suite: its exit status, and its report of skipped files and of files that hang.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "barewire-run-"));
after(() => rmSync(folder, { recursive: true }));

const HEAD = 'import { describe, test } from "node:test";\n';

interface Case {
  readonly title: string;
  readonly code: string;
  readonly env: Readonly<Record<string, string>>;
  readonly status: number;
  readonly output: RegExp;
}

const SKIPPED =
  'describe("a suite", { skip: "there is no tool" }, () => { test("x", () => {}); });';

const CASES: readonly Case[] = [
  {
    title: "a run without failures passes, and shows progress",
    code: 'test("x", () => {});',
    env: {},
    status: 0,
    output: /^\[1 of 1 files, \d+ s\] .*0\.test\.mjs$/m,
  },
  {
    title: "a run fails if a test fails",
    code: 'test("x", () => { throw new Error("no"); });',
    env: {},
    status: 1,
    output: /fail 1/,
  },
  {
    title: "a run lists a skipped suite with its reason",
    code: SKIPPED,
    env: { CI: "" },
    status: 0,
    output: /^1 skipped tests and suites, [\s\S]*2\.test\.mjs: a suite\n +there is no tool$/m,
  },
  {
    title: "a run lists skipped tests",
    code: 'test("x", { skip: true }, () => {}); test("y", (context) => context.skip("not here"));',
    env: { CI: "" },
    status: 0,
    output: /^2 skipped tests and suites, [\s\S]*: x\n +no reason given\n[\s\S]*: y\n +not here$/m,
  },
  {
    title: 'a run fails with a skipped suite if CI is "true"',
    code: SKIPPED,
    env: { CI: "true" },
    status: 1,
    output: /there is no tool[\s\S]*no test may be skipped/,
  },
  {
    title: "a run stops a test file that makes no progress",
    code: 'test("x", () => new Promise((resolve) => setTimeout(resolve, 1e9)));',
    env: { SILENCE: "1" },
    status: 1,
    output: /Nothing has happened for 1 seconds\. Not finished: .*5\.test\.mjs/,
  },
];

describe("npm test", () => {
  for (const [index, { title, code, env, status, output }] of CASES.entries()) {
    test(title, async () => {
      const file = join(folder, `${index}.test.mjs`);
      writeFileSync(file, HEAD + code);
      // With this variable set, node:test would treat the runner as one of its own test files.
      const { NODE_TEST_CONTEXT: _, ...own } = process.env;
      const runner = join(ROOT, "tests/run.ts");
      const child = spawn(process.execPath, [...process.execArgv, runner, file], {
        cwd: ROOT,
        env: { ...own, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      child.stderr.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      const [ended] = await once(child, "close");
      assert.match(text, output);
      assert.equal(ended, status, text);
    });
  }
});
