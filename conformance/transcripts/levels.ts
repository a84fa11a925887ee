// The protocols that a connection can carry above frames and HTTP. Each level parses its own lines.

import type { Attempt } from "../harness/attempts.ts";
import { ENGINEIO3, ENGINEIO4 } from "./engineio.ts";
import type { Action, Play } from "./play.ts";
import type { Scanner } from "./scanner.ts";
import { SOCKETIO } from "./socketio.ts";
import type { Awaited } from "./websocket.ts";

export interface Level extends Lines {
  /** Parses the rest of a line "connect", after the name of the level. */
  readonly connect: (scanner: Scanner) => Connecting;
  /** The variables that connections of this level set. */
  readonly gives?: readonly string[];
}

export interface Connecting {
  /** The connection's name. */
  readonly name: string;
  /** The name of the other connection that must already be open, if the line names another connection. */
  readonly of?: string | undefined;
  /** The parser for the lines of this connection, if it depends on the rest of the line "connect". */
  readonly lines?: Lines;
  readonly action: Action;
}

/** Parses the lines of a connection. */
export interface Lines {
  /** Parses what follows ">". */
  readonly sent: (scanner: Scanner, connection: string) => Action;
  /** Parses what follows "<". */
  readonly awaited: (scanner: Scanner, connection: string) => Awaited;
  /**
   * Returns an object with which each alternative of a block "either" reads the same packets. Missing: the level
   * supports no alternatives.
   */
  readonly peerOf?: (play: Play, connection: string) => Attempted;
}

/** What a connection carries, which determines how its lines are parsed. */
export type Kind = "http" | "websocket" | Lines;

/** Runs attempts on the same packets, one after the other, until one succeeds. */
export interface Attempted {
  firstOf(attempts: readonly Attempt[]): Promise<void>;
}

/** The levels, by their names in lines "connect". */
export const LEVELS: ReadonlyMap<string, Level> = new Map([
  ["engineio4", ENGINEIO4],
  ["engineio3", ENGINEIO3],
  ["socketio", SOCKETIO],
]);
