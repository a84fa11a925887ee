// The state that one namespace keeps for connection state recovery: sessions of disconnected
// clients, and packets that they may have missed. In a single process, the adapter contains the
// store (recovery.ts). In a cluster, the primary process contains the store. A "loss" is a packet
// that was dropped before it expired (dropped-packets.ts).

import { Deadlines } from "../deadlines.ts";
import { mayBeSocketId } from "../generate-id.ts";
import type { RecoveryFailure, Room, SocketId } from "./adapter.ts";
import { DroppedPackets, DroppedPacketsBounds, type Offset } from "./dropped-packets.ts";
import { FairEviction, Kept } from "./fair-eviction.ts";
import { estimateMemory } from "./memory-estimate.ts";

export type { Offset } from "./dropped-packets.ts";

/** The resolved options of connection state recovery. */
export interface RecoveryLimits {
  /** How long sessions are kept, in milliseconds. */
  readonly sessionDuration: number;
  /** How long packets are kept, in milliseconds. */
  readonly packetDuration: number;
  /** Largest number of sessions in all namespaces. */
  readonly maxSessions: number;
  /** Largest number of packets in all namespaces. */
  readonly maxPackets: number;
  /**
   * Largest total size of the packets in all namespaces, in bytes. The same limit applies
   * separately to the sessions.
   */
  readonly maxBytes: number;
  /**
   * Largest total size of the missed packets that one client can receive after a recovery, in
   * bytes.
   */
  readonly maxReplay: number;
}

/** The state of a disconnected socket. */
export interface StoredSession {
  /** The id of the socket. */
  readonly sid: SocketId;
  /** The private session id. */
  readonly pid: string;
  /** The rooms that the socket was in. */
  readonly rooms: Iterable<Room>;
  /** The offset of the last packet before the session started. */
  readonly offset: string;
  /** The address of the client, if known. */
  readonly address?: string | undefined;
}

/** A packet that clients may have missed. */
export interface StoredPacket extends Offset {
  /** The rooms that the packet was sent to. Empty: all sockets. */
  readonly rooms: Iterable<Room>;
  /** Sockets in any of these rooms did not receive the packet. */
  readonly except: Iterable<Room>;
  /** Whether the packet was sent only to clients of its worker. */
  readonly local: boolean;
  /** Approximate size in the store, in bytes. */
  readonly size: number;
  /** Approximate size in the send queue of a client, in bytes. */
  readonly length: number;
}

/** A recovered session. */
export interface Recovered<Session, Packet> {
  /** The state of the socket before the disconnection. */
  readonly session: Session;
  /** The offset of the last packet that the client received. */
  readonly given: Offset;
  /** The packets that the client missed, in order. */
  readonly missed: readonly Packet[];
}

/** Approximate size of a stored item without its contents, and of each of its rooms, in bytes. */
const OVERHEAD = 1024;
const ROOM_OVERHEAD = 64;
const BEGINNING: Offset = { worker: 0, sequence: 0, index: 0 };

/** Returns the approximate size of a stored item with these rooms, in bytes. */
export function sizeWith(bytes: number, ...lists: readonly Iterable<Room>[]): number {
  let size = OVERHEAD + bytes;
  for (const rooms of lists) for (const room of rooms) size += ROOM_OVERHEAD + sizeOfRoom(room);
  return size;
}

/**
 * JavaScript programs may use any value as a room: a number, `null`, or an object that a client
 * sent.
 */
function sizeOfRoom(room: unknown): number {
  return typeof room === "string" ? 2 * room.length : estimateMemory(room);
}

/**
 * Returns the owner of packets for a room. Each room that is a string is an owner. All other rooms
 * share one owner.
 */
function ownerOfRoom(nsp: string, room: unknown): string {
  return `${nsp} ${typeof room === "string" ? room : ""}`;
}

/** The limits on the stored items of all namespaces. */
export class RecoveryBounds {
  readonly limits: RecoveryLimits;
  readonly sessions: FairEviction;
  readonly packets: FairEviction;
  readonly losses: DroppedPacketsBounds;

  constructor(limits: RecoveryLimits) {
    const { maxSessions, maxPackets, maxBytes } = limits;
    this.limits = limits;
    this.sessions = new FairEviction(maxSessions, maxBytes);
    this.packets = new FairEviction(maxPackets, maxBytes);
    this.losses = new DroppedPacketsBounds(maxSessions);
  }
}

/**
 * The key of a room's packets. Packets for several rooms, or for all sockets, share the key
 * `undefined`.
 */
type Key = Room | undefined;

class KeptSession<Session extends StoredSession> extends Kept {
  readonly session: Session;
  readonly size: number;
  readonly #onGivenUp: (pid: string) => void;

  constructor(session: Session, size: number, onGivenUp: (pid: string) => void) {
    super();
    this.session = session;
    this.size = size;
    this.#onGivenUp = onGivenUp;
  }

  get owner(): string {
    return this.session.address ?? this.session.pid;
  }

  giveUp(): void {
    this.#onGivenUp(this.session.pid);
  }
}

class KeptPacket<Packet extends StoredPacket> extends Kept {
  readonly packet: Packet;
  readonly key: Key;
  readonly owner: string;
  readonly #onGivenUp: (kept: KeptPacket<Packet>) => void;

  constructor(
    packet: Packet,
    key: Key,
    owner: string,
    onGivenUp: (kept: KeptPacket<Packet>) => void,
  ) {
    super();
    this.packet = packet;
    this.key = key;
    this.owner = owner;
    this.#onGivenUp = onGivenUp;
  }

  get size(): number {
    return this.packet.size;
  }

  giveUp(): void {
    this.#onGivenUp(this);
  }
}

/** The stored packets of one key, which is a room in most cases (see Key), from the oldest to the newest. */
interface Log<Packet extends StoredPacket> {
  readonly packets: Set<KeptPacket<Packet>>;
  /** Total size that the packets would have in the send queue of a client, in bytes. */
  length: number;
}

export class RecoveryStore<Session extends StoredSession, Packet extends StoredPacket> {
  readonly #name: string;
  readonly #bounds: RecoveryBounds;
  readonly #parse: (offset: string) => Offset | undefined;
  readonly #addressOf: (id: SocketId) => string | undefined;
  readonly #sessions = new Map<string, KeptSession<Session>>();
  readonly #ids = new Map<SocketId, string | undefined>();
  readonly #expiries: Deadlines<string>;
  readonly #logs = new Map<Key, Log<Packet>>();
  readonly #packetExpiries: Deadlines<KeptPacket<Packet>>;
  readonly #losses: DroppedPackets<Room>;
  readonly #onSessionGivenUp = (pid: string): void => this.#forget(pid);
  readonly #onPacketGivenUp = (kept: KeptPacket<Packet>): void => this.#lose(kept);

  /**
   * Creates an empty store.
   *
   * @param name the name of the namespace
   * @param parse parses an offset. Returns `undefined` for an invalid offset
   * @param addressOf returns the address of a connected socket
   */
  constructor(
    name: string,
    bounds: RecoveryBounds,
    parse: (offset: string) => Offset | undefined,
    addressOf: (id: SocketId) => string | undefined,
  ) {
    const { sessionDuration, packetDuration } = bounds.limits;
    this.#name = name;
    this.#bounds = bounds;
    this.#parse = parse;
    this.#addressOf = addressOf;
    this.#expiries = new Deadlines(sessionDuration, (pid) => this.#forget(pid));
    this.#packetExpiries = new Deadlines(packetDuration, (kept) => this.#remove(kept));
    // A client whose session is still stored cannot have missed packets older than
    // `packetDuration`, so losses are remembered for this time.
    this.#losses = new DroppedPackets(bounds.losses, packetDuration);
  }

  /** The number of stored sessions. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** The number of stored packets. */
  get packetCount(): number {
    return this.#packetExpiries.size;
  }

  /** Returns whether a session is stored. */
  has(pid: string): boolean {
    return this.#sessions.has(pid);
  }

  /**
   * Stores a session.
   *
   * @param size approximate size of the session, in bytes
   */
  keep(session: Session, size: number): void {
    const { pid, sid, address } = session;
    this.#take(pid);
    const kept = new KeptSession(session, size, this.#onSessionGivenUp);
    this.#sessions.set(pid, kept);
    this.#ids.set(sid, address);
    this.#expiries.add(pid);
    this.#bounds.sessions.add(kept);
  }

  /** Stores a packet. */
  add(packet: Packet): void {
    const [room, ...others] = packet.rooms;
    const key = others.length === 0 ? room : undefined;
    const kept = new KeptPacket(packet, key, this.#ownerOf(key), this.#onPacketGivenUp);
    const log = this.#logs.get(key) ?? { packets: new Set(), length: 0 };
    this.#logs.set(key, log);
    log.packets.add(kept);
    log.length += packet.length;
    this.#packetExpiries.add(kept);
    this.#bounds.packets.add(kept);
    if (key !== undefined && log.length > this.#bounds.limits.maxReplay) this.#shorten(log);
  }

  /**
   * Returns a session and the packets that its client missed, and removes the session from the
   * store.
   *
   * @param text the offset that the client sent
   * @param last the index of the last packet that was sent
   */
  recover(
    pid: string,
    text: string | undefined,
    last: number,
  ): Recovered<Session, Packet> | RecoveryFailure {
    // A session can be recovered only once, because a second client that sends the same private
    // session id is not the same client.
    const session = this.#take(pid);
    if (session === undefined) return "unknown session";
    const began = this.#parse(session.offset) ?? BEGINNING;
    // A client that has not received any event has no offset, or an offset from an earlier session.
    const given = text === undefined ? began : this.#parse(text);
    if (given === undefined || given.index > last) return "unknown offset";
    const has = (place: Offset): boolean => includes(given, place) || includes(began, place);
    const rooms = new Set(session.rooms);
    for (const place of this.#lossesOf(session, rooms)) {
      if (!has(place)) return "packets dropped";
    }
    const missed: Packet[] = [];
    let length = 0;
    // The set contains `undefined` only once, even if a JavaScript program uses it as a room.
    for (const key of new Set([undefined, ...rooms])) {
      for (const { packet } of this.#logs.get(key)?.packets ?? []) {
        if (has(packet) || (packet.local && packet.worker !== given.worker)) continue;
        if (!concerns(packet, rooms)) continue;
        missed.push(packet);
        length += packet.length;
      }
    }
    // If more bytes were sent at once, they could exceed `maxBackpressure`. The server would then
    // disconnect the client again.
    if (length > this.#bounds.limits.maxReplay) return "packets dropped";
    return { session, given, missed: missed.sort((one, other) => one.index - other.index) };
  }

  /** Removes all sessions and packets. */
  close(): void {
    for (const pid of [...this.#sessions.keys()]) this.#forget(pid);
    for (const { packets } of [...this.#logs.values()]) {
      for (const kept of [...packets]) this.#remove(kept);
    }
    this.#losses.clear();
  }

  /**
   * Drops the oldest packets of a room until one client can receive all remaining packets after a
   * recovery.
   */
  #shorten(log: Log<Packet>): void {
    for (const oldest of log.packets) {
      if (log.length <= this.#bounds.limits.maxReplay) break;
      this.#lose(oldest);
    }
  }

  /**
   * Returns the owner of packets for a room. If the room is named by a socket's id, the owner is
   * the address of the client. Otherwise the owner is the room itself.
   */
  #ownerOf(key: Key): string {
    return this.#addressOfRoom(key) ?? ownerOfRoom(this.#name, key);
  }

  /**
   * Returns the address of the client if the room is named by a socket's id. The address is known
   * while the socket is connected or its session is stored.
   */
  #addressOfRoom(key: Key): string | undefined {
    return key === undefined ? undefined : (this.#addressOf(key) ?? this.#ids.get(key));
  }

  /** Yields the positions of dropped packets that a session may have missed. */
  *#lossesOf({ sid, address }: Session, rooms: ReadonlySet<Room>): Generator<Offset> {
    yield* this.#losses.ofEverybody;
    for (const room of rooms) yield* this.#losses.ofRoom(room);
    if (!this.#losses.hasAddresses) return;
    if (address !== undefined) yield* this.#losses.ofAddress(address);
    for (const room of rooms) {
      if (room === sid) continue;
      const other = this.#addressOfRoom(room);
      // The room may be named by the id of a disconnected socket, whose address is no longer known.
      // In this case, the losses of all addresses are yielded.
      if (other !== undefined || mayBeSocketId(room)) yield* this.#losses.ofAddress(other);
    }
  }

  #forget(pid: string): void {
    const session = this.#take(pid);
    // The session can no longer be recovered, so the losses of the room with its socket id are
    // irrelevant.
    if (session !== undefined) this.#losses.forget(session.sid);
  }

  #take(pid: string): Session | undefined {
    const kept = this.#sessions.get(pid);
    if (kept === undefined) return undefined;
    this.#sessions.delete(pid);
    this.#ids.delete(kept.session.sid);
    this.#expiries.delete(pid);
    this.#bounds.sessions.delete(kept);
    return kept.session;
  }

  #remove(kept: KeptPacket<Packet>): void {
    const { key, packet } = kept;
    const log = this.#logs.get(key);
    if (log?.packets.delete(kept) !== true) return;
    log.length -= packet.length;
    if (log.packets.size === 0) this.#logs.delete(key);
    this.#packetExpiries.delete(kept);
    this.#bounds.packets.delete(kept);
  }

  /** Removes a packet before it expires, and records the loss. */
  #lose(kept: KeptPacket<Packet>): void {
    this.#remove(kept);
    const { key } = kept;
    const { worker, sequence, index } = kept.packet;
    const place: Offset = { worker, sequence, index };
    if (key === undefined) {
      this.#losses.addForEverybody(place);
      return;
    }
    const owner = this.#addressOfRoom(key) ?? kept.owner;
    this.#losses.addForRoom(key, owner, owner !== ownerOfRoom(this.#name, key), place);
  }
}

/** Returns whether a client with this offset has received the packet at a position. */
export function includes(offset: Offset, place: Offset): boolean {
  if (place.index <= offset.index) return true;
  return place.worker === offset.worker && place.sequence <= offset.sequence;
}

/** Returns whether a packet is addressed to a session with these rooms. */
export function concerns(
  packet: { readonly rooms: Iterable<Room>; readonly except: Iterable<Room> },
  rooms: ReadonlySet<Room>,
): boolean {
  for (const room of packet.except) if (rooms.has(room)) return false;
  let forAll = true;
  for (const room of packet.rooms) {
    if (rooms.has(room)) return true;
    forAll = false;
  }
  return forAll;
}
