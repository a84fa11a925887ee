// Faults of Engine.IO, each caught by the right case.

import { ENGINEIO_MUTANTS } from "../../conformance/mutants/engineio.ts";
import { testMutants } from "../suites/mutants.ts";

testMutants("Engine.IO", ENGINEIO_MUTANTS);
