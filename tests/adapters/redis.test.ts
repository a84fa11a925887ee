// barewire/redis: three servers over one Redis, with either client, and beside servers of socket.io with
// the adapter that its format is of.

import type { TestContext } from "node:test";

import { type AdapterUnderTest, adapterSuite } from "../suites/adapter.ts";
import type { NodeSettings } from "../support/cluster.ts";
import type { AdapterSettings } from "../support/cluster-adapters.ts";
import { noRedis, startRedis } from "../support/redis.ts";

/** Nodes with these adapters over one Redis; those of socket.io have its server. */
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
    // The third server, which does it in this case, is that of socket.io.
    "collects the acknowledgements of one node with `local`":
      "socket.io waits for the answers of all servers, with local too",
  },
  skip: noRedis,
});
