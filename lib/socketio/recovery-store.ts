// What is kept of one namespace for clients that may come back: sessions, and the packets that they may have missed.
// In one process the adapter has it (recovery.ts), in a cluster the primary.

import { Deadlines } from "../deadlines.ts";
import { mayBeSocketId } from "../generate-id.ts";
import type { RecoveryFailure, Room, SocketId } from "./adapter.ts";
import { FairBound, Kept } from "./fair-bound.ts";
import { LossBounds, Losses, type Offset } from "./losses.ts";
import { valueSize } from "./value-size.ts";

export type { Offset } from "./losses.ts";

/** The options of recovery with their defaults. */
export interface RecoveryLimits {
  /** Milliseconds for which sessions are kept. */
  readonly sessionDuration: number;
  /** Milliseconds for which packets are kept. */
  readonly packetDuration: number;
  /** Sessions of all namespaces. */
  readonly maxSessions: number;
  /** Packets of all namespaces. */
  readonly maxPackets: number;
  /** Bytes of the packets of all namespaces, and of the sessions. */
  readonly maxBytes: number;
  /** Bytes of the packets that one client is sent when it comes back. */
  readonly maxReplay: number;
}

/** What is kept of a socket that has gone. */
export interface StoredSession {
  readonly sid: SocketId;
  readonly pid: string;
  readonly rooms: Iterable<Room>;
  /** The offset at which it began, as text. */
  readonly offset: string;
  /** Where its client came from. */
  readonly address?: string | undefined;
}

/** A packet that clients may have missed. */
export interface StoredPacket extends Offset {
  readonly rooms: Iterable<Room>;
  readonly except: Iterable<Room>;
  /** It is for clients of its worker only. */
  readonly local: boolean;
  /** About as many bytes as it takes while it is kept. */
  readonly size: number;
  /** About as many bytes as it takes while it waits for a client. */
  readonly length: number;
}

/** A session whose client has come back. */
export interface Recovered<Session, Packet> {
  readonly session: Session;
  /** How far the client has received. */
  readonly given: Offset;
  /** In order. */
  readonly missed: readonly Packet[];
}

/** About as many bytes as something takes that is kept, beside its contents, and as one of its rooms does. */
const OVERHEAD = 1024;
const ROOM_OVERHEAD = 64;
const BEGINNING: Offset = { worker: 0, sequence: 0, index: 0 };

/** Returns about as many bytes as something takes that is kept for these rooms. */
export function sizeWith(bytes: number, ...lists: readonly Iterable<Room>[]): number {
  let size = OVERHEAD + bytes;
  for (const rooms of lists) for (const room of rooms) size += ROOM_OVERHEAD + sizeOfRoom(room);
  return size;
}

/** Programs without types may name a room by anything: a number, `null`, an object that a client has sent. */
function sizeOfRoom(room: unknown): number {
  return typeof room === "string" ? 2 * room.length : valueSize(room);
}

/** Returns whose packets those for a room are: each named room has its own, and all other rooms have theirs together. */
function ownerOfRoom(nsp: string, room: unknown): string {
  return `${nsp} ${typeof room === "string" ? room : ""}`;
}

/** The bounds of what all namespaces keep together. */
export class RecoveryBounds {
  readonly limits: RecoveryLimits;
  readonly sessions: FairBound;
  readonly packets: FairBound;
  readonly losses: LossBounds;

  constructor(limits: RecoveryLimits) {
    const { maxSessions, maxPackets, maxBytes } = limits;
    this.limits = limits;
    this.sessions = new FairBound(maxSessions, maxBytes);
    this.packets = new FairBound(maxPackets, maxBytes);
    this.losses = new LossBounds(maxSessions);
  }
}

/** Where the packets of a room are kept; those for several rooms or none stand together. */
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

/** The packets of a room, in order. */
interface Log<Packet extends StoredPacket> {
  readonly packets: Set<KeptPacket<Packet>>;
  /** Of the packets together, while they wait for a client. */
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
  readonly #losses: Losses<Room>;
  readonly #onSessionGivenUp = (pid: string): void => this.#forget(pid);
  readonly #onPacketGivenUp = (kept: KeptPacket<Packet>): void => this.#lose(kept);

  /**
   * @param name of the namespace
   * @param parse reads an offset; returns `undefined` for what is none
   * @param addressOf returns the address of a socket that is connected
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
    // A client that may come back has missed nothing that is older.
    this.#losses = new Losses(bounds.losses, packetDuration);
  }

  /** Sessions that are kept. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Packets that are kept. */
  get packetCount(): number {
    return this.#packetExpiries.size;
  }

  /** Whether a session is kept. */
  has(pid: string): boolean {
    return this.#sessions.has(pid);
  }

  /** Keeps a session for a client that may come back. @param size about as many bytes as it takes */
  keep(session: Session, size: number): void {
    const { pid, sid, address } = session;
    this.#take(pid);
    const kept = new KeptSession(session, size, this.#onSessionGivenUp);
    this.#sessions.set(pid, kept);
    this.#ids.set(sid, address);
    this.#expiries.add(pid);
    this.#bounds.sessions.add(kept);
  }

  /** Keeps a packet. */
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
   * Gives a session, once, with what its client has missed.
   *
   * @param text the client's offset
   * @param last the index of the last packet
   */
  recover(
    pid: string,
    text: string | undefined,
    last: number,
  ): Recovered<Session, Packet> | RecoveryFailure {
    // Once: of two that know the secret, the second is not the client.
    const session = this.#take(pid);
    if (session === undefined) return "unknown session";
    const began = this.#parse(session.offset) ?? BEGINNING;
    // A client that has received nothing yet has no offset, or one of an earlier session.
    const given = text === undefined ? began : this.#parse(text);
    if (given === undefined || given.index > last) return "unknown offset";
    const has = (place: Offset): boolean => includes(given, place) || includes(began, place);
    const rooms = new Set(session.rooms);
    for (const place of this.#lossesOf(session, rooms)) {
      if (!has(place)) return "packets dropped";
    }
    const missed: Packet[] = [];
    let length = 0;
    // A program may have named a room `undefined`.
    for (const key of new Set([undefined, ...rooms])) {
      for (const { packet } of this.#logs.get(key)?.packets ?? []) {
        if (has(packet) || (packet.local && packet.worker !== given.worker)) continue;
        if (!concerns(packet, rooms)) continue;
        missed.push(packet);
        length += packet.length;
      }
    }
    // The client would lose its connection again and again.
    if (length > this.#bounds.limits.maxReplay) return "packets dropped";
    return { session, given, missed: missed.sort((one, other) => one.index - other.index) };
  }

  /** Gives up everything. */
  close(): void {
    for (const pid of [...this.#sessions.keys()]) this.#forget(pid);
    for (const { packets } of [...this.#logs.values()]) {
      for (const kept of [...packets]) this.#remove(kept);
    }
    this.#losses.clear();
  }

  /** Gives up the oldest packets of a room, which no client would be sent. */
  #shorten(log: Log<Packet>): void {
    for (const oldest of log.packets) {
      if (log.length <= this.#bounds.limits.maxReplay) break;
      this.#lose(oldest);
    }
  }

  /** On whose account a packet is kept: that of its client, or of its room. */
  #ownerOf(key: Key): string {
    return this.#addressOfRoom(key) ?? ownerOfRoom(this.#name, key);
  }

  /** The address of the socket whose room it is, while that is connected or may come back. */
  #addressOfRoom(key: Key): string | undefined {
    return key === undefined ? undefined : (this.#addressOf(key) ?? this.#ids.get(key));
  }

  /** Where packets stood that a session may have missed and that were given up. */
  *#lossesOf({ sid, address }: Session, rooms: ReadonlySet<Room>): Generator<Offset> {
    yield* this.#losses.ofEverybody;
    for (const room of rooms) yield* this.#losses.ofRoom(room);
    if (!this.#losses.hasAddresses) return;
    if (address !== undefined) yield* this.#losses.ofAddress(address);
    for (const room of rooms) {
      if (room === sid) continue;
      const other = this.#addressOfRoom(room);
      // The room of a socket that has gone may have been that of any address.
      if (other !== undefined || mayBeSocketId(room)) yield* this.#losses.ofAddress(other);
    }
  }

  #forget(pid: string): void {
    const session = this.#take(pid);
    // Its client does not come back, so what it has missed matters to nobody.
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

  /** Removes a packet before its time. */
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

/** Returns whether a client with this offset has received the packet at a place. */
export function includes(offset: Offset, place: Offset): boolean {
  if (place.index <= offset.index) return true;
  return place.worker === offset.worker && place.sequence <= offset.sequence;
}

/** Returns whether a packet is for a session with these rooms. */
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
