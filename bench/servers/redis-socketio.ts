// A node of socket.io of the installed version, with its adapter for Redis.

import { createServer } from "node:http";
import { createRequire } from "node:module";

import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";

import type { Server } from "../../server.ts";
import { SETTINGS } from "./events.ts";
import { nodeOptions, serveNode } from "./redis-node.ts";

// Its own types are others, and the members that are used here are the same.
const { Server: Stock }: { Server: typeof Server } = createRequire(import.meta.url)("socket.io");

const publisher = createClient({ url: nodeOptions().url });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);
const http = createServer();
const io = new Stock(http, { ...SETTINGS, adapter: createAdapter(publisher, subscriber) });
serveNode(io, http, {
  // It subscribes to broadcasts first and to requests then, so who is counted here receives both.
  nodes: () => io.of("/").adapter.serverCount(),
  published: () => Number.NaN,
});
