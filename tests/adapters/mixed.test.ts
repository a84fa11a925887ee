// Runs the adapter suite over one cluster of two barewire servers and a socket.io server on one Redis.

import { adapterSuite } from "../suites/adapter.ts";
import { noRedis, startRedis } from "../support/redis.ts";

for (const name of ["classic, redis", "streams, redis"] as const) {
  const recovers = name.startsWith("streams");
  adapterSuite({
    name: `of socket.io for Redis: ${name}, beside a socket.io server`,
    recovers,
    skip: noRedis,
    prepare: async (context) => {
      const { url } = await startRedis(context);
      const server = recovers ? { connectionStateRecovery: {} } : {};
      const ours = { adapter: { name, url }, server };
      return [ours, { ...ours, library: "socket.io" }, ours];
    },
  });
}
