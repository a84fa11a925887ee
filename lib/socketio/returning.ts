// Clients that want to come back, until they are in their rooms again. Asynchronous middleware may take long to let one in.
//
//   claim ──▶ the session, and what was missed     what is sent is noted from here on,
//   the socket joins its rooms                     until here, where it reaches the socket by itself

import type { Outgoing } from "../engineio/outgoing.ts";
import type { BroadcastOptions, RestoredSession } from "./adapter.ts";
import { concerns } from "./recovery-store.ts";

/** An event that was sent to the clients of this process. */
export interface SentEvent {
  readonly message: Outgoing;
  readonly options: BroadcastOptions;
}

/** A client that wants to come back, until it is in its rooms. */
export interface Returning<Sent extends SentEvent> {
  readonly pid: string;
  /** Known when its missed events have been read. */
  session: RestoredSession | undefined;
  /** What is sent to the clients of this process meanwhile. */
  sent: Sent[];
  /** Bytes of what was noted, dropped events included. Default: 0. */
  noted?: number;
}

/** Notes an event for a client that is not in its rooms yet. Beyond `limit` bytes all that was noted is dropped. */
export function noteSent<Sent extends SentEvent>(
  returning: Returning<Sent>,
  event: Sent,
  limit: number,
): void {
  const { session, noted = 0 } = returning;
  if (noted > limit || (session !== undefined && !concerns(event.options, session.rooms))) return;
  returning.noted = noted + event.message.length;
  if (returning.noted > limit) returning.sent = [];
  else returning.sent.push(event);
}

/**
 * Removes the client of a session, which is in its rooms now, or has gone.
 *
 * @returns what the client has missed, in order; `undefined` if that is more than `limit` bytes
 */
export function endReturn(
  all: Set<Returning<SentEvent>>,
  session: RestoredSession,
  limit: number,
): readonly Outgoing[] | undefined {
  for (const returning of all) {
    if (returning.session !== session) continue;
    all.delete(returning);
    if ((returning.noted ?? 0) > limit) return undefined;
    const sent = returning.sent.filter(({ options }) => concerns(options, session.rooms));
    if (sent.length === 0) break;
    const missed = [...session.missed, ...sent.map(({ message }) => message)];
    return missed.reduce((sum, { length }) => sum + length, 0) > limit ? undefined : missed;
  }
  return session.missed;
}

/**
 * The connection of a client breaks: nobody comes back any more with the session that it has. A further claim with its
 * secret is answered by whoever keeps the session.
 */
export function stopReturns(all: Set<Returning<SentEvent>>, pid: string): void {
  for (const each of all) if (each.pid === pid && each.session !== undefined) all.delete(each);
}
