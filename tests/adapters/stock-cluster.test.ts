// Runs the adapter suite over socket.io's unmodified adapter for node:cluster. This process is the primary.

import { setupPrimary } from "@socket.io/cluster-adapter";

import { adapterSuite } from "../suites/adapter.ts";
import { startWorkers } from "../support/cluster.ts";

setupPrimary();

adapterSuite({
  name: "of socket.io for node:cluster",
  start: startWorkers,
  prepare: async () => {
    const node = { adapter: { name: "cluster" } } as const;
    return [node, node, node];
  },
});
