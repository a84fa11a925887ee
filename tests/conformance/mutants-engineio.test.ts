// Faults of Engine.IO, each caught by the right case.

import { testMutants } from "../suites/mutants.ts";
import { ENGINEIO_MUTANTS } from "./mutants/engineio.ts";

testMutants("Engine.IO", ENGINEIO_MUTANTS);
