// Runs the adapter suite over the in-memory adapters, with and without connection state recovery.

import { adapterSuite } from "../suites/adapter.ts";

adapterSuite({ name: "memory", prepare: async () => [{ adapter: { name: "memory" } }] });

adapterSuite({
  name: "memory with connection state recovery",
  recovers: true,
  prepare: async () => [{ adapter: { name: "memory" }, server: { connectionStateRecovery: true } }],
});
