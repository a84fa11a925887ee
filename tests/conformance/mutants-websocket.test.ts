// Tests that each mutant, a barewire server with one fault in WebSocket, fails the intended case of
// the conformance kit.

import { testMutants } from "../suites/mutants.ts";
import { WEBSOCKET_MUTANTS } from "./mutants/websocket.ts";

testMutants("WebSocket", WEBSOCKET_MUTANTS);
