// A node of the installed version of socket.io, with its Redis adapter.

import { createServer } from "node:http";
import { createRequire } from "node:module";

import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";

import type { Server } from "../../server.ts";
import { SETTINGS } from "./events.ts";
import { nodeOptions, serveNode } from "./redis-node.ts";

// This file gives socket.io's Server the type of barewire's Server, and uses only members that both
// servers have.
const { Server: Stock }: { Server: typeof Server } = createRequire(import.meta.url)("socket.io");

const publisher = createClient({ url: nodeOptions().url });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);
const http = createServer();
const io = new Stock(http, { ...SETTINGS, adapter: createAdapter(publisher, subscriber) });
serveNode(io, http, {
  // serverCount() counts the nodes that have subscribed to requests. Each node subscribes to
  // broadcasts before it subscribes to requests, so every counted node receives both.
  nodes: () => io.of("/").adapter.serverCount(),
  published: () => Number.NaN,
});
