// Faults of WebSocket, each caught by the right case.

import { WEBSOCKET_MUTANTS } from "../../conformance/mutants/websocket.ts";
import { testMutants } from "../suites/mutants.ts";

testMutants("WebSocket", WEBSOCKET_MUTANTS);
