// Formats the results as a Markdown table.

import type { Contender } from "./cases.ts";
import type { Single } from "./singles.ts";

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly figures: ReadonlyMap<Contender, readonly number[]>;
  readonly goal: { readonly peer: string; readonly ratio: number; readonly is: number } | undefined;
}

export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const above = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? above : ((sorted[middle - 1] ?? Number.NaN) + above) / 2;
}

/**
 * Formats the median, and half the distance between the smallest and the largest figure as a
 * percentage of the median.
 */
export function spread(figures: readonly number[]): string {
  const middle = median(figures);
  const digits = middle < 10 ? 2 : middle < 100 ? 1 : 0;
  const distance = (Math.max(...figures) - Math.min(...figures)) / 2 / middle;
  return `${middle.toFixed(digits)} ±${Math.round(distance * 100)} %`;
}

const cell = (figures: readonly number[] | undefined): string =>
  figures === undefined ? "" : spread(figures);

function verdict(is: number, limit: number): string {
  return `${is.toFixed(2)} (≤ ${limit}) ${is <= limit ? "✓" : "✗"}`;
}

/** Formats one case as a row of the table. */
export function line({ title, unit, figures, goal }: Row): string {
  const cells = [
    figures.get("barewire") ?? figures.get("websocket"),
    figures.get("socketio"),
    figures.get("ws"),
    figures.get("rawnet") ?? figures.get("rawhttp"),
  ];
  const ratio = goal === undefined ? "" : `${verdict(goal.is, goal.ratio)} of ${goal.peer}`;
  return `| ${title} | ${unit} | ${cells.map(cell).join(" | ")} | ${ratio} |`;
}

export function table(
  rows: readonly Row[],
  singles: readonly Single[],
  codecs: readonly Single[],
): string {
  const lines = [
    "| work | unit | ours | socket.io | ws | rawnet | ratio (goal) |",
    "|---|---|---:|---:|---:|---:|---|",
  ];
  lines.push(...rows.map(line));
  if (singles.length > 0) {
    lines.push("", "| work | measured | is (goal) |", "|---|---|---|");
    for (const { title, measured, is, limit } of singles) {
      lines.push(`| ${title} | ${measured} | ${verdict(is, limit)} |`);
    }
  }
  if (codecs.length > 0) {
    lines.push("", "| codec | measured | ours / oracles (goal) |", "|---|---|---|");
    for (const { title, measured, is, limit } of codecs) {
      lines.push(`| ${title} | ${measured} | ${verdict(is, limit)} |`);
    }
  }
  return lines.join("\n");
}
