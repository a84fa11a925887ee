// What a connection can carry above frames and HTTP: each level reads its own lines.

import type { Action, Play } from "./play.ts";
import type { Scanner } from "./scanner.ts";
import type { Awaited } from "./websocket.ts";

export interface Level {
  /** Takes what stands behind the level's name in a line "connect", and returns the connection's name. */
  readonly connect: (scanner: Scanner) => { readonly name: string; readonly action: Action };
  /** Takes what stands behind ">". */
  readonly sent: (scanner: Scanner, connection: string) => Action;
  /** Takes what stands behind "<". */
  readonly awaited: (scanner: Scanner, connection: string) => Awaited;
  /** What looks at the same packets several times, for "either". Missing: the level has no alternatives. */
  readonly peerOf?: (play: Play, connection: string) => Attempted;
}

/** Makes attempts at the same packets, one after the other, until one of them succeeds. */
export interface Attempted {
  firstOf(attempts: readonly (() => Promise<void>)[]): Promise<void>;
}

/** By the word that names it behind "connect". */
export const LEVELS: ReadonlyMap<string, Level> = new Map();
