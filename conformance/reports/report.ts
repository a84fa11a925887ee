// What every report is made of.

import { LAYERS, type Layer, SEVERITIES } from "../harness/case.ts";
import type { Outcome, Result } from "../harness/runner.ts";

export interface Report {
  /** What was tested: its URL. */
  readonly target: string;
  /** When, as ISO 8601 has it. */
  readonly date: string;
  /** With what: "barewire 0.1.0, Node 22.1.0, linux". */
  readonly versions: string;
  readonly milliseconds: number;
  /** Sentences about what was not tested, and why. */
  readonly notes: readonly string[];
  /** Where what was tested went away before the end: a sentence that says so, and how much was not run. */
  readonly gone: string | undefined;
  /** SHOULD counts like MUST. */
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

/** The failures, those that weigh most first, and else in the order of the cases. */
export function failuresOf(results: readonly Result[]): Result[] {
  return SEVERITIES.flatMap((severity) =>
    results.filter((result) => result.outcome === "failed" && result.severity === severity),
  );
}

/** "1 MUST, 2 SHOULD"; "" where nothing has failed. */
export function bySeverity(results: readonly Result[]): string {
  const failures = failuresOf(results);
  return SEVERITIES.flatMap((severity) => {
    const { length } = failures.filter((result) => result.severity === severity);
    return length === 0 ? [] : [`${length} ${severity}`];
  }).join(", ");
}

/** Is it a failure for which the whole run has failed? */
export function isBreach({ outcome, severity }: Result, strict: boolean): boolean {
  return outcome === "failed" && (severity === "MUST" || (strict && severity === "SHOULD"));
}

/** Has the whole run failed? The exit status says so, and each report says the same. */
export function isFailed({ gone, results, strict }: Report): boolean {
  return gone !== undefined || results.some((result) => isBreach(result, strict));
}

/** "websocket.framing" of "websocket.framing.rsv-001" */
export function groupOf({ id }: Pick<Result, "id">): string {
  return id.split(".").slice(0, -1).join(".");
}

/** The results of each layer that has any, by group, in the order in which they came. */
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

/** "1 case", "2 cases" */
export function plural(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** "840 ms", "41.2 s" */
export function duration(milliseconds: number): string {
  return milliseconds < 1000 ? `${milliseconds} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** One sentence with all the numbers, and one more where they do not show that the run has failed. */
export function summarize({ results, milliseconds, gone }: Report): string {
  const { passed, failed, skipped } = count(results);
  const weights = failed === 0 ? "" : ` (${bySeverity(results)})`;
  const cases = plural(results.length, "case");
  const end = gone === undefined ? "" : " The run has failed.";
  return `${cases} in ${duration(milliseconds)}: ${passed} passed, ${failed} failed${weights}, ${skipped} skipped.${end}`;
}

/**
 * On one line and without what moves a cursor or turns the direction of writing: much of a report was
 * said by the server under test.
 */
export function printable(text: string): string {
  return text.replace(
    // Control characters, lone surrogates, the ends of lines and paragraphs, and bidirectional controls.
    /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}
