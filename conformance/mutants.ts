// All servers with one fault, which the kit must catch.

import type { Mutant } from "./mutants/mutant.ts";
import { SOCKETIO_MUTANTS } from "./mutants/socketio.ts";
import { WEBSOCKET_MUTANTS } from "./mutants/websocket.ts";

export const MUTANTS: readonly Mutant[] = [...WEBSOCKET_MUTANTS, ...SOCKETIO_MUTANTS];
