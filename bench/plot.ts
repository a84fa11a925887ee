// Draws the results of growth.ts as an SVG, with one panel for each measurement. The horizontal axis of a panel is the
// number of clients, on a logarithmic scale.

import { GROWING, type Growth } from "./growth.ts";

interface Panel {
  readonly figure: "memory" | "echo" | "broadcast";
  readonly title: string;
  readonly unit: string;
}

const PANELS: readonly Panel[] = [
  { figure: "memory", title: "Memory", unit: "kB resident for each client" },
  {
    figure: "echo",
    title: "Echo of 100, the others silent",
    unit: "µs of processor for each message",
  },
  { figure: "broadcast", title: "Broadcast to all", unit: "µs of processor for each delivery" },
];

// The sizes of one panel, in units of the drawing.
const WIDTH = 300;
const HEIGHT = 300;
const LEFT = 42;
const RIGHT = 20;
const TOP = 84;
const BOTTOM = 48;

const NAMES = ["barewire", "socketio"] as const;

// An SVG image in a page can detect whether the reader prefers a dark scheme, but not which colours the page has. So
// there is no background, and everything but the two lines is grey. The lines also have different markers.
export const STYLE = `
    text { font: 12px system-ui, sans-serif; fill: #57606a; }
    .count { font-size: 11px; }
    .title { font-size: 14px; font-weight: 600; fill: #24292f; }
    .axis { stroke: #8c959f; }
    .grid { stroke: #8c959f; stroke-opacity: 0.3; }
    .barewire { stroke: #0969da; fill: #0969da; }
    .socketio { stroke: #bc4c00; fill: #bc4c00; }
    .line { stroke-width: 2; fill-opacity: 0; }
    .line.socketio { stroke-dasharray: 6 4; }
    @media (prefers-color-scheme: dark) {
      text { fill: #9198a1; }
      .title { fill: #f0f6fc; }
      .barewire { stroke: #58a6ff; fill: #58a6ff; }
      .socketio { stroke: #f0883e; fill: #f0883e; }
    }`;

export function plot(growth: Growth): string {
  const width = PANELS.length * WIDTH;
  const panels = PANELS.map(
    (panel, at) => `<g transform="translate(${at * WIDTH} 0)">${drawPanel(panel, growth)}\n  </g>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" width="${width}" role="img">
  <title>Memory and processor time by the number of clients, barewire and socket.io</title>
  <style>${STYLE}
  </style>
  ${legend()}
  ${panels.join("\n  ")}
</svg>
`;
}

function legend(): string {
  const entries = NAMES.map((name, at) => {
    const x = LEFT + at * 120;
    const line = `<path class="line ${name}" d="M${x} 14h30"/>`;
    return `${line}${mark(name, x + 15, 14)}<text x="${x + 38}" y="18">${GROWING[name]}</text>`;
  });
  return entries.join("\n  ");
}

function drawPanel({ figure, title, unit }: Panel, growth: Growth): string {
  const all = NAMES.flatMap((name) => growth[name]);
  const most = Math.max(...all.map((point) => point[figure]));
  const step = stepFor(most);
  const top = step * Math.ceil(most / step);
  const counts = growth.barewire.map(({ clients }) => clients);
  const [least = 1] = counts;
  const decades = Math.log(Math.max(...counts) / least) || 1;
  const x = (clients: number): number =>
    round(LEFT + (Math.log(clients / least) / decades) * (WIDTH - LEFT - RIGHT));
  const y = (value: number): number =>
    round(HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM));

  const parts = [
    `<text class="title" x="${LEFT}" y="48">${title}</text>`,
    `<text x="${LEFT}" y="66">${unit}</text>`,
  ];
  for (let value = 0; value <= top; value += step) {
    const kind = value === 0 ? "axis" : "grid";
    parts.push(
      `<path class="${kind}" d="M${LEFT} ${y(value)}H${WIDTH - RIGHT}"/>`,
      `<text x="${LEFT - 8}" y="${y(value) + 4}" text-anchor="end">${value}</text>`,
    );
  }
  for (const clients of counts) {
    parts.push(
      `<path class="axis" d="M${x(clients)} ${y(0)}v5"/>`,
      `<text class="count" x="${x(clients)}" y="${y(0) + 19}" text-anchor="middle">${short(clients)}</text>`,
    );
  }
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  parts.push(
    `<text x="${middle}" y="${HEIGHT - 8}" text-anchor="middle">clients (logarithmic)</text>`,
  );
  for (const name of NAMES) {
    const places = growth[name].map((point) => [x(point.clients), y(point[figure])] as const);
    parts.push(
      `<path class="line ${name}" d="M${places.map((place) => place.join(" ")).join("L")}"/>`,
    );
    parts.push(...places.map(([cx, cy]) => mark(name, cx, cy)));
  }
  return parts.map((part) => `\n    ${part}`).join("");
}

/** The marker of a point: a disc for barewire, a square for socket.io. */
function mark(name: (typeof NAMES)[number], x: number, y: number): string {
  return name === "barewire"
    ? `<circle class="${name}" cx="${x}" cy="${y}" r="3"/>`
    : `<rect class="${name}" x="${round(x - 3)}" y="${round(y - 3)}" width="6" height="6"/>`;
}

/** Returns the distance between two grid lines: a round number with which the panel has three to six lines. */
export function stepFor(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 3));
  return power * ([5, 2, 1].find((times) => most / (times * power) >= 3) ?? 1);
}

/** Formats 19800 as "19.8k", because the labels of the largest counts are close together on this axis. */
function short(count: number): string {
  return count < 1000 ? `${count}` : `${count / 1000}k`;
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
