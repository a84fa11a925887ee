// Faults of Socket.IO, each caught by the right case.

import { testMutants } from "../suites/mutants.ts";
import { SOCKETIO_MUTANTS } from "./mutants/socketio.ts";

testMutants("Socket.IO", SOCKETIO_MUTANTS);
