// Runs the adapter suite over barewire/cluster with node:cluster workers. This process is the primary.

import { setupPrimary } from "../../lib/adapters/cluster.ts";
import { adapterSuite } from "../suites/adapter.ts";
import { startWorkers } from "../support/cluster.ts";

setupPrimary();

adapterSuite({
  name: "barewire/cluster",
  start: startWorkers,
  prepare: async () => [1, 2, 3].map(() => ({ adapter: { name: "barewire/cluster" } })),
});

adapterSuite({
  name: "barewire/cluster with connection state recovery",
  start: startWorkers,
  recovers: true,
  prepare: async () =>
    [1, 2, 3].map(() => ({
      adapter: { name: "barewire/cluster" },
      server: { connectionStateRecovery: true },
    })),
});
