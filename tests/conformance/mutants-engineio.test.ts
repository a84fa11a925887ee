// Tests that each mutant with a fault in Engine.IO fails the intended case.

import { testMutants } from "../suites/mutants.ts";
import { ENGINEIO_MUTANTS } from "./mutants/engineio.ts";

testMutants("Engine.IO", ENGINEIO_MUTANTS);
