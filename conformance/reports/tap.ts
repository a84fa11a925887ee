// The report in the Test Anything Protocol, in the format of Node's own reporter.

import { hex } from "../harness/conversation.ts";
import type { Result } from "../harness/runner.ts";
import { isBreach, printable, type Report, summarize } from "./report.ts";

export function renderTap(report: Report): string {
  const { results, notes, strict, gone } = report;
  const lines = [
    "TAP version 13",
    ...results.flatMap((result, index) => renderPoint(result, index + 1, strict)),
    // An incomplete run has no plan, so a consumer that does not know "Bail out!" reports the missing plan.
    ...(gone === undefined ? [`1..${results.length}`] : []),
    ...[...notes, summarize(report)].map((note) => `# ${escapeTap(note)}`),
    // "Bail out!" is the last line, because consumers read nothing after it (TAP 13, Bail out!).
    ...(gone === undefined ? [] : [`Bail out! ${escapeTap(gone)}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function renderPoint(result: Result, number: number, strict: boolean): string[] {
  const { id, title, outcome, reason = "", severity } = result;
  const ok = outcome === "failed" ? "not ok" : "ok";
  // A test point with TODO may fail without failing the whole run (TAP 13, Directives).
  const directive =
    outcome === "skipped"
      ? ` # SKIP ${escapeTap(reason)}`
      : outcome === "failed" && !isBreach(result, strict)
        ? ` # TODO ${severity}, not MUST`
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

/** Formats a text as a YAML string. A JSON string is also a YAML string. */
function scalar(text: string): string {
  return JSON.stringify(printable(text));
}

/** Escapes "#", which would begin a directive. */
function escapeTap(text: string): string {
  return printable(text).replace(/[\\#]/g, "\\$&");
}
