// Fuzzes every layer with random inputs that have the structure of real ones.
//
//   npm run fuzz -- --minutes 3                       every layer, with an equal share of the time for each
//   npm run fuzz -- --minutes 3 --seed 1234           the same inputs again
//   npm run fuzz -- --minutes 1 --layer frames        one layer, by the beginning of its name
//
// A failure prints the smallest input that fast-check found, and the seed of its batch, with which the layer fails at
// once. CONTRIBUTING.md explains how to turn the input into a vector. Exits with 1 if an input failed.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect, parseArgs } from "node:util";

import { held } from "../support/memory.ts";
import { conversations } from "./conversation.ts";
import { binaryPayloads, payloads } from "./engineio.ts";
import { hostileServers } from "./hostile-server.ts";
import { requests } from "./http.ts";
import { escaped, type Layer } from "./layer.ts";
import { messagePack, packets } from "./socketio.ts";
import { handshake, websocket } from "./websocket.ts";

const LAYERS: readonly Layer[] = [
  websocket,
  handshake,
  payloads,
  binaryPayloads,
  packets,
  messagePack,
  requests,
  conversations,
  hostileServers,
];

/**
 * The number of bytes by which the heap may grow in the last two thirds of a layer's time. If each input leaked memory,
 * the growth would exceed this limit.
 */
const MAX_GROWTH = 6_000_000;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "3" },
    seed: { type: "string", default: `${Date.now() % 1_000_000_007}` },
    layer: { type: "string", default: "" },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const chosen = LAYERS.filter(({ name }) => name.startsWith(values.layer));
if (!(minutes > 0) || !Number.isSafeInteger(seed) || chosen.length === 0) {
  const names = LAYERS.map(({ name }) => `"${name}"`).join(", ");
  console.error(`usage: npm run fuzz -- --minutes N [--seed S] [--layer NAME]\nlayers: ${names}`);
  process.exit(2);
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

/** Fuzzes one layer for this many milliseconds. Returns whether every input passed. */
async function fuzz({ name, start }: Layer, ms: number): Promise<boolean> {
  const fuzzing = await start();
  const begun = performance.now();
  const left = (): number => begun + ms - performance.now();
  let batch = seed;
  let failure: string | undefined;
  let before: { readonly heap: number; readonly timers: number } | undefined;
  do {
    failure = await fuzzing.attempt(batch, fuzzing.batch);
    try {
      escaped.check();
    } catch (error) {
      failure ??= inspect(error);
    }
    if (failure !== undefined) break;
    batch++;
    // By now, all modules are loaded and compiled. The size of the heap can be compared with its size at the end.
    if (before === undefined && left() < (ms * 2) / 3) {
      failure = await remains(fuzzing.settle, undefined);
      if (failure !== undefined) break;
      before = { heap: held(), timers: timers() };
    }
  } while (left() > 0);
  if (failure === undefined) failure = await remains(fuzzing.settle, before);
  const grown = before === undefined ? 0 : held() - before.heap;
  await fuzzing.stop();
  const seconds = Math.round((performance.now() - begun) / 1000);
  if (failure !== undefined) {
    console.log(`${name}: FAILED after ${fuzzing.tried()} inputs\n${failure}`);
    console.log(`again: npm run fuzz -- --layer "${name}" --seed ${batch}`);
    return false;
  }
  const counts = `${fuzzing.tried().toLocaleString("en")} inputs in ${seconds} s`;
  console.log(`${name}: ${counts}, ${(grown / 1000).toFixed(0)} kB more held`);
  console.log(`  ${fuzzing.reached()}`);
  return true;
}

/** Returns `undefined`, or a message if the layer has not released its sockets, timers or memory. */
async function remains(
  settle: () => Promise<void>,
  before: { readonly heap: number; readonly timers: number } | undefined,
): Promise<string | undefined> {
  try {
    await settle();
    escaped.check();
  } catch (error) {
    return inspect(error);
  }
  if (before === undefined) return undefined;
  const grown = held() - before.heap;
  if (grown > MAX_GROWTH) return `the heap has grown by ${grown} bytes`;
  if (timers() > before.timers)
    return `${timers()} timers are running, and ${before.timers} were running before`;
  return undefined;
}

const { version }: { version: string } = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../package.json"), "utf8"),
);
console.log(
  `barewire ${version}, Node ${process.version}, ${new Date().toISOString()}, ${minutes} min, seed ${seed}`,
);
let passed = true;
for (const layer of chosen) {
  passed = (await fuzz(layer, (minutes * 60_000) / chosen.length)) && passed;
}
// Sockets that a failed layer has left open would keep the process alive.
process.exit(passed ? 0 : 1);
