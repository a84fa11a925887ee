// Who is in which room, and the way to all of them. This one serves one process; the names are
// those that adapters for socket.io have. One for several processes extends it.

import type { Untyped } from "../../protocol/events.ts";
import { EVENT, type EventData, type Packet } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import { NodeEmitter } from "../events.ts";
import type { AckCallback } from "./acks.ts";
import type { Handshake } from "./handshake.ts";

export type Room = string;
export type SocketId = string;

/** Who should receive, and how: a value, built step by step by to(), in(), except() and the flags. */
export interface BroadcastOptions {
  /** None: everybody in the namespace. Several: who is in any of them, once each. */
  readonly rooms: ReadonlySet<Room>;
  readonly except: ReadonlySet<Room>;
  readonly flags: BroadcastFlags;
}

export interface BroadcastFlags {
  /** Dropped for a client that cannot take it now. */
  readonly volatile?: boolean;
  /** Clients of this process only. */
  readonly local?: boolean;
  /** Worth compressing, where the transport can. Default `true`. */
  readonly compress?: boolean;
  /** Milliseconds to wait for acknowledgements. */
  readonly timeout?: number;
}

/** What is known of a socket, of this process or another. */
export interface SocketDetails {
  readonly id: SocketId;
  readonly handshake: Handshake;
  readonly rooms: ReadonlySet<Room>;
  readonly data: Untyped;
}

/** One client of this process as an adapter sees it. */
export interface Member extends SocketDetails {
  /** Sends what was encoded for many. */
  deliver(message: Outgoing, volatile: boolean): void;
  /** Tells its catch-all listeners what is sent. */
  notifyOutgoingListeners(packet: Packet): void;
  /** Awaits an acknowledgement, or the socket's end. */
  awaitAck(id: number, callback: AckCallback): void;
  /** Nothing is awaited any more. */
  forgetAck(id: number): void;
  join(rooms: Room | readonly Room[]): void | Promise<void>;
  leave(room: Room): void | Promise<void>;
  disconnect(close?: boolean): unknown;
}

/** The answers to a broadcast as they come. */
export interface BroadcastAnswers {
  /** So many clients of one process were asked. */
  onAsked(count: number): void;
  /** One has answered, or, with an error, never will. */
  onAnswer(error: Error | null, args: readonly unknown[]): void;
}

/** The namespace as an adapter sees it. */
export interface AdapterHost {
  readonly name: string;
  readonly sockets: ReadonlyMap<SocketId, Member>;
  encode(packet: Packet, compress: boolean): Outgoing;
  /** A number for an acknowledgement that no other of the namespace has. */
  nextAckId(): number;
  /** Tells its listeners of an event that another server has emitted to all others. */
  onServerSideEmit(event: ServerSideEvent): void;
}

/** Why a client that wanted to come back is a new one. */
export type RecoveryFailure =
  /** Its session was never here, is kept no longer, or somebody has come back to it already. */
  | "unknown session"
  /** The offset is not one that this server has given. */
  | "unknown offset"
  /** More has been sent since than `maxPackets`. */
  | "packets dropped";

/** What is kept of a socket that has gone. */
export interface RecoverableSession {
  readonly sid: SocketId;
  readonly pid: string;
  readonly rooms: ReadonlySet<Room>;
  readonly data: Untyped;
  /** The offset at which it began: what came before is not its. */
  readonly offset: string;
}

export interface RestoredSession extends RecoverableSession {
  /** What was sent to its rooms since, in order. */
  readonly missed: readonly Outgoing[];
}

/** What one server emits to all others: an event's name, and its arguments. */
export type ServerSideEvent = readonly [name: string, ...args: unknown[]];

/** Called once with what the other servers answered; with an error where some have not. */
export type ServerSideAnswer = (error: Error | null, responses: unknown[]) => void;

/** What an adapter tells of its rooms. */
export interface AdapterEvents {
  /** A room has its first socket. */
  "create-room": (room: Room) => void;
  "join-room": (room: Room, id: SocketId) => void;
  "leave-room": (room: Room, id: SocketId) => void;
  /** A room has lost its last socket. */
  "delete-room": (room: Room) => void;
}

/** The option `adapter`: a class, or a function that makes one for a namespace. */
export type AdapterFactory = (new (nsp: AdapterHost) => Adapter) | ((nsp: AdapterHost) => Adapter);

/** Makes the adapter of a namespace. */
export function createAdapter(factory: AdapterFactory, nsp: AdapterHost): Adapter {
  return isClass(factory) ? new factory(nsp) : factory(nsp);
}

// Programs for socket.io give functions that may be called with `new`, and arrow functions.
function isClass(factory: AdapterFactory): factory is new (nsp: AdapterHost) => Adapter {
  return factory.prototype !== undefined;
}

export class Adapter extends NodeEmitter<AdapterEvents> {
  readonly nsp: AdapterHost;
  readonly rooms: Map<Room, Set<SocketId>> = new Map();
  readonly sids: Map<SocketId, Set<Room>> = new Map();

  constructor(nsp: AdapterHost) {
    super();
    this.nsp = nsp;
  }

  /** Called when its namespace begins to use it. */
  init(): void | Promise<void> {}

  /** Called when its namespace uses it no more. */
  close(): void | Promise<void> {}

  /** Puts a socket into rooms. */
  addAll(id: SocketId, rooms: ReadonlySet<Room>): void | Promise<void> {
    let joined = this.sids.get(id);
    if (joined === undefined) {
      joined = new Set();
      this.sids.set(id, joined);
    }
    for (const room of rooms) {
      if (joined.has(room)) continue;
      joined.add(room);
      const members = this.rooms.get(room);
      if (members === undefined) {
        this.rooms.set(room, new Set([id]));
        this.dispatch("create-room", [room]);
      } else {
        members.add(id);
      }
      this.dispatch("join-room", [room, id]);
    }
  }

  /** Takes a socket out of a room. */
  del(id: SocketId, room: Room): void | Promise<void> {
    if (this.sids.get(id)?.delete(room)) this.#leave(id, room);
  }

  /** Takes a socket out of all rooms. */
  delAll(id: SocketId): void {
    for (const room of this.sids.get(id) ?? []) this.#leave(id, room);
    this.sids.delete(id);
  }

  /** The rooms of a socket, or `undefined` for one that is in none. */
  socketRooms(id: SocketId): Set<Room> | undefined {
    return this.sids.get(id);
  }

  /** Sends a packet, encoded once, to all whom `options` means. */
  broadcast(packet: Packet, options: BroadcastOptions): void {
    this.sendToMembers(packet, options);
  }

  /**
   * Sends a packet to those in this process whom `options` means.
   *
   * @param encoded the packet, where it is encoded already; otherwise it is when it has a receiver
   */
  protected sendToMembers(packet: Packet, options: BroadcastOptions, encoded?: Outgoing): void {
    const { compress = true, volatile = false } = options.flags;
    let message = encoded;
    for (const member of this.members(options)) {
      message ??= this.nsp.encode(packet, compress);
      member.notifyOutgoingListeners(packet);
      member.deliver(message, volatile);
    }
  }

  /**
   * Sends a packet that asks for acknowledgements to all whom `options` means.
   *
   * @returns what ends the wait for those that are still to come
   */
  broadcastWithAck(
    packet: Packet & { readonly id: number },
    options: BroadcastOptions,
    answers: BroadcastAnswers,
  ): () => void {
    const members = [...this.members(options)];
    this.broadcast(packet, options);
    for (const member of members) {
      member.awaitAck(packet.id, (error, args) => answers.onAnswer(error, args));
    }
    answers.onAsked(members.length);
    return () => {
      for (const member of members) member.forgetAck(packet.id);
    };
  }

  /** How many processes share the namespace. */
  async serverCount(): Promise<number> {
    return 1;
  }

  /** The ids of those who are in any of the rooms; everybody's for no rooms. */
  async sockets(rooms: ReadonlySet<Room>): Promise<Set<SocketId>> {
    const ids = rooms.size === 0 ? this.nsp.sockets.keys() : this.#idsIn(rooms);
    return new Set([...ids].filter((id) => this.nsp.sockets.has(id)));
  }

  /** The sockets that `options` means, of all processes. */
  async fetchSockets(options: BroadcastOptions): Promise<SocketDetails[]> {
    return [...this.members(options)];
  }

  /** Puts all whom `options` means into rooms. */
  addSockets(options: BroadcastOptions, rooms: readonly Room[]): void {
    for (const member of [...this.members(options)]) void member.join(rooms);
  }

  /** Takes all whom `options` means out of rooms. */
  delSockets(options: BroadcastOptions, rooms: readonly Room[]): void {
    for (const member of [...this.members(options)]) {
      for (const room of rooms) void member.leave(room);
    }
  }

  /** Disconnects all whom `options` means; with `close` their connections too. */
  disconnectSockets(options: BroadcastOptions, close: boolean): void {
    for (const member of [...this.members(options)]) member.disconnect(close);
  }

  // Connection state recovery; this adapter has none.

  /** Prepares an event for clients that may miss it, and encodes it. */
  stamp(data: EventData, { flags }: BroadcastOptions): { data: EventData; message: Outgoing } {
    const packet: Packet = { type: EVENT, namespace: this.nsp.name, data };
    return { data, message: this.nsp.encode(packet, flags.compress ?? true) };
  }

  /** How far its events have come. */
  get offset(): string {
    return "";
  }

  /** Keeps what a socket was that has gone. */
  persistSession(_session: RecoverableSession): void | Promise<void> {}

  /** Gives back what was kept, once, with what was missed since `offset`; or why it cannot. */
  restoreSession(
    _pid: string,
    _offset?: string,
  ): RestoredSession | RecoveryFailure | Promise<RestoredSession | RecoveryFailure> {
    return "unknown session";
  }

  /**
   * Tells all other servers of an event. This one knows of none, so nobody hears it and nobody
   * answers.
   */
  serverSideEmit(_event: ServerSideEvent, answered?: ServerSideAnswer): void {
    answered?.(null, []);
  }

  /** The sockets of this process whom `options` means, each once. */
  *members({ rooms, except }: BroadcastOptions): Generator<Member> {
    const { sockets } = this.nsp;
    const excluded = this.#idsIn(except);
    for (const id of rooms.size === 0 ? sockets.keys() : this.#idsIn(rooms)) {
      const member = excluded.has(id) ? undefined : sockets.get(id);
      if (member !== undefined) yield member;
    }
  }

  /** A room that exists is given as it is; several are joined. */
  #idsIn(rooms: ReadonlySet<Room>): ReadonlySet<SocketId> {
    const sets: Set<SocketId>[] = [];
    for (const room of rooms) {
      const ids = this.rooms.get(room);
      if (ids !== undefined) sets.push(ids);
    }
    const [only] = sets;
    if (sets.length <= 1) return only ?? NOBODY;
    return new Set(sets.flatMap((ids) => [...ids]));
  }

  #leave(id: SocketId, room: Room): void {
    const members = this.rooms.get(room);
    if (!members?.delete(id)) return;
    this.dispatch("leave-room", [room, id]);
    // Its last one may have gone meanwhile, with the listener's help.
    if (members.size > 0 || this.rooms.get(room) !== members) return;
    this.rooms.delete(room);
    this.dispatch("delete-room", [room]);
  }
}

const NOBODY: ReadonlySet<SocketId> = new Set();
