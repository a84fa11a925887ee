// Tests that each mutant, a barewire server with one fault in Engine.IO, fails the intended case of
// the conformance kit.

import { testMutants } from "../suites/mutants.ts";
import { ENGINEIO_MUTANTS } from "./mutants/engineio.ts";

testMutants("Engine.IO", ENGINEIO_MUTANTS);
