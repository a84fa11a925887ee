// The soak test: one server under the load of real clients and attackers for the given time.
//
//   npm run soak -- --minutes 20                 with a random seed, which is printed
//   npm run soak -- --minutes 20 --seed 1234     the same choices again
//   npm run soak -- --minutes 20 --plot heap.svg draws the heap over time
//
// Exits with 1 if an event was lost or out of order, if a client was disconnected, or if sessions remain.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Child, type Json } from "../../bench/ipc.ts";
import { Latencies } from "./latencies.ts";
import { type Point, plot, type Sample, type Trend, trendOf } from "./plot.ts";

const LIBRARIES = ["barewire", "socket.io-client 4.8.4", "socket.io-client 2.5.0"];
/** The number of clients of each library. A third of these clients use each choice of transports. */
const CLIENTS = 15;
const ATTACKERS = 20;
const SAMPLES = 100;
const LEAST_BETWEEN_MS = 1000;
/**
 * The fraction of the run, from its start, that the slope does not include. The compiled code and type feedback of V8
 * grow by about one megabyte during the first thousands of connections.
 */
const WARM = 1 / 2;
/**
 * The objects of the program are measured with every fourth sample, because the measurement blocks the server for a
 * second.
 */
const PROGRAM_EVERY = 4;
const LEAVE_WITHIN_MS = 30_000;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "3" },
    seed: { type: "string", default: `${Date.now() % 1_000_000_007}` },
    plot: { type: "string" },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error("usage: npm run soak -- --minutes N [--seed S] [--plot FILE]");
  process.exit(2);
}

const script = (name: string): string => join(import.meta.dirname, name);
const FLAGS = ["--import", "tsx"];
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A field of an object that came from another process. */
function field(json: Json | undefined, name: string): Json {
  if (json === null || typeof json !== "object" || Array.isArray(json)) return null;
  const found = Object.entries(json).find(([key]) => key === name);
  return found === undefined ? null : found[1];
}

const number = (json: Json, name: string): number => Number(field(json, name));

function texts(json: Json): string[] {
  const list = field(json, "faults");
  return Array.isArray(list) ? list.map(String) : [];
}

/** Formats counts by name in one line, the largest first. */
function counts(json: Json): string {
  if (json === null || typeof json !== "object") return "none";
  const sorted = Object.entries(json).sort(([, one], [, other]) => Number(other) - Number(one));
  return sorted.map(([name, count]) => `${name} ${count}`).join(", ") || "none";
}

const { version }: { version: string } = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
);
console.log(
  `barewire ${version}, Node ${process.version}, ${new Date().toISOString()}, ${minutes} min, seed ${seed}`,
);

const server = new Child(script("server.ts"), 0, FLAGS);
const port = await server.number("port");
const atStart = number(await server.call("sample"), "heap");
const clients = LIBRARIES.map(() => new Child(script("clients.ts"), 1, FLAGS));
const attackers = new Child(script("attackers.ts"), 1, FLAGS);
await Promise.all(
  clients.map((each, at) =>
    each.call("start", { port, library: LIBRARIES[at] ?? "", clients: CLIENTS, seed: seed + at }),
  ),
);
await attackers.call("start", { port, attackers: ATTACKERS, seed: seed + clients.length });

const begun = performance.now();
const length = minutes * 60_000;
const samples: Sample[] = [];
const programSizes: Point[] = [];
let mostWaiting = 0;
while (performance.now() - begun < length) {
  await wait(Math.max(LEAST_BETWEEN_MS, length / SAMPLES));
  const sample = await server.call("sample");
  mostWaiting = Math.max(mostWaiting, number(sample, "waiting"));
  samples.push({
    minutes: (performance.now() - begun) / 60_000,
    heap: number(sample, "heap"),
    sessions: number(sample, "sessions"),
  });
  const elapsed = (performance.now() - begun) / 60_000;
  if (elapsed > minutes * WARM && samples.length % PROGRAM_EVERY === 0) {
    programSizes.push({ minutes: elapsed, bytes: await server.number("programBytes") });
  }
}

const attacks = await attackers.call("stop");
const reports = await Promise.all(clients.map((each) => each.call("stop")));
let last = await server.call("sample");
const leaving = performance.now();
while (number(last, "sessions") > 0 && performance.now() - leaving < LEAVE_WITHIN_MS) {
  await wait(LEAST_BETWEEN_MS);
  last = await server.call("sample");
}
const report = await server.call("report");
await Promise.all([server, attackers, ...clients].map((each) => each.stop()));

const faults = [...reports, report].flatMap(texts);
const remaining = number(last, "sessions");
if (remaining > 0) faults.push(`${remaining} sessions remain`);
if (number(report, "errors") > 0) faults.push(`${number(report, "errors")} errors in the server`);

const total = (name: string): string =>
  reports.reduce<number>((sum, each) => sum + number(each, name), 0).toLocaleString("en");
console.log(
  `${CLIENTS * LIBRARIES.length} clients and ${ATTACKERS} attackers at once; connections of clients: ${total("connections")}`,
);
console.log(
  `numbered events received by clients: ${total("received")}, by the server: ${total("sent")}; lost or out of order: ${faults.length}`,
);
for (const fault of faults.slice(0, 20)) console.log(`  ${fault}`);

console.log("latency of an echo in ms: p50, p95, p99, p99.9, max (each at most 2 % too high)");
const everyone = new Latencies();
function row(name: string, latencies: Latencies): void {
  const shares = [0.5, 0.95, 0.99, 0.999, 1];
  const figures = shares.map((share) => latencies.percentile(share).toFixed(1)).join(", ");
  console.log(`  ${name}: ${figures} (${latencies.count.toLocaleString("en")} echoes)`);
}
for (const each of reports) {
  for (const [name, json] of Object.entries(Object(field(each, "latencies")))) {
    const latencies = new Latencies();
    latencies.merge(asCounts(json));
    everyone.merge(latencies.toJson());
    row(name, latencies);
  }
}
row("all", everyone);

/** Converts a value from another process to counts by bucket. */
function asCounts(json: unknown): Json {
  return Object.fromEntries(Object.entries(Object(json)).map(([name, n]) => [name, Number(n)]));
}

const from = minutes * WARM;
const warm = samples.filter((sample) => sample.minutes > from);
const trend = trendOf(warm.map((sample) => ({ minutes: sample.minutes, bytes: sample.heap })));
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
const heaps = warm.map(({ heap }) => heap);
console.log(
  `heap after a collection: ${megabytes(atStart)} before, ${megabytes(Math.min(...heaps))} to ${megabytes(Math.max(...heaps))} under load, ${megabytes(number(last, "heap"))} after the last client`,
);
const slope = (name: string, { slope: kilobytes, within }: Trend, count: number): void =>
  console.log(
    `slope of ${name}: ${kilobytes.toFixed(1)} ± ${within.toFixed(1)} kB per minute (95 %), ${count} samples from minute ${from.toFixed(2)} on`,
  );
slope("the heap", trend, warm.length);
slope(
  "the program's objects, without V8's compiled code and types",
  trendOf(programSizes),
  programSizes.length,
);
const sessions = samples.map((sample) => sample.sessions);
console.log(
  `sessions: up to ${Math.max(...sessions)}, ${remaining} at the end; bytes waiting: up to ${mostWaiting.toLocaleString("en")}`,
);
console.log(`event loop delay in ms: ${counts(field(report, "eventLoopDelay"))}`);
console.log(`attacks: ${counts(attacks)}`);
for (const name of ["refusals", "breaches", "bounds", "closes"]) {
  console.log(`${name}: ${counts(field(report, name))}`);
}
if (values.plot !== undefined) writeFileSync(values.plot, plot(samples, trend, from));
process.exitCode = faults.length === 0 ? 0 : 1;
