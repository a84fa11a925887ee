// Draws the heap over time as an SVG: each sample, and the regression line.

import { round, STYLE, stepFor } from "../../bench/plot.ts";

export interface Sample {
  readonly minutes: number;
  /** The size of the heap after a garbage collection, in bytes. */
  readonly heap: number;
  readonly sessions: number;
}

/** A number of bytes, and the minute of the run in which it was measured. */
export interface Point {
  readonly minutes: number;
  readonly bytes: number;
}

/** A straight line through points by least squares, in kB and minutes. */
export interface Trend {
  /** The slope of the line, in kB per minute. */
  readonly slope: number;
  /** Half the width of the 95 % confidence interval of the slope, in kB per minute. */
  readonly within: number;
  /** The value of the line at minute 0, in kB. */
  readonly start: number;
}

export function trendOf(measured: readonly Point[]): Trend {
  const count = measured.length;
  const points = measured.map(({ minutes, bytes }) => ({ x: minutes, y: bytes / 1000 }));
  const sum = (of: (point: { x: number; y: number }) => number): number =>
    points.reduce((total, point) => total + of(point), 0);
  const [meanX, meanY] = [sum(({ x }) => x) / count, sum(({ y }) => y) / count];
  const spread = sum(({ x }) => (x - meanX) ** 2);
  const slope = sum(({ x, y }) => (x - meanX) * (y - meanY)) / spread;
  const start = meanY - slope * meanX;
  const freedom = count - 2;
  const residual = sum(({ x, y }) => (y - start - slope * x) ** 2) / freedom;
  // Approximates Student's t to two digits for 8 or more degrees of freedom.
  const t95 = 1.96 + 2.7 / freedom;
  return { slope, start, within: t95 * Math.sqrt(residual / spread) };
}

const WIDTH = 640;
const HEIGHT = 300;
const LEFT = 48;
const RIGHT = 20;
const TOP = 50;
const BOTTOM = 48;

export function plot(samples: readonly Sample[], trend: Trend, from: number): string {
  const most = Math.max(...samples.map(({ heap }) => heap)) / 1e6;
  const step = stepFor(most);
  const top = step * Math.ceil(most / step);
  const last = samples.at(-1)?.minutes ?? 1;
  const x = (minutes: number): number => round(LEFT + (minutes / last) * (WIDTH - LEFT - RIGHT));
  const y = (megabytes: number): number =>
    round(HEIGHT - BOTTOM - (megabytes / top) * (HEIGHT - TOP - BOTTOM));
  const parts = [`<text class="title" x="${LEFT}" y="24">Heap after a collection, MB</text>`];
  for (let value = 0; value <= top; value += step) {
    parts.push(
      `<path class="${value === 0 ? "axis" : "grid"}" d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}"/>`,
      `<text x="${LEFT - 8}" y="${y(value) + 4}" text-anchor="end">${round(value)}</text>`,
    );
  }
  const minuteStep = stepFor(last);
  for (let minutes = 0; minutes <= last; minutes += minuteStep) {
    parts.push(
      `<text x="${x(minutes)}" y="${y(0) + 19}" text-anchor="middle">${round(minutes)}</text>`,
    );
  }
  const fitted = (minutes: number): number => (trend.start + trend.slope * minutes) / 1000;
  parts.push(
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">minutes</text>`,
    `<path class="line socketio" d="M${x(from)} ${y(fitted(from))}L${x(last)} ${y(fitted(last))}"/>`,
    ...samples.map(
      ({ minutes, heap }) =>
        `<circle class="barewire" cx="${x(minutes)}" cy="${y(heap / 1e6)}" r="2"/>`,
    ),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" role="img">
  <title>Heap of the server during the soak, after each collection, and the line that fits it best</title>
  <style>${STYLE}
  </style>
  ${parts.join("\n  ")}
</svg>
`;
}
