// The base of adapters over several processes whose clients may come back to any of them. What is kept of a client
// is kept outside of this process, from the time when it connects, so that it outlives the process.
//
//   claim ──▶ where it is kept             what is sent by this process is noted from here on,
//   ◀── the session, and what it missed
//   the socket joins its rooms             until here, where it reaches the socket by itself

import type { EventData } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import { flushSoon } from "../flush.ts";
import type { BroadcastOptions, RecoverableSession, Room, SocketId } from "../socketio/adapter.ts";
import { concerns } from "../socketio/recovery-store.ts";
import { ClusterAdapter } from "./cluster-adapter.ts";

/** A session whose list of missed events still grows. */
export type GrowingSession = RecoverableSession & { readonly missed: Outgoing[] };

/** An event that was sent to the clients of this process. */
export interface SentEvent {
  readonly message: Outgoing;
  readonly options: BroadcastOptions;
}

/** A client that wants to come back, until it is in its rooms. */
export interface Returning<Sent extends SentEvent> {
  readonly pid: string;
  /** Known when its missed events have been read. */
  session: GrowingSession | undefined;
  /** What is sent to the clients of this process meanwhile. */
  sent: Sent[];
}

export abstract class RecoveringAdapter<
  Sent extends SentEvent,
  Waiting extends Returning<Sent> = Returning<Sent>,
> extends ClusterAdapter {
  protected readonly returning = new Set<Waiting>();
  /** The connected sockets that may come back, with their secrets. */
  protected readonly pids = new Map<SocketId, string>();
  private readonly changed = new Set<SocketId>();
  private readonly flusher = { flush: (): void => this.saveChanged() };

  /** Whether clients may come back. */
  protected abstract get recovers(): boolean;

  /** Keeps what a client that is connected would come back with. */
  protected abstract saveSession(session: RecoverableSession): void;

  /** Keeps nothing of a client any more: it was disconnected, and may not come back. */
  protected abstract forgetSession(id: SocketId, pid: string): void;

  override addAll(id: SocketId, rooms: ReadonlySet<Room>): void | Promise<void> {
    if (this.returning.size > 0) this.endReturn(id);
    this.note(id);
    return super.addAll(id, rooms);
  }

  override del(id: SocketId, room: Room): void | Promise<void> {
    this.note(id);
    return super.del(id, room);
  }

  override delAll(id: SocketId): void {
    if (this.returning.size > 0) this.endReturn(id);
    this.note(id);
    super.delAll(id);
  }

  /** Saves a socket at the end of the turn, once for all its changes. */
  protected note(id: SocketId): void {
    if (!this.recovers) return;
    if (this.changed.size === 0) flushSoon(this.flusher);
    this.changed.add(id);
  }

  protected saveChanged(): void {
    for (const id of this.changed) {
      const session = this.nsp.sockets.get(id)?.recoverableSession;
      const pid = this.pids.get(id);
      if (session !== undefined) {
        this.pids.set(id, session.pid);
        this.saveSession(session);
      } else if (pid !== undefined) {
        this.pids.delete(id);
        this.forgetSession(id, pid);
      }
    }
    this.changed.clear();
  }

  /** The connection of a client breaks: nobody comes back any more whose return has begun with the same secret. */
  protected stopReturns(pid: string): void {
    for (const each of this.returning) if (each.pid === pid) this.returning.delete(each);
  }

  /** A client has come back. Adds what was sent since its missed events were read. */
  private endReturn(id: SocketId): void {
    for (const returning of this.returning) {
      const { session, sent } = returning;
      if (session?.sid !== id) continue;
      this.returning.delete(returning);
      for (const { message, options } of sent) {
        if (concerns(options, session.rooms)) session.missed.push(message);
      }
    }
  }
}

/** The arguments of an event, with an offset behind them. */
export function withOffset([name, ...args]: EventData, offset: string): EventData {
  return [name, ...args, offset];
}
