// Faults of Socket.IO, each caught by the right case.

import { SOCKETIO_MUTANTS } from "../../conformance/mutants/socketio.ts";
import { testMutants } from "../suites/mutants.ts";

testMutants("Socket.IO", SOCKETIO_MUTANTS);
