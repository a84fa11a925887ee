// The adapter suite over the adapters of this package that need no other program: rooms in memory.

import { adapterSuite } from "../suites/adapter.ts";

adapterSuite({ name: "memory", prepare: async () => [{ adapter: { name: "memory" } }] });

adapterSuite({
  name: "memory with connection state recovery",
  recovers: true,
  prepare: async () => [{ adapter: { name: "memory" }, server: { connectionStateRecovery: true } }],
});
