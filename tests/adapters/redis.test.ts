// Runs the adapter suite over barewire/redis: three servers on one Redis, with either Redis client, and together with
// socket.io servers that use @socket.io/redis-adapter.

import type { TestContext } from "node:test";

import { type AdapterUnderTest, adapterSuite } from "../suites/adapter.ts";
import type { NodeSettings } from "../support/cluster.ts";
import type { AdapterSettings } from "../support/cluster-adapters.ts";
import { noRedis, startRedis } from "../support/redis.ts";

/** Prepares nodes with these adapters on one Redis. Each node runs the server of its `library`. */
function over(
  ...nodes: readonly (Omit<AdapterSettings, "url"> & Pick<NodeSettings, "library">)[]
): AdapterUnderTest["prepare"] {
  return async (context: TestContext) => {
    const { url } = await startRedis(context);
    return nodes.map(({ library, ...adapter }) => ({
      adapter: { ...adapter, url },
      ...(library === undefined ? {} : { library }),
    }));
  };
}

const redis = { name: "barewire, redis" } as const;
const ioredis = { name: "barewire, ioredis" } as const;
const stock = { name: "classic, redis", library: "socket.io" } as const;

adapterSuite({ name: "barewire/redis, redis", prepare: over(redis, redis, redis), skip: noRedis });
adapterSuite({
  name: "barewire/redis, ioredis",
  prepare: over(ioredis, ioredis, ioredis),
  skip: noRedis,
});
adapterSuite({
  name: "barewire/redis with socket.io",
  prepare: over(redis, ioredis, stock),
  excluded: {
    // In this case the third server emits, which runs socket.io here.
    "collects the acknowledgements of one node with `local`":
      "socket.io waits for the responses of all servers, even with `local`",
  },
  skip: noRedis,
});
