// What is kept of one namespace for clients that may come back: sessions, and the packets that they may have missed.
// In one process the adapter has it (recovery.ts), in a cluster the primary.

import { Deadlines } from "../deadlines.ts";
import type { RecoveryFailure, Room, SocketId } from "./adapter.ts";
import { FairBound, Kept } from "./fair-bound.ts";
import { valueSize } from "./value-size.ts";

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

/** How far a client has received, and where a packet stands. One process is the worker 0, and has one row of numbers. */
export interface Offset {
  readonly worker: number;
  readonly sequence: number;
  readonly index: number;
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
  readonly losses: FairBound;

  constructor(limits: RecoveryLimits) {
    const { maxSessions, maxPackets, maxBytes } = limits;
    this.limits = limits;
    this.sessions = new FairBound(maxSessions, maxBytes);
    this.packets = new FairBound(maxPackets, maxBytes);
    this.losses = new FairBound(maxSessions, Number.POSITIVE_INFINITY);
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

/** The last packet of each worker for a room that was given up. Those before it were, too. */
class Loss extends Kept {
  readonly places = new Map<number, Offset>();
  readonly size = OVERHEAD;
  readonly owner: string;
  readonly giveUp: () => void;

  constructor(owner: string, giveUp: () => void) {
    super();
    this.owner = owner;
    this.giveUp = giveUp;
  }
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
  readonly #losses = new Map<Key, Loss>();
  readonly #lossExpiries: Deadlines<Key>;
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
    this.#lossExpiries = new Deadlines(packetDuration, (key) => this.#forgetLoss(key));
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
    const missed: Packet[] = [];
    let length = 0;
    // A program may have named a room `undefined`.
    for (const key of new Set([undefined, ...rooms])) {
      if (![...(this.#losses.get(key)?.places.values() ?? [])].every(has)) return "packets dropped";
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
    for (const key of [...this.#losses.keys()]) this.#forgetLoss(key);
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
    const address = key === undefined ? undefined : (this.#addressOf(key) ?? this.#ids.get(key));
    return address ?? ownerOfRoom(this.#name, key);
  }

  #forget(pid: string): void {
    const session = this.#take(pid);
    // Its client does not come back, so what it has missed matters to nobody.
    if (session !== undefined) this.#forgetLoss(session.sid);
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
    this.#noteLoss(kept.key, kept.packet);
  }

  #noteLoss(key: Key, { worker, sequence, index }: Offset): void {
    let loss = this.#losses.get(key);
    if (loss === undefined) {
      loss = new Loss(this.#name, () => this.#generalise(key));
      this.#losses.set(key, loss);
      if (key !== undefined) this.#bounds.losses.add(loss);
    }
    this.#lossExpiries.add(key);
    if (index < (loss.places.get(worker)?.index ?? 0)) return;
    loss.places.set(worker, { worker, sequence, index });
  }

  /** Rooms of which packets are lost are no longer told apart. */
  #generalise(key: Key): void {
    const places = this.#losses.get(key)?.places.values() ?? [];
    this.#forgetLoss(key);
    for (const place of places) this.#noteLoss(undefined, place);
  }

  #forgetLoss(key: Key): void {
    const loss = this.#losses.get(key);
    if (loss === undefined) return;
    this.#losses.delete(key);
    this.#lossExpiries.delete(key);
    this.#bounds.losses.delete(loss);
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
