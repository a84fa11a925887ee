// The base class of adapters for several processes whose clients can recover their session in any process. The state of
// a client is stored outside of this process as soon as the client connects, so that the state outlives the process.
// While a client reconnects, the events that this process sends are buffered for it (socketio/recovering-clients.ts).

import type { EventData } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import { flushSoon } from "../flush.ts";
import type { RecoverableSession, RestoredSession, Room, SocketId } from "../socketio/adapter.ts";
import {
  endRecovery,
  type RecoveringClient,
  type SentEvent,
  stopRecoveries,
} from "../socketio/recovering-clients.ts";
import { ClusterAdapter } from "./cluster-adapter.ts";

export type { RecoveringClient, SentEvent } from "../socketio/recovering-clients.ts";

/** A session whose missed events are being read. */
export type GrowingSession = RecoverableSession & { readonly missed: Outgoing[] };

/** The base class of adapters whose clients can recover their session in any process. */
export abstract class RecoveringAdapter<
  Sent extends SentEvent,
  Waiting extends RecoveringClient<Sent> = RecoveringClient<Sent>,
> extends ClusterAdapter {
  /** @internal */
  protected readonly recovering = new Set<Waiting>();
  /**
   * The connected sockets whose clients can recover, with their secret ids.
   *
   * @internal
   */
  protected readonly pids = new Map<SocketId, string>();
  private readonly changed = new Set<SocketId>();
  private readonly flusher = { flush: (): void => this.saveChanged() };

  /**
   * Whether clients can recover their session.
   *
   * @internal
   */
  protected abstract get recovers(): boolean;

  /**
   * Stores the state of a connected client.
   *
   * @internal
   */
  protected abstract saveSession(session: RecoverableSession): void;

  /**
   * Deletes the state of a client that was disconnected and cannot recover.
   *
   * @internal
   */
  protected abstract forgetSession(id: SocketId, pid: string): void;

  /**
   * Adds a socket to rooms.
   *
   * @param id the id of the socket
   * @param rooms the rooms
   */
  override addAll(id: SocketId, rooms: ReadonlySet<Room>): void | Promise<void> {
    this.note(id);
    return super.addAll(id, rooms);
  }

  /**
   * Removes a socket from a room.
   *
   * @param id the id of the socket
   * @param room the room
   */
  override del(id: SocketId, room: Room): void | Promise<void> {
    this.note(id);
    return super.del(id, room);
  }

  /**
   * Removes a socket from all rooms.
   *
   * @param id the id of the socket
   */
  override delAll(id: SocketId): void {
    this.note(id);
    super.delAll(id);
  }

  /**
   * Stores the state of a socket at the end of the current turn of the event loop, once for all
   * changes in this turn.
   *
   * @internal
   */
  protected note(id: SocketId): void {
    if (!this.recovers) return;
    if (this.changed.size === 0) flushSoon(this.flusher);
    this.changed.add(id);
  }

  /** @internal */
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

  /**
   * Returns whether the client of a socket is reconnecting. Middleware can add such a socket to rooms before it is
   * connected.
   */
  private isReturning(id: SocketId): boolean {
    for (const { session } of this.recovering) if (session?.sid === id) return true;
    return false;
  }

  /**
   * Largest number of bytes of missed events that a reconnecting client receives.
   *
   * @internal
   */
  protected get maxReplay(): number {
    return Number.POSITIVE_INFINITY;
  }

  override endRecovery(session: RestoredSession): readonly Outgoing[] | undefined {
    return endRecovery(this.recovering, session, this.maxReplay);
  }

  /** @internal */
  protected stopRecoveries(pid: string): void {
    stopRecoveries(this.recovering, pid);
  }
}

/** Appends an offset to the arguments of an event. */
export function withOffset([name, ...args]: EventData, offset: string): EventData {
  return [name, ...args, offset];
}
