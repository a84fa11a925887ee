// What a connection can carry above frames and HTTP: each level reads its own lines.

import type { Attempt } from "../harness/attempts.ts";
import { ENGINEIO3, ENGINEIO4 } from "./engineio.ts";
import type { Action, Play } from "./play.ts";
import type { Scanner } from "./scanner.ts";
import { SOCKETIO } from "./socketio.ts";
import type { Awaited } from "./websocket.ts";

export interface Level extends Lines {
  /** Takes what stands behind the level's name in a line "connect". */
  readonly connect: (scanner: Scanner) => Connecting;
  /** The variables to which its connections give values. */
  readonly gives?: readonly string[];
}

export interface Connecting {
  /** The connection's name. */
  readonly name: string;
  /** The name of the connection that must be open already. */
  readonly of?: string | undefined;
  /** The lines of this connection, where those of the level depend on what stands behind "connect". */
  readonly lines?: Lines;
  readonly action: Action;
}

/** How the lines of a connection are read. */
export interface Lines {
  /** Takes what stands behind ">". */
  readonly sent: (scanner: Scanner, connection: string) => Action;
  /** Takes what stands behind "<". */
  readonly awaited: (scanner: Scanner, connection: string) => Awaited;
  /** What looks at the same packets several times, for "either". Missing: the level has no alternatives. */
  readonly peerOf?: (play: Play, connection: string) => Attempted;
}

/** What a connection carries, which decides how its lines are read. */
export type Kind = "http" | "websocket" | Lines;

/** Makes attempts at the same packets, one after the other, until one of them succeeds. */
export interface Attempted {
  firstOf(attempts: readonly Attempt[]): Promise<void>;
}

/** By the word that names it behind "connect". */
export const LEVELS: ReadonlyMap<string, Level> = new Map([
  ["engineio4", ENGINEIO4],
  ["engineio3", ENGINEIO3],
  ["socketio", SOCKETIO],
]);
