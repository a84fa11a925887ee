// A case checks one requirement of a specification from outside the server.

import type { Context } from "./context.ts";

/** The layers, in the order in which the kit runs them. */
export const LAYERS = ["websocket", "engineio4", "engineio3", "socketio"] as const;

export type Layer = (typeof LAYERS)[number];

/** The severities, most severe first. */
export const SEVERITIES = ["MUST", "SHOULD", "INFO"] as const;

/**
 * How strongly a specification requires something (RFC 2119). INFO: the specification does not require it, but the
 * result is useful.
 */
export type Severity = (typeof SEVERITIES)[number];

export interface Case {
  /** Stable id: layer, group and name, separated by dots, such as "websocket.framing.rsv1-ping". */
  readonly id: string;
  /** One sentence about what a correct server does. */
  readonly title: string;
  /** The section that requires the behaviour: "RFC 6455 §5.2", or a document and a heading. */
  readonly clause: string;
  /**
   * The sentence of the specification that obliges the server, with its section. Every MUST of the WebSocket layer
   * has a sentence.
   */
  readonly sentence?: string;
  readonly severity: Severity;
  /** Describes what the kit sends. */
  readonly sends: string;
  /** Describes what the server must send. */
  readonly expects: string;
  /** Whether the case runs alone, because it and other cases would disturb each other. */
  readonly alone?: boolean;
  /**
   * Milliseconds that the case may take in addition to the usual time limit of a case, for example to wait for a
   * heartbeat.
   */
  readonly extraTime?: number;
  /** The severity if the server sends nothing until the time limit. Default: the severity of the case. */
  readonly silence?: Severity;
  /** Throws a Failure if the server breaks the rule, and a Skip if the case does not apply to the server. */
  readonly run: (context: Context) => Promise<void>;
}

export function layerOf({ id }: Case): Layer {
  const layer = LAYERS.find((each) => id.startsWith(`${each}.`));
  if (layer === undefined) throw new Error(`the id ${id} does not begin with the name of a layer`);
  return layer;
}

/** Thrown when the server breaks the rule of a case. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly expected: string;
  readonly got: string;
  /** The severity of this failure, if it is lower than that of the case. */
  readonly severity: Severity | undefined;

  constructor(expected: string, got: string, severity?: Severity) {
    super(`expected ${expected}, got ${got}`);
    this.expected = expected;
    this.got = got;
    this.severity = severity;
  }
}

/** Thrown when the case does not apply, because the server lacks something optional. */
export class Skip extends Error {
  override readonly name = "Skip";
}

/** @throws Failure unless `condition` is true */
export function expect(
  condition: boolean,
  expected: string,
  got: string,
  severity?: Severity,
): asserts condition {
  if (!condition) throw new Failure(expected, got, severity);
}

/** @throws Failure unless both values have the same JSON */
export function expectSame(got: unknown, expected: unknown, what = "value"): void {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)];
  expect(left === right, `${what} ${right}`, `${left}`);
}
