// Our client and our server, over each transport and through the upgrade: what stock clients do.

import { io } from "../../client/index.ts";
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

for (const way of WAYS) interopSuite(way);
