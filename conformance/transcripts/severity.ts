// How much a single line is asked for, where that is less than what the case is about: (SHOULD).

import { SEVERITIES, type Severity } from "../harness/case.ts";
import type { Scanner } from "./scanner.ts";

/** Takes "(SHOULD)" and the like; `undefined` where none stands next. */
export function scanSeverity(scanner: Scanner): Severity | undefined {
  if (!scanner.take("(")) return undefined;
  const severity = scanner.oneOf(SEVERITIES);
  scanner.need(")");
  return severity;
}
