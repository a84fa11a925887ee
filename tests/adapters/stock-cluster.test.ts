// The adapter suite over socket.io's adapter for node:cluster, as it is. This process is the primary.

import { setupPrimary } from "@socket.io/cluster-adapter";

import { adapterSuite } from "../suites/adapter.ts";
import { startWorkers } from "../support/cluster.ts";

setupPrimary();

adapterSuite({
  name: "stock, for node:cluster",
  start: startWorkers,
  prepare: async () => {
    const node = { adapter: { name: "cluster" } } as const;
    return [node, node, node];
  },
});
