// The data of every report.

import { LAYERS, type Layer, SEVERITIES } from "../harness/case.ts";
import type { Outcome, Result } from "../harness/runner.ts";

export interface Report {
  /** The URL of the tested server, or a description of the tested client. */
  readonly target: string;
  /** The time of the run, in ISO 8601. */
  readonly date: string;
  /** The versions: "barewire 0.1.0, Node 22.1.0, linux". */
  readonly versions: string;
  readonly milliseconds: number;
  /** Sentences about what was not tested, with the reasons. */
  readonly notes: readonly string[];
  /** A sentence with the number of cases that did not run, if the server or client disappeared during the run. */
  readonly gone: string | undefined;
  /** Whether a failed SHOULD fails the run, like a MUST. */
  readonly strict: boolean;
  readonly results: readonly Result[];
}

export const LAYER_NAMES: Readonly<Record<Layer, string>> = {
  websocket: "WebSocket",
  engineio4: "Engine.IO 4",
  engineio3: "Engine.IO 3",
  socketio: "Socket.IO 5",
};

export type Counts = Readonly<Record<Outcome, number>>;

export function count(results: readonly Result[]): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { outcome } of results) counts[outcome]++;
  return counts;
}

/** Returns the failures, most severe first. Failures of one severity are in the order of the cases. */
export function failuresOf(results: readonly Result[]): Result[] {
  return SEVERITIES.flatMap((severity) =>
    results.filter((result) => result.outcome === "failed" && result.severity === severity),
  );
}

/** Formats "1 MUST, 2 SHOULD". Returns "" if nothing has failed. */
export function bySeverity(results: readonly Result[]): string {
  const failures = failuresOf(results);
  return SEVERITIES.flatMap((severity) => {
    const { length } = failures.filter((result) => result.severity === severity);
    return length === 0 ? [] : [`${length} ${severity}`];
  }).join(", ");
}

/** Returns whether this failure fails the whole run. */
export function isBreach({ outcome, severity }: Result, strict: boolean): boolean {
  return outcome === "failed" && (severity === "MUST" || (strict && severity === "SHOULD"));
}

/** Returns whether the run has failed. The exit status and all reports depend on this function. */
export function isFailed({ gone, results, strict }: Report): boolean {
  return gone !== undefined || results.some((result) => isBreach(result, strict));
}

/** Returns "websocket.framing" for "websocket.framing.rsv-001". */
export function groupOf({ id }: Pick<Result, "id">): string {
  return id.split(".").slice(0, -1).join(".");
}

/** Groups the results by layer and group, in the order of the results. */
export function byLayer(
  results: readonly Result[],
): (readonly [Layer, ReadonlyMap<string, readonly Result[]>])[] {
  return LAYERS.flatMap((layer) => {
    const groups = new Map<string, Result[]>();
    for (const result of results) {
      if (result.layer !== layer) continue;
      const group = groupOf(result);
      const known = groups.get(group);
      if (known === undefined) groups.set(group, [result]);
      else known.push(result);
    }
    return groups.size === 0 ? [] : [[layer, groups] as const];
  });
}

/** Formats "1 case", "2 cases". */
export function plural(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Formats "840 ms", "41.2 s". */
export function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Returns a sentence with all counts. A second sentence says that the run has failed, if the counts do not show it. */
export function summarize({ results, milliseconds, gone }: Report): string {
  const { passed, failed, skipped } = count(results);
  const weights = failed === 0 ? "" : ` (${bySeverity(results)})`;
  const cases = plural(results.length, "case");
  const end = gone === undefined ? "" : " The run has failed.";
  return `${cases} in ${duration(milliseconds)}: ${passed} passed, ${failed} failed${weights}, ${skipped} skipped.${end}`;
}

/**
 * Puts a text on one line, without characters that move the cursor or change the direction of writing, because many
 * texts of a report come from the server under test.
 */
export function printable(text: string): string {
  return text.replace(
    // Control characters, lone surrogates, line and paragraph separators, and bidirectional controls.
    /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}
