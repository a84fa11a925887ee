// Stores, in the primary, the data of one namespace for clients that may reconnect. The store outlives every worker. In
// addition to disconnected sessions, it contains the state of connected sockets, in case their worker ends
// unexpectedly.
//
//   connected ── its worker ends ──▶ stored ── claimed ──▶ connected to another worker
//       └────── it disconnects ────────┘ └── expired ──▶ (deleted)

import { FairEviction, Kept } from "../socketio/fair-eviction.ts";
import {
  type RecoveryBounds,
  type RecoveryLimits,
  RecoveryStore,
  type StoredPacket,
  sizeWith,
} from "../socketio/recovery-store.ts";
import type { ClaimResult, KeptFor, MissedPacket, SessionRecord } from "./messages.ts";
import { formatOffset, parseOffset } from "./offset.ts";

/** The approximate size of a waiting message without its body, in bytes. */
const MESSAGE_OVERHEAD = 200;

/**
 * A connected socket. Packets for the socket count towards the limit of its client's address, even after the state of
 * the socket was dropped.
 */
class ConnectedSession extends Kept {
  readonly sid: string;
  readonly owner: string;
  readonly size: number;
  /** The state to store if the worker ends unexpectedly. `undefined` after the state was dropped because of the limit. */
  session: SessionRecord | undefined;

  constructor(session: SessionRecord) {
    super();
    this.sid = session.sid;
    this.owner = session.address ?? session.pid;
    this.size = sizeOf(session);
    this.session = session;
  }

  giveUp(): void {
    this.session = undefined;
  }
}

interface PublishedPacket extends StoredPacket {
  readonly body: Uint8Array;
}

/**
 * Returns the limit for the state of connected sockets. For a socket beyond the limit, the primary only knows the ids
 * and the address. The session of such a socket is lost if its worker crashes.
 */
export function boundConnected({ maxBytes }: RecoveryLimits): FairEviction {
  return new FairEviction(Number.POSITIVE_INFINITY, maxBytes);
}

/** Stores the sessions and packets of one namespace. */
export class ClusterStore {
  readonly #store: RecoveryStore<SessionRecord, PublishedPacket>;
  readonly #bound: FairEviction;
  /** The connected sockets: for each worker, the sockets by secret id. */
  readonly #connected = new Map<number, Map<string, ConnectedSession>>();
  readonly #addresses = new Map<string, string | undefined>();

  /**
   * @param name the name of the namespace
   * @param bounds the limits that the stores of all namespaces share
   * @param connected the limit for the state of connected sockets, which all namespaces share
   */
  constructor(name: string, bounds: RecoveryBounds, connected: FairEviction) {
    this.#store = new RecoveryStore(name, bounds, parseOffset, (id) => this.#addresses.get(id));
    this.#bound = connected;
  }

  /** The number of stored sessions. */
  get sessionCount(): number {
    return this.#store.sessionCount;
  }

  /** The number of stored packets. */
  get packetCount(): number {
    return this.#store.packetCount;
  }

  /** Returns whether a session is stored. */
  has(pid: string): boolean {
    return this.#store.has(pid);
  }

  /** Stores a packet. */
  addPacket(worker: number, index: number, body: Uint8Array, kept: KeptFor): void {
    const { sequence, rooms, except, local } = kept;
    const size = sizeWith(body.length, rooms, except);
    const length = MESSAGE_OVERHEAD + body.length;
    this.#store.add({ worker, index, sequence, rooms, except, local, size, length, body });
  }

  /** Updates the state of a connected socket. */
  setConnected(worker: number, session: SessionRecord): void {
    const { pid, sid, address } = session;
    this.removeConnected(worker, pid);
    const sockets = this.#connected.get(worker) ?? new Map<string, ConnectedSession>();
    this.#connected.set(worker, sockets);
    const known = new ConnectedSession(session);
    sockets.set(pid, known);
    this.#addresses.set(sid, address);
    this.#bound.add(known);
  }

  /** Removes the state of a socket that has disconnected. */
  removeConnected(worker: number, pid: string): void {
    const sockets = this.#connected.get(worker);
    const known = sockets?.get(pid);
    if (sockets === undefined || known === undefined) return;
    sockets.delete(pid);
    if (sockets.size === 0) this.#connected.delete(worker);
    this.#addresses.delete(known.sid);
    this.#bound.delete(known);
  }

  /** Returns the worker to which the client of a session is connected. */
  workerOf(pid: string): number | undefined {
    for (const [worker, sockets] of this.#connected) if (sockets.has(pid)) return worker;
    return undefined;
  }

  /** Stores the session of a client that may reconnect. */
  keep(worker: number, session: SessionRecord): void {
    this.removeConnected(worker, session.pid);
    this.#store.keep(session, sizeOf(session));
  }

  /**
   * Stores the sessions of all clients of a worker that has ended, except sessions that were dropped because of the
   * limit. Returns the secret ids of all clients of the worker.
   */
  keepAllOf(worker: number): string[] {
    const sockets = [...(this.#connected.get(worker) ?? [])];
    for (const [pid, { session }] of sockets) {
      if (session === undefined) this.removeConnected(worker, pid);
      else this.keep(worker, session);
    }
    return sockets.map(([pid]) => pid);
  }

  /**
   * Returns the stored session of a client that has reconnected to `worker`, and the packets that the client has
   * missed. A session can be claimed only once. If the worker ends before the client is connected, the session is
   * stored again.
   *
   * @param text the offset that the client has sent
   * @param last the index of the last packet that the primary has numbered
   */
  claim(worker: number, pid: string, text: string | undefined, last: number): ClaimResult {
    const recovered = this.#store.recover(pid, text, last);
    if (typeof recovered === "string") return recovered;
    const { session, given } = recovered;
    this.setConnected(worker, session);
    const missed = recovered.missed.map(({ body, index }): MissedPacket => {
      return { body, offset: formatOffset({ ...given, index: Math.max(given.index, index) }) };
    });
    return { session, missed };
  }

  /** Deletes everything. */
  close(): void {
    this.#store.close();
    for (const [worker, sockets] of [...this.#connected])
      for (const pid of [...sockets.keys()]) this.removeConnected(worker, pid);
  }
}

/** Returns the approximate size of a session, in bytes. */
function sizeOf({ data, rooms }: SessionRecord): number {
  return sizeWith(data.length, rooms);
}
