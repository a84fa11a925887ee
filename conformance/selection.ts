// Selects cases by layer, id and severity.

import { type Case, type Layer, SEVERITIES, type Severity } from "./harness/case.ts";

export interface Selection {
  /** The layers. Empty: all. */
  readonly layers: readonly Layer[];
  /** Patterns of the ids to run. Empty: all. */
  readonly only: readonly string[];
  /** Patterns of the ids to skip. */
  readonly skip: readonly string[];
  /** The lowest severity to run. */
  readonly severity: Severity;
}

/** Returns whether the pattern matches the id or its group ("websocket.framing"). `*` matches any characters. */
export function matches(id: string, pattern: string): boolean {
  const source = pattern.replace(/[^*]+/g, (text) => text.replace(/\W/g, "\\$&"));
  return new RegExp(`^${source.replaceAll("*", ".*")}(?:\\.|$)`).test(id);
}

/** @throws RangeError if no case matches a pattern, which is probably a typo */
export function select<T extends Pick<Case, "id" | "severity">>(
  cases: readonly T[],
  { layers, only, skip, severity }: Selection,
): T[] {
  for (const pattern of [...only, ...skip]) {
    if (!cases.some(({ id }) => matches(id, pattern))) {
      throw new RangeError(`no case is named "${pattern}"; --list shows them all`);
    }
  }
  const least = SEVERITIES.indexOf(severity);
  return cases.filter(
    ({ id, severity: own }) =>
      (layers.length === 0 || layers.some((layer) => id.startsWith(`${layer}.`))) &&
      (only.length === 0 || only.some((pattern) => matches(id, pattern))) &&
      !skip.some((pattern) => matches(id, pattern)) &&
      SEVERITIES.indexOf(own) <= least,
  );
}
