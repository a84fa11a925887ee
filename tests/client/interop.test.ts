// Runs the interoperability suite with the barewire client, against the barewire server and socket.io's server, over
// each transport and through the upgrade.

import { createRequire } from "node:module";

import { io } from "../../client/index.ts";
import type { Server } from "../../server.ts";
import { interopSuite, type Way } from "../suites/interop.ts";
import type { Generation } from "../support/generations.ts";

const generation: Generation = {
  version: "of barewire",
  revision: 4,
  refused: "connect_error",
  namespaceQueries: false,
  promises: true,
  connect: (url, options) => io(url, { ...options }),
  bytes: (given) => given,
};

const WAYS: readonly Way[] = [
  { name: "polling", generation, options: { transports: ["polling"] }, settled: "polling" },
  { name: "websocket", generation, options: { transports: ["websocket"] }, settled: "websocket" },
  { name: "polling and the upgrade", generation, options: {}, settled: "websocket" },
];

// socket.io's Server declares types of its own, but has the members that the suite uses.
const { Server: library }: { Server: typeof Server } = createRequire(import.meta.url)("socket.io");

for (const way of WAYS) {
  interopSuite(way);
  interopSuite({ ...way, name: `${way.name}, with the stock server`, library });
}
