// Clients that are recovering a session and have not joined their rooms again. Asynchronous
// middleware may delay the join for a long time. Packets that are sent in the meantime are stored
// for these clients ("noted").
//
//   restoreSession()    starts to note packets. Returns the session and the missed packets
//   endRecovery()       returns the missed packets, including the noted packets
//   the socket joins its rooms, and receives all further packets directly

import type { Outgoing } from "../engineio/outgoing.ts";
import type { BroadcastOptions, RestoredSession } from "./adapter.ts";
import { concerns } from "./recovery-store.ts";

/** An event that was sent to clients of this process. */
export interface SentEvent {
  /** The encoded event. */
  readonly message: Outgoing;
  /** Which sockets receive the event. */
  readonly options: BroadcastOptions;
}

/** A client that is recovering a session. */
export interface RecoveringClient<Sent extends SentEvent> {
  /** The private session id. */
  readonly pid: string;
  /** The session. `undefined` until its missed packets have been read. */
  session: RestoredSession | undefined;
  /** Events sent to clients of this process since the recovery started. */
  sent: Sent[];
  /** Total size of the noted events, including dropped ones, in bytes. Default: 0. */
  noted?: number;
}

/**
 * Notes an event for a client that has not joined its rooms yet. If the total exceeds `limit`
 * bytes, all noted events are dropped.
 */
export function noteSent<Sent extends SentEvent>(
  client: RecoveringClient<Sent>,
  event: Sent,
  limit: number,
): void {
  const { session, noted = 0 } = client;
  if (noted > limit || (session !== undefined && !concerns(event.options, session.rooms))) return;
  client.noted = noted + event.message.length;
  if (client.noted > limit) client.sent = [];
  else client.sent.push(event);
}

/**
 * Ends the recovery of a session, because its client has joined its rooms or has disconnected.
 *
 * @returns the packets that the client missed, in order. `undefined` if they exceed `limit` bytes
 */
export function endRecovery(
  all: Set<RecoveringClient<SentEvent>>,
  session: RestoredSession,
  limit: number,
): readonly Outgoing[] | undefined {
  for (const client of all) {
    if (client.session !== session) continue;
    all.delete(client);
    if ((client.noted ?? 0) > limit) return undefined;
    const sent = client.sent.filter(({ options }) => concerns(options, session.rooms));
    if (sent.length === 0) break;
    const missed = [...session.missed, ...sent.map(({ message }) => message)];
    return missed.reduce((sum, { length }) => sum + length, 0) > limit ? undefined : missed;
  }
  return session.missed;
}

/**
 * Discards the recoveries of a session that is stored again because the client's new connection
 * broke, too. A recovery that still waits for the session continues, because the server that stores
 * the session will answer.
 */
export function stopRecoveries(all: Set<RecoveringClient<SentEvent>>, pid: string): void {
  for (const each of all) if (each.pid === pid && each.session !== undefined) all.delete(each);
}
