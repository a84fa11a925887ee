// The base of adapters over several processes whose clients may come back to any of them. What is kept of a client
// is kept outside of this process, from the time when it connects, so that it outlives the process.
// What is sent by this process while a client comes back is noted (socketio/returning.ts).

import type { EventData } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import { flushSoon } from "../flush.ts";
import type { RecoverableSession, RestoredSession, Room, SocketId } from "../socketio/adapter.ts";
import { endReturn, type Returning, type SentEvent, stopReturns } from "../socketio/returning.ts";
import { ClusterAdapter } from "./cluster-adapter.ts";

export type { Returning, SentEvent } from "../socketio/returning.ts";

/** A session whose missed events are being read. */
export type GrowingSession = RecoverableSession & { readonly missed: Outgoing[] };

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
    this.note(id);
    return super.addAll(id, rooms);
  }

  override del(id: SocketId, room: Room): void | Promise<void> {
    this.note(id);
    return super.del(id, room);
  }

  override delAll(id: SocketId): void {
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
      } else if (pid !== undefined && !this.isReturning(id)) {
        this.pids.delete(id);
        this.forgetSession(id, pid);
      }
    }
    this.changed.clear();
  }

  /** Middleware may put a socket into rooms before it is connected. */
  private isReturning(id: SocketId): boolean {
    for (const { session } of this.returning) if (session?.sid === id) return true;
    return false;
  }

  /** Bytes of the events that a client which comes back is sent. */
  protected get maxReplay(): number {
    return Number.POSITIVE_INFINITY;
  }

  override endReturn(session: RestoredSession): readonly Outgoing[] | undefined {
    return endReturn(this.returning, session, this.maxReplay);
  }

  protected stopReturns(pid: string): void {
    stopReturns(this.returning, pid);
  }
}

/** The arguments of an event, with an offset behind them. */
export function withOffset([name, ...args]: EventData, offset: string): EventData {
  return [name, ...args, offset];
}
