// What the primary keeps of one namespace for clients that may come back. It outlives every worker. Beside what any store
// has, it has the sockets that are connected: what would be kept of them if their worker ended now.
//
//   connected ── its worker ends ──▶ kept ── claimed ──▶ connected to another worker
//       └────── it disconnects ───────┘ └── expired ──▶ (nothing)

import { FairBound, Kept } from "../socketio/fair-bound.ts";
import {
  type RecoveryBounds,
  type RecoveryLimits,
  RecoveryStore,
  type StoredPacket,
  sizeWith,
} from "../socketio/recovery-store.ts";
import type { ClaimResult, KeptFor, MissedPacket, SessionRecord } from "./messages.ts";
import { formatOffset, parseOffset } from "./offset.ts";

/** About as many bytes as a message takes beside its body while it waits for a client. */
const MESSAGE_OVERHEAD = 200;

/** A connected socket. What is sent to it counts for its address, also when its session was given up. */
class ConnectedSession extends Kept {
  readonly sid: string;
  readonly owner: string;
  readonly size: number;
  /** What would be kept of it if its worker ended now; `undefined` when that was given up. */
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
 * Bounds what the primary knows of connected sockets. Of one beyond the bound it knows the ids and the address; it has no
 * session after a crash.
 */
export function boundConnected({ maxBytes }: RecoveryLimits): FairBound {
  return new FairBound(Number.POSITIVE_INFINITY, maxBytes);
}

export class ClusterStore {
  readonly #store: RecoveryStore<SessionRecord, PublishedPacket>;
  readonly #bound: FairBound;
  /** The sockets that are connected: those of each worker by their secrets, and the addresses of all by their ids. */
  readonly #connected = new Map<number, Map<string, ConnectedSession>>();
  readonly #addresses = new Map<string, string | undefined>();

  /**
   * @param name of the namespace
   * @param bounds of what all namespaces keep together
   * @param connected of what all namespaces know of connected sockets
   */
  constructor(name: string, bounds: RecoveryBounds, connected: FairBound) {
    this.#store = new RecoveryStore(name, bounds, parseOffset, (id) => this.#addresses.get(id));
    this.#bound = connected;
  }

  /** Sessions that are kept. */
  get sessionCount(): number {
    return this.#store.sessionCount;
  }

  /** Packets that are kept. */
  get packetCount(): number {
    return this.#store.packetCount;
  }

  /** Whether a session is kept. */
  has(pid: string): boolean {
    return this.#store.has(pid);
  }

  /** Keeps a packet. */
  addPacket(worker: number, index: number, body: Uint8Array, kept: KeptFor): void {
    const { sequence, rooms, except, local } = kept;
    const size = sizeWith(body.length, rooms, except);
    const length = MESSAGE_OVERHEAD + body.length;
    this.#store.add({ worker, index, sequence, rooms, except, local, size, length, body });
  }

  /** Notes what would be kept of a connected socket. */
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

  /** The socket of a session has disconnected. */
  removeConnected(worker: number, pid: string): void {
    const sockets = this.#connected.get(worker);
    const known = sockets?.get(pid);
    if (sockets === undefined || known === undefined) return;
    sockets.delete(pid);
    if (sockets.size === 0) this.#connected.delete(worker);
    this.#addresses.delete(known.sid);
    this.#bound.delete(known);
  }

  /** Returns the worker whose client a session is. */
  workerOf(pid: string): number | undefined {
    for (const [worker, sockets] of this.#connected) if (sockets.has(pid)) return worker;
    return undefined;
  }

  /** Keeps a session for a client that may come back. */
  keep(worker: number, session: SessionRecord): void {
    this.removeConnected(worker, session.pid);
    this.#store.keep(session, sizeOf(session));
  }

  /** A worker has ended. Keeps the sessions of its clients, but for those that were given up. Returns the pids of all. */
  keepAllOf(worker: number): string[] {
    const sockets = [...(this.#connected.get(worker) ?? [])];
    for (const [pid, { session }] of sockets) {
      if (session === undefined) this.removeConnected(worker, pid);
      else this.keep(worker, session);
    }
    return sockets.map(([pid]) => pid);
  }

  /**
   * Gives a session, once, to a worker, with what its client has missed. If the worker ends before the client is
   * connected, the session is kept again.
   *
   * @param text the client's offset
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

  /** Gives up everything. */
  close(): void {
    this.#store.close();
    for (const [worker, sockets] of [...this.#connected])
      for (const pid of [...sockets.keys()]) this.removeConnected(worker, pid);
  }
}

/** Returns about as many bytes as a session takes. */
function sizeOf({ data, rooms }: SessionRecord): number {
  return sizeWith(data.length, rooms);
}
