// Runs the suite: every *.test.ts below this folder, or the files named on the command line.
//
//   npm test                                   all of it: 5 to 10 minutes on two cores
//   npm test -- tests/protocol                 one folder
//   npm test -- tests/lib/rooms.test.ts        one file
//
// The whole suite has no time limit. The runner stops it after ten minutes without an event, or after the number of
// seconds in the environment variable SILENCE. If CI is "true", a skipped test is a failure.

import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

function testFiles(path: string): string[] {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => join(path, name))
    .sort();
}

const asked = process.argv.slice(2);
const files = (asked.length > 0 ? asked : [import.meta.dirname]).flatMap(testFiles);
const begun = performance.now();
const seconds = (): string => `${Math.round((performance.now() - begun) / 1000)} s`;
const title = (file: string): string => relative(process.cwd(), file);

if (asked.length === 0) {
  console.log(`${files.length} test files. They take 5 to 10 minutes on a machine with two cores`);
}

const SILENCE = Number(process.env.SILENCE ?? 600) * 1000;
const controller = new AbortController();
const silence = setTimeout(() => {
  const all = [...running].map(title).join(", ");
  console.error(`Nothing has happened for ${SILENCE / 1000} seconds. Not finished: ${all}`);
  process.exitCode = 1;
  controller.abort();
}, SILENCE).unref();

const running = new Set<string>();
const skipped = new Map<string, string>();
let done = 0;

// node:test reports the events of a file after all earlier files have ended, but reports the start of a file at once.
const events = run({ files, concurrency: 2, signal: controller.signal })
  .on("test:dequeue", ({ name }) => {
    silence.refresh();
    if (files.includes(name)) running.add(name);
  })
  .on("test:complete", ({ name }) => {
    silence.refresh();
    if (!running.delete(name)) return;
    done += 1;
    console.log(`[${done} of ${files.length} files, ${seconds()}] ${title(name)}`);
  })
  .on("test:pass", ({ name, file, skip }) => {
    if (skip === undefined) return;
    const reason = typeof skip === "string" && skip !== "" ? skip : "no reason given";
    skipped.set(`${file === undefined ? "" : title(file)}: ${name}`, reason);
  })
  .on("test:fail", () => {
    process.exitCode = 1;
  });

events.compose(new spec()).pipe(process.stdout);

// The report of node:test does not count skipped suites, so the runner lists them here.
process.on("exit", () => {
  if (skipped.size === 0) return;
  console.log(`\n${skipped.size} skipped tests and suites, with the reasons:`);
  for (const [name, reason] of skipped) console.log(`  ${name}\n    ${reason}`);
  if (process.env.CI !== "true") return;
  console.error('If CI is "true", no test may be skipped.');
  process.exitCode = 1;
});
