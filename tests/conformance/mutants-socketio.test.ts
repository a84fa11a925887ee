// Tests that each mutant, a barewire server with one fault in Socket.IO, fails the intended case of
// the conformance kit.

import { testMutants } from "../suites/mutants.ts";
import { SOCKETIO_MUTANTS } from "./mutants/socketio.ts";

testMutants("Socket.IO", SOCKETIO_MUTANTS);
