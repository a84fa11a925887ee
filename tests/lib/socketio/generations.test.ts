// The stock clients of all generations before today's, over each transport and through the upgrade.

import { damagedIn, interopSuite } from "../../suites/interop.ts";
import { GENERATIONS } from "../../support/generations.ts";

// The oldest sends the whole memory behind a Buffer, which small ones share.
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
