// Tests the server with all earlier generations of socket.io-client, over each transport and through the upgrade.

import { damagedIn, interopSuite } from "../../suites/interop.ts";
import { GENERATIONS } from "../../support/generations.ts";

// The oldest client sends the whole ArrayBuffer of a Buffer. Small Buffers share the ArrayBuffer of the pool, so the
// pool is disabled.
Buffer.poolSize = 0;

for (const generation of GENERATIONS) {
  if (generation.promises) continue;
  for (const [name, transports, settled] of [
    ["polling", ["polling"], "polling"],
    ["websocket", ["websocket"], "websocket"],
    ["polling and the upgrade", ["polling", "websocket"], "websocket"],
  ] as const) {
    const damaged = damagedIn(generation.version, name);
    interopSuite({ name, generation, options: { transports }, settled, damaged });
  }
}
