// Runs the adapter suite over barewire/redis with streams: three servers on one Redis, with either Redis client, with
// and without recovery, and together with socket.io servers that use @socket.io/redis-streams-adapter.

import type { TestContext } from "node:test";

import { type AdapterUnderTest, adapterSuite } from "../suites/adapter.ts";
import type { NodeSettings } from "../support/cluster.ts";
import type { AdapterName } from "../support/cluster-adapters.ts";
import { noRedis, startRedis } from "../support/redis.ts";

type Node = Pick<NodeSettings, "library"> & { readonly name: AdapterName };

/** Prepares nodes with these adapters on one Redis. */
function over(recovers: boolean, ...nodes: readonly Node[]): AdapterUnderTest["prepare"] {
  return async (context: TestContext) => {
    const { url } = await startRedis(context);
    const server = recovers ? { connectionStateRecovery: {} } : {};
    return nodes.map(({ name, ...library }) => ({ ...library, adapter: { name, url }, server }));
  };
}

const redis: Node = { name: "barewire streams, redis" };
const ioredis: Node = { name: "barewire streams, ioredis" };
const stock: Node = { name: "streams, redis", library: "socket.io" };

adapterSuite({
  name: "barewire/redis over streams, redis",
  prepare: over(true, redis, redis, redis),
  recovers: true,
  skip: noRedis,
});
adapterSuite({
  name: "barewire/redis over streams, ioredis",
  prepare: over(true, ioredis, ioredis, ioredis),
  recovers: true,
  skip: noRedis,
});
adapterSuite({
  name: "barewire/redis over streams, without recovery",
  prepare: over(false, redis, ioredis, redis),
  skip: noRedis,
});
// In the suite, a client of the first server recovers on the second. The order of the nodes decides which of the two
// runs socket.io.
adapterSuite({
  name: "barewire/redis over streams, with clients that move from socket.io to barewire",
  prepare: over(true, stock, redis, ioredis),
  recovers: true,
  excluded: {
    // This case calls allSockets() on the first server, which runs socket.io here.
    "returns the ids of all sockets": "socket.io's adapters return the ids of only one server",
  },
  skip: noRedis,
});
adapterSuite({
  name: "barewire/redis over streams, with clients that move from barewire to socket.io",
  prepare: over(true, ioredis, stock, redis),
  recovers: true,
  skip: noRedis,
});
