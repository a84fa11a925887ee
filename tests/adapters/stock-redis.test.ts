// Runs the adapter suite over socket.io's unmodified adapters for Redis.

import { type AdapterUnderTest, adapterSuite } from "../suites/adapter.ts";
import type { AdapterName } from "../support/cluster-adapters.ts";
import { noRedis, startRedis } from "../support/redis.ts";

/** The adapters with their Redis clients, and the options of the suite for each. */
const ADAPTERS: readonly (readonly [AdapterName, Partial<AdapterUnderTest>])[] = [
  ["classic, redis", {}],
  ["classic, ioredis", {}],
  ["sharded, redis", { subscribesLate: true }],
  ["streams, redis", { recovers: true }],
  ["streams, ioredis", { recovers: true }],
];

for (const [name, options] of ADAPTERS) {
  const server = options.recovers ? { connectionStateRecovery: {} } : {};
  adapterSuite({
    ...options,
    name: `of socket.io for Redis: ${name}`,
    skip: noRedis,
    prepare: async (context) => {
      const { url } = await startRedis(context);
      const node = { adapter: { name, url }, server };
      return [node, node, node];
    },
  });
}
