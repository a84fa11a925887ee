// The report in the XML of JUnit, which CI servers read.

import { hex } from "../harness/conversation.ts";
import type { Result } from "../harness/runner.ts";
import { byLayer, groupOf, isBreach, printable, type Report } from "./report.ts";

export function renderJunit(report: Report): string {
  const { target, date, results, notes, strict, milliseconds, gone } = report;
  const said = notes.map((note) => `<property name="note" value="${escapeXml(note)}"/>`).join("");
  const where = `hostname="${escapeXml(target)}" timestamp="${escapeXml(date)}"`;
  const suites = byLayer(results).map(([layer, groups]) => {
    const all = [...groups.values()].flat();
    const time = all.reduce((sum, each) => sum + each.milliseconds, 0);
    return [
      `  <testsuite name="${layer}" ${where} ${counts(all, strict)} time="${seconds(time)}">`,
      ...(said === "" ? [] : [`    <properties>${said}</properties>`]),
      ...all.flatMap((result) => renderCase(result, strict)),
      "  </testsuite>",
    ].join("\n");
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="barewire conform" ${counts(results, strict, gone)} time="${seconds(milliseconds)}">`,
    ...suites,
    ...(gone === undefined ? [] : renderGone(gone, where)),
    "</testsuites>",
    "",
  ].join("\n");
}

/**
 * Renders a separate suite that fails, because the table of a CI server has no other way to show that the run failed.
 */
function renderGone(gone: string, where: string): string[] {
  return [
    `  <testsuite name="run" ${where} ${counts([], false, gone)} time="0.000">`,
    '    <testcase classname="run" name="runs all cases" time="0.000">',
    `      <error type="gone" message="${escapeXml(gone)}"/>`,
    "    </testcase>",
    "  </testsuite>",
  ];
}

function counts(results: readonly Result[], strict: boolean, gone?: string): string {
  const failures = results.filter((result) => isBreach(result, strict)).length;
  const passed = results.filter(({ outcome }) => outcome === "passed").length;
  const skipped = results.length - passed - failures;
  const errors = gone === undefined ? 0 : 1;
  return `tests="${results.length + errors}" failures="${failures}" errors="${errors}" skipped="${skipped}"`;
}

function renderCase(result: Result, strict: boolean): string[] {
  const { id, title, outcome, severity, reason = "", milliseconds } = result;
  const name = escapeXml(`${id.slice(groupOf(result).length + 1)}: ${title}`);
  const head = `    <testcase classname="${escapeXml(groupOf(result))}" name="${name}" time="${seconds(milliseconds)}"`;
  if (outcome === "passed") return [`${head}/>`];
  const story = `<system-out>${escapeXml(tell(result))}</system-out>`;
  const message = escapeXml(`expected ${result.expected}, got ${result.got}`);
  const inner =
    outcome === "skipped"
      ? [`<skipped message="${escapeXml(reason)}"/>`]
      : isBreach(result, strict)
        ? [`<failure type="${severity}" message="${message}">${escapeXml(tell(result))}</failure>`]
        : // A failure that does not fail the run must not make the table of a CI server red.
          [`<skipped message="${severity} not met: ${message}"/>`, story];
  return [`${head}>`, ...inner.map((line) => `      ${line}`), "    </testcase>"];
}

function tell({
  clause,
  sentence,
  sends,
  expects,
  expected = "",
  got = "",
  conversation,
}: Result): string {
  return [
    `clause: ${clause}`,
    ...(sentence === undefined ? [] : [`rule: ${sentence}`]),
    `sends: ${sends}`,
    `expects: ${expects}`,
    `expected: ${expected}`,
    `got: ${got}`,
    ...conversation.map(({ at, direction, bytes, meaning }) => {
      const shown = bytes.length === 0 ? "" : ` [${hex(bytes)}]`;
      return `${at} ms, ${direction}: ${meaning}${shown}`;
    }),
  ]
    .map(printable)
    .join("\n");
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}

/**
 * Escapes text and attributes, except line ends. Control characters become `\u…`, because XML allows only a few control
 * characters.
 */
function escapeXml(text: string): string {
  return text
    .split("\n")
    .map(printable)
    .join("\n")
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
