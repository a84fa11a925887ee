// The report in the Test Anything Protocol, in the form that node's own reporter writes.

import { hex } from "../harness/conversation.ts";
import type { Result } from "../harness/runner.ts";
import { isBreach, printable, type Report, summarize } from "./report.ts";

export function renderTap(report: Report): string {
  const { results, notes, strict, gone } = report;
  const lines = [
    "TAP version 13",
    ...results.flatMap((result, index) => renderPoint(result, index + 1, strict)),
    // A run that was broken off has no plan: who does not know the line for that misses this one.
    ...(gone === undefined ? [`1..${results.length}`] : []),
    ...[...notes, summarize(report)].map((note) => `# ${escapeTap(note)}`),
    // Last, since nothing behind it is read (TAP 13, Bail out!).
    ...(gone === undefined ? [] : [`Bail out! ${escapeTap(gone)}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function renderPoint(result: Result, number: number, strict: boolean): string[] {
  const { id, title, outcome, reason = "", severity } = result;
  const ok = outcome === "failed" ? "not ok" : "ok";
  // A test point with TODO may fail, and the run has not (TAP 13, Directives).
  const directive =
    outcome === "skipped"
      ? ` # SKIP ${escapeTap(reason)}`
      : outcome === "failed" && !isBreach(result, strict)
        ? ` # TODO ${severity}, no MUST`
        : "";
  return [
    `${ok} ${number} - ${escapeTap(`${id}: ${title}`)}${directive}`,
    "  ---",
    ...renderDetails(result),
    "  ...",
  ];
}

function renderDetails(result: Result): string[] {
  const { milliseconds, severity, clause, sentence, outcome } = result;
  const { sends, expects, expected, got } = result;
  const lines = [
    `duration_ms: ${milliseconds}`,
    `severity: ${severity}`,
    `clause: ${scalar(clause)}`,
    ...(outcome === "failed"
      ? [
          ...(sentence === undefined ? [] : [`rule: ${scalar(sentence)}`]),
          `sends: ${scalar(sends)}`,
          `expects: ${scalar(expects)}`,
          `expected: ${scalar(expected ?? "")}`,
          `actual: ${scalar(got ?? "")}`,
          "conversation:",
          ...result.conversation.map(({ at, direction, bytes, meaning }) => {
            const shown = bytes.length === 0 ? "" : ` [${hex(bytes)}]`;
            return `  - ${scalar(`${at} ms, ${direction}: ${meaning}${shown}`)}`;
          }),
        ]
      : []),
  ];
  return lines.map((line) => `  ${line}`);
}

/** In YAML, a string of JSON is one of its own. */
function scalar(text: string): string {
  return JSON.stringify(printable(text));
}

/** A "#" would begin a directive. */
function escapeTap(text: string): string {
  return printable(text).replace(/[\\#]/g, "\\$&");
}
