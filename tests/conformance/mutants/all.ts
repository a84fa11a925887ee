// All mutants: barewire servers with one fault each, which the conformance kit must detect.

import { ENGINEIO_MUTANTS } from "./engineio.ts";
import type { Mutant } from "./mutant.ts";
import { SOCKETIO_MUTANTS } from "./socketio.ts";
import { WEBSOCKET_MUTANTS } from "./websocket.ts";

export const MUTANTS: readonly Mutant[] = [
  ...WEBSOCKET_MUTANTS,
  ...ENGINEIO_MUTANTS,
  ...SOCKETIO_MUTANTS,
];
