import assert from "node:assert/strict";
import { test } from "node:test";

import { estimateMemory } from "../../../lib/socketio/memory-estimate.ts";

class Shared {
  readonly text = "x".repeat(1_000_000);
}

const cycle: { self?: unknown } = {};
cycle.self = cycle;
const throwing = Object.defineProperty({}, "name", {
  enumerable: true,
  get: () => {
    throw new Error("no name");
  },
});

// biome-ignore format: table
const SIZES: readonly [what: string, value: unknown, least: number, most: number][] = [
  ["undefined", undefined, 0, 50],
  ["a number", 5, 0, 50],
  ["a symbol", Symbol("x".repeat(1000)), 0, 50],
  ["a string", "x".repeat(1000), 1000, 2100],
  ["a string in an object", { text: "x".repeat(1000) }, 1000, 2100],
  ["a property name", { ["x".repeat(1000)]: 1 }, 1000, 2100],
  ["a string in arrays, maps and sets", [new Map([[new Set(["x".repeat(1000)]), 1]])], 1000, 2300],
  ["binary data", { bytes: Buffer.alloc(1000) }, 1000, 1100],
  ["a value that occurs twice", [cycle, cycle], 0, 200],
  ["an object without a prototype", Object.assign(Object.create(null), { text: "x".repeat(1000) }), 1000, 2100],
  ["a class instance", { shared: new Shared() }, 0, 100],
  ["an object whose getter throws", throwing, 0, 100],
  ["a revoked proxy", revoked(), 0, 100],
  ["many values", Array.from({ length: 100_000 }, () => "x".repeat(10)), 1_000_000, 4_000_000],
  ["many values in many arrays", Array.from({ length: 5_000 }, () => new Array(5_000).fill(1)), 150_000, 500_000_000],
];

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

for (const [what, value, least, most] of SIZES) {
  test(`estimates the size of ${what}`, () => {
    const size = estimateMemory(value);
    assert.ok(size >= least && size <= most, `${size}`);
  });
}
