// The report for programs: all data of the run, with bytes in hex.

import { count, type Report } from "./report.ts";

export function renderJson(report: Report): string {
  const { results, ...rest } = report;
  const whole = {
    ...rest,
    counts: count(results),
    results: results.map(({ conversation, ...result }) => ({
      ...result,
      conversation: conversation.map(({ bytes, ...utterance }) => ({
        ...utterance,
        bytes: Buffer.from(bytes).toString("hex"),
      })),
    })),
  };
  return `${JSON.stringify(whole, undefined, 2)}\n`;
}
