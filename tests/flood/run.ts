// Floods a server with attempts to connect, and prints the results.
//
//   npm run flood -- --attempts 100000               with a random seed, which is printed
//   npm run flood -- --attempts 100000 --seed 1234   the same choices again
//
// Exits with 1 if a client lost an event or its connection during the flood, or if the server still holds sessions,
// connections or timers that these attempts have created.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual, parseArgs } from "node:util";

import { flood } from "./flood.ts";

const { values } = parseArgs({
  options: {
    attempts: { type: "string", default: "3000" },
    seed: { type: "string", default: `${Date.now() % 1_000_000_007}` },
  },
});
const attempts = Number(values.attempts);
const seed = Number(values.seed);
if (!(Number.isSafeInteger(attempts) && attempts > 0) || !Number.isSafeInteger(seed)) {
  console.error("usage: npm run flood -- --attempts N [--seed S]");
  process.exit(2);
}

const count = (value: number): string => value.toLocaleString("en");
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
const list = (counts: object): string =>
  Object.entries(counts)
    .map(([name, value]) => `${name} ${count(Number(value))}`)
    .sort()
    .join(", ");

const { version }: { version: string } = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
);
console.log(
  `barewire ${version}, Node ${process.version}, ${new Date().toISOString()}, ${count(attempts)} attempts, seed ${seed}`,
);
const report = await flood(attempts, seed);
const { before, after, echoes, faults } = report;
const sorted = echoes.toSorted((one, other) => one - other);
const percentile = (share: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
console.log(
  `${report.seconds.toFixed(1)} s, ${count(Math.round(attempts / report.seconds))} attempts per second`,
);
console.log(`answers: ${list(report.answers)}`);
console.log(`refusals, with 1,000 attempts before: ${list(report.refusals)}`);
console.log(
  `clients beside: ${count(echoes.length)} echoes, ${faults.length} lost, out of order or disconnected`,
);
for (const fault of faults.slice(0, 20)) console.log(`  ${fault}`);
console.log(
  `latency of an echo in ms: p50 ${percentile(0.5)}, p95 ${percentile(0.95)}, p99 ${percentile(0.99)}, max ${percentile(1)}`,
);
console.log(`before: ${list(before)}`);
console.log(`after: ${list(after)}; most sessions at once: ${report.mostSessions}`);
console.log(
  `heap after a collection: ${megabytes(report.heapBefore)} before, ${megabytes(report.heapAfter)} after`,
);
process.exit(faults.length > 0 || !isDeepStrictEqual(before, after) ? 1 : 0);
