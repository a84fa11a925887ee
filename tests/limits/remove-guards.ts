// Removes each guard of tests/limits/guards.ts in turn, in a copy of the sources, and runs its test, which must fail.
//
//   npm run guards              removes all guards
//   npm run guards -- rooms     removes the guards of limits whose name contains this word
//
// Prints a table, and exits with 1 if a test passes without its guard, or fails with its guard.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { run } from "node:test";

import { readBounds } from "./bounds.ts";
import { GUARDS, type Guard } from "./guards.ts";

const ROOT = join(import.meta.dirname, "../..");
/** How long a test may take with its guard, in milliseconds. */
const LIMIT = 120_000;
/** A test without its guard fails after PATIENCE times its duration with the guard, and at least LEAST milliseconds. */
const PATIENCE = 4;
const LEAST = 10_000;
const NOT_COPIED: ReadonlySet<string> = new Set([".git", "node_modules", "dist", "coverage"]);

interface Result {
  readonly passed: number;
  /** The titles of the tests that have failed. */
  readonly failed: readonly string[];
  /** Whether the run exceeded its timeout. */
  readonly late: boolean;
  /** Whether the whole file failed, for example with a syntax error. */
  readonly broken: boolean;
}

/** Runs the tests of a file whose titles contain `title`. */
async function runTests(file: string, title: string, timeout: number): Promise<Result> {
  const pattern = new RegExp(title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const failed: string[] = [];
  let passed = 0;
  let late = false;
  let broken = false;
  const events = run({ files: [file], testNamePatterns: [pattern], timeout });
  events.on("test:pass", ({ name, skip, details: { type } }) => {
    if (skip === undefined && type !== "suite" && pattern.test(name)) passed++;
  });
  events.on("test:fail", ({ name, details: { error } }) => {
    const kind: unknown = Reflect.get(error, "failureType");
    if (kind === "testTimeoutFailure") late = true;
    if (pattern.test(name)) failed.push(name);
    else if (name === file && kind !== "subtestsFailed") broken = true;
  });
  for await (const _event of events);
  return { passed, failed: [...new Set(failed)], late, broken };
}

/** Returns what is wrong with a guard or its test, or `undefined` if nothing is wrong. */
function mistakeOf(without: Result, withGuard: Result): string | undefined {
  if (withGuard.passed === 0) return "**no test has this title**";
  if (withGuard.late) return "**does not end with the guard**";
  if (withGuard.failed.length > 0) return `**fails with the guard, too**: ${withGuard.failed}`;
  if (without.failed.length > 0 || without.late) return undefined;
  return without.broken ? "**the sources cannot be run**" : "**none: the test passes**";
}

/** Formats code in one line, for a cell of the table. */
function code(text: string): string {
  const line = text.split("\n").map((each) => each.trim());
  return text === "" ? "nothing" : `\`${cell(line.join(" "))}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

const folder = mkdtempSync(join(tmpdir(), "barewire-guards-"));
process.on("exit", () => rmSync(folder, { recursive: true }));
cpSync(ROOT, folder, { recursive: true, filter: (path) => !NOT_COPIED.has(basename(path)) });
symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
// tsx reads tsconfig.json in this folder, so tests that import the package by its name import the copy.
process.chdir(folder);

const titles = new Map(readBounds().map(({ what, title }) => [what, title]));
const asked = process.argv.slice(2);
const guards = GUARDS.filter(({ bound }) => asked.every((word) => bound.includes(word)));
if (guards.length === 0) throw new Error(`no bound has the words "${asked.join(" ")}"`);

async function remove({ bound, file, from, to, test, title }: Guard): Promise<boolean> {
  const wanted = title ?? titles.get(bound) ?? "";
  const tests = join(folder, test);
  const path = join(folder, file);
  const source = readFileSync(path, "utf8");
  const begun = performance.now();
  const withGuard = await runTests(tests, wanted, LIMIT);
  const patience = Math.max(LEAST, PATIENCE * (performance.now() - begun));
  writeFileSync(
    path,
    source.replace(from, () => to),
  );
  const without = await runTests(tests, wanted, Math.ceil(patience));
  writeFileSync(path, source);
  const mistake = mistakeOf(without, withGuard);
  const failed = without.failed.length > 0 ? without.failed.join("; ") : wanted;
  const ended = without.late ? ", which did not end" : "";
  console.log(
    `| ${cell(bound)} | ${file}: ${code(from)} | ${code(to)} | ${mistake ?? `${cell(failed)}${ended}`} |`,
  );
  return mistake === undefined;
}

const { version } = JSON.parse(readFileSync("package.json", "utf8"));
console.log(
  `barewire ${version}, Node ${process.version}, ${new Date().toISOString()}: ${guards.length} guards, removed one at a time\n`,
);
console.log(
  "| What is bounded | Guard | In its place | Test that failed |\n| --- | --- | --- | --- |",
);
let mistakes = 0;
for (const guard of guards) if (!(await remove(guard))) mistakes++;
console.log(`\n${guards.length - mistakes} of ${guards.length} tests failed without their guard.`);
process.exitCode = mistakes === 0 ? 0 : 1;
