// Runs the suite: every *.test.ts below this folder, or the files named on the command line.
//
//   npm test                                   all of it
//   npm test -- tests/protocol                 one folder
//   npm test -- tests/lib/rooms.test.ts        one file

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
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

// A file that outlives its own limit must not keep the rest, or a machine that waits for the result.
const LIMIT = 10 * 60_000;
setTimeout(() => {
  console.error(`The suite has not ended in ${LIMIT / 60_000} minutes.`);
  process.exit(1);
}, LIMIT).unref();

run({ files, concurrency: 2, timeout: 180_000 })
  .on("test:fail", () => {
    process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);
