// What a case is: one thing that a specification says, and how to see from outside whether it is so.

import type { Context } from "./context.ts";

/** In the order in which they are run. */
export const LAYERS = ["websocket", "engineio4", "engineio3", "socketio"] as const;

export type Layer = (typeof LAYERS)[number];

/** From the most to the least. */
export const SEVERITIES = ["MUST", "SHOULD", "INFO"] as const;

/** How much a specification asks for something (RFC 2119). INFO: nothing; but it is good to know. */
export type Severity = (typeof SEVERITIES)[number];

export interface Case {
  /** Stable: layer, group and a name, with dots between: "websocket.framing.rsv1-text". */
  readonly id: string;
  /** One sentence that is true of a server that does it right. */
  readonly title: string;
  /** "RFC 6455 §5.2", or document and heading: "Engine.IO v4, Handshake". */
  readonly clause: string;
  /** The sentence that obliges the server, with its section. Every MUST of the WebSocket layer has one. */
  readonly sentence?: string;
  readonly severity: Severity;
  /** What the kit sends, in words. */
  readonly sends: string;
  /** What must come back, in words. */
  readonly expects: string;
  /** It would disturb others, or they it: it runs when no other does. */
  readonly alone?: boolean;
  /** Milliseconds it may take beyond the run's own limit, such as a heartbeat. */
  readonly extraTime?: number;
  /** The severity of a server that does nothing until the time is over. Default: that of the case. */
  readonly silence?: Severity;
  /** Throws Failure where the server does it otherwise, and Skip where it cannot be told. */
  readonly run: (context: Context) => Promise<void>;
}

export function layerOf({ id }: Case): Layer {
  const layer = LAYERS.find((each) => id.startsWith(`${each}.`));
  if (layer === undefined) throw new Error(`${id} is of no layer`);
  return layer;
}

/** The server did something else than it should. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly expected: string;
  readonly got: string;
  /** How much it is asked for, where that is less than what else the case is about. */
  readonly severity: Severity | undefined;

  constructor(expected: string, got: string, severity?: Severity) {
    super(`expected ${expected}, got ${got}`);
    this.expected = expected;
    this.got = got;
    this.severity = severity;
  }
}

/** The case says nothing about this server: it lacks what is optional. */
export class Skip extends Error {
  override readonly name = "Skip";
}

/** @throws Failure unless `condition` */
export function expect(
  condition: boolean,
  expected: string,
  got: string,
  severity?: Severity,
): asserts condition {
  if (!condition) throw new Failure(expected, got, severity);
}

/** @throws Failure unless both are the same as JSON. */
export function expectSame(got: unknown, expected: unknown, what = "value"): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)];
  expect(left === right, `${what} ${right}`, `${left}`);
}
