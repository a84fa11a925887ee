// Parses the severity of a single line, such as (SHOULD), if the severity is lower than that of the case.

import { SEVERITIES, type Severity } from "../harness/case.ts";
import type { Scanner } from "./scanner.ts";

/** Consumes "(SHOULD)" or "(INFO)". Returns `undefined` if neither is next. */
export function scanSeverity(scanner: Scanner): Severity | undefined {
  if (!scanner.take("(")) return undefined;
  const severity = scanner.oneOf(SEVERITIES);
  scanner.need(")");
  return severity;
}
