// The report for a terminal.

import { hex, type Utterance } from "../harness/conversation.ts";
import type { Result } from "../harness/runner.ts";
import {
  byLayer,
  bySeverity,
  count,
  failuresOf,
  isBreach,
  isFailed,
  LAYER_NAMES,
  printable,
  type Report,
  summarize,
} from "./report.ts";

const ARROWS: Readonly<Record<Utterance["direction"], string>> = {
  sent: "→",
  received: "←",
  note: "·",
};

/** Largest number of bytes that are shown of each entry, and largest number of lines of each case. */
const BYTES = 32;
const LINES = 40;
/** Largest number of characters of one explanation. */
const MEANING = 400;
/**
 * The largest number of failures that are shown with their conversations. The other failures are shown with the title, the
 * expectation and the result only.
 */
const WHOLE = 25;

/** SGR parameters (ECMA-48 §8.3.117): the code that turns each style on, and the code that turns it off. */
const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
} as const;

type Paint = (style: keyof typeof STYLES, text: string) => string;

function colour(style: keyof typeof STYLES, text: string): string {
  const [on, off] = STYLES[style];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}

export function renderText(report: Report, colours = false): string {
  const paint: Paint = colours ? colour : (_style, text) => text;
  const { results, notes, gone } = report;
  const lines = [
    ...failuresOf(results).flatMap((result, index) => renderFailure(result, index < WHOLE, paint)),
    ...renderSkipped(results, paint),
    ...renderCounts(report, paint),
    "",
    ...notes.map((note) => paint("yellow", printable(note))),
    ...(gone === undefined ? [] : [paint("red", printable(gone))]),
    paint(isFailed(report) ? "red" : "green", summarize(report)),
  ];
  return `${lines.join("\n")}\n`;
}

function renderFailure(result: Result, whole: boolean, paint: Paint): string[] {
  const { id, severity, clause, sentence, title, sends, expects, expected = "", got = "" } = result;
  const field = (name: string, value: string): string =>
    `  ${paint("dim", name.padEnd(9))} ${value}`;
  const conversation = whole ? result.conversation : [];
  const rest = conversation.length - LINES;
  return [
    `${paint(severity === "MUST" ? "red" : "yellow", `✗ ${id}`)}  ${severity}  ${paint("dim", clause)}`,
    `  ${printable(title)}`,
    ...(whole
      ? [
          ...(sentence === undefined ? [] : [field("rule", printable(sentence))]),
          field("sends", printable(sends)),
          field("expects", printable(expects)),
        ]
      : []),
    field("expected", printable(expected)),
    field("got", paint("bold", printable(got))),
    ...conversation.slice(0, LINES).map((each) => renderUtterance(each, paint)),
    ...(rest > 0
      ? [paint("dim", `  … and ${rest} more; the reports of --html and --json have all recorded entries`)]
      : []),
    "",
  ];
}

function renderUtterance(utterance: Utterance, paint: Paint): string {
  const { at, direction, bytes, length, meaning } = utterance;
  const time = paint("dim", `${at} ms`.padStart(10));
  const said = printable(meaning.length > MEANING ? `${meaning.slice(0, MEANING)}…` : meaning);
  const head = `${time} ${ARROWS[direction]} `;
  if (direction === "note") return head + said;
  const more = length > Math.min(bytes.length, BYTES) ? ` (${length} bytes)` : "";
  const shown = hex(bytes, BYTES);
  return shown === ""
    ? head + said
    : `${head}${said}\n${" ".repeat(13)}${paint("dim", shown + more)}`;
}

/** Returns one line for each reason, with the ids of the cases that were skipped for this reason. */
function renderSkipped(results: readonly Result[], paint: Paint): string[] {
  const reasons = new Map<string, string[]>();
  for (const { outcome, reason = "", id } of results) {
    if (outcome === "skipped") reasons.set(reason, [...(reasons.get(reason) ?? []), id]);
  }
  if (reasons.size === 0) return [];
  const lines = [...reasons].map(([reason, ids]) => {
    const named = ids.length > 3 ? `${ids.slice(0, 3).join(", ")} and ${ids.length - 3} more` : ids;
    return `  ${printable(reason)}: ${paint("dim", `${named}`)}`;
  });
  return ["Skipped:", ...lines, ""];
}

function renderCounts({ results, strict }: Report, paint: Paint): string[] {
  const cell = (value: string | number): string => `${value}`.padStart(9);
  const head = `${"".padEnd(14)}${["passed", "failed", "skipped"].map(cell).join("")}`;
  const rows = byLayer(results).map(([layer, groups]) => {
    const own = [...groups.values()].flat();
    const { passed, failed, skipped } = count(own);
    const breaches = own.some((result) => isBreach(result, strict));
    const shown = failed === 0 ? cell(failed) : paint(breaches ? "red" : "yellow", cell(failed));
    return `${LAYER_NAMES[layer].padEnd(14)}${cell(passed)}${shown}${cell(skipped)}  ${bySeverity(own)}`.trimEnd();
  });
  return [paint("dim", head), ...rows];
}
