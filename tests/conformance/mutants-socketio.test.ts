// Tests that each mutant with a fault in Socket.IO fails the intended case.

import { testMutants } from "../suites/mutants.ts";
import { SOCKETIO_MUTANTS } from "./mutants/socketio.ts";

testMutants("Socket.IO", SOCKETIO_MUTANTS);
