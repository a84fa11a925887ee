// Faults of the WebSocket.

import type { Mutant } from "./mutant.ts";

export const WEBSOCKET_MUTANTS: readonly Mutant[] = [
  {
    name: "accepts-unmasked",
    fault: "It takes frames of a client that are not masked.",
    file: "protocol/websocket/receiver.ts",
    from: "if (masked !== this.#mustBeMasked) {",
    to: "if (masked && !this.#mustBeMasked) {",
    caughtBy: "websocket.framing.unmasked",
  },
];
