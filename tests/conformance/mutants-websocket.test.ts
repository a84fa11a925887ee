// Tests that each mutant with a fault in WebSocket fails the intended case.

import { testMutants } from "../suites/mutants.ts";
import { WEBSOCKET_MUTANTS } from "./mutants/websocket.ts";

testMutants("WebSocket", WEBSOCKET_MUTANTS);
