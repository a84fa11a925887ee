// A node of barewire with barewire's own Redis adapter.

import { createServer } from "node:http";

import { createClient } from "redis";

import { createRedisAdapter, type RedisAdapter } from "../../lib/adapters/redis.ts";
import { Server } from "../../server.ts";
import { SETTINGS } from "./events.ts";
import { nodeOptions, serveNode } from "./redis-node.ts";

const { url, adapter: options } = nodeOptions();
const factory = createRedisAdapter(createClient({ url }), options);
let adapter: RedisAdapter | undefined;
const http = createServer();
const io = new Server(http, {
  ...SETTINGS,
  adapter: (nsp) => {
    adapter = factory(nsp);
    return adapter;
  },
});
await factory.ready;
serveNode(io, http, {
  nodes: () => {
    const { nodes = [], subscribedToAll } = adapter?.stats() ?? {};
    if (subscribedToAll)
      throw new Error("the adapter has mistaken a node of barewire for a node of socket.io");
    return nodes.length + 1;
  },
  published: () => adapter?.stats().published ?? 0,
});
