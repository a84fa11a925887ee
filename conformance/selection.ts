// Which of the cases are meant, by layer, name and severity.

import { type Case, type Layer, SEVERITIES, type Severity } from "./harness/case.ts";

export interface Selection {
  /** None: all. */
  readonly layers: readonly Layer[];
  /** Patterns; none: all. */
  readonly only: readonly string[];
  /** Patterns. */
  readonly skip: readonly string[];
  /** At least that much. */
  readonly severity: Severity;
}

/** An id, a group of them ("websocket.framing"), or either with `*` for any characters. */
export function matches(id: string, pattern: string): boolean {
  const source = pattern.replace(/[^*]+/g, (text) => text.replace(/\W/g, "\\$&"));
  return new RegExp(`^${source.replaceAll("*", ".*")}(?:\\.|$)`).test(id);
}

/** @throws RangeError for a pattern that no case matches, which is a mistake in writing */
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
