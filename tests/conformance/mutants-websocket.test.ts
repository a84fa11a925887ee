// Faults of WebSocket, each caught by the right case.

import { testMutants } from "../suites/mutants.ts";
import { WEBSOCKET_MUTANTS } from "./mutants/websocket.ts";

testMutants("WebSocket", WEBSOCKET_MUTANTS);
