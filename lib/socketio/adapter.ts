// Who is in which room, and the way to all of them. This one serves one process; the names are
// those that adapters for socket.io have. One for several processes extends it.

import type { Packet } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type { AckCallback } from "../events/acknowledgements.ts";
import type { CallListener, Untyped } from "../events/emitter.ts";
import { NodeEmitter } from "../events/node-emitter.ts";
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
  /** What would be kept if its connection broke now; `undefined` where its client cannot come back. */
  readonly recoverableSession?: RecoverableSession | undefined;
  /** The connection, which says where the client came from. */
  readonly conn?: { readonly addressGroup: string };
}

/** The answers to a broadcast as they come. */
export interface BroadcastAnswers {
  /** So many processes were asked. Called once, before or after their first answers. */
  onServers(count: number): void;
  /** So many clients of one process were asked. */
  onAsked(count: number): void;
  /** One has answered, or, with an error, never will. */
  onAnswer(error: Error | null, args: readonly unknown[]): void;
  /** So many of those that were asked never will answer. */
  onLost(error: Error, count: number): void;
  /** It is not known how many processes were asked. */
  onFailure(error: unknown): void;
}

/** What several processes have sent, and which of them have not. */
export interface Gathered<Item> extends Array<Item> {
  /**
   * The processes that have not answered, by their ids, or "unknown" for one without an id. Empty when
   * all have.
   */
  readonly missing: readonly string[];
}

/** Adds to a list which processes have not answered. Comparisons of lists do not see it. */
export function gathered<Item>(items: Item[], missing: readonly string[] = []): Gathered<Item> {
  return Object.defineProperty(Object.assign(items, { missing }), "missing", { enumerable: false });
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
  /** Milliseconds for which sessions are kept; `undefined` where clients cannot recover. */
  readonly maxDisconnectionDuration: number | undefined;
  /** The namespace itself, where an adapter is given something else that stands for it. */
  readonly namespace?: AdapterHost;
  /** Returns how the callback of an event is called. Default: what it throws surfaces as an uncaught error. */
  callerOf?(event: string): CallListener;
  /** Ends the connection of a client that has come back with this secret, here or to another server. */
  onReturned?(pid: string): void;
}

/** Why a client that wanted to come back is a new one. */
export type RecoveryFailure =
  /** Its session was never here, is kept no longer, or somebody has come back to it already. */
  | "unknown session"
  /** The offset is not one that this server has given. */
  | "unknown offset"
  /** What has been sent since was too much to be kept, or is more than `maxBackpressure` lets the client be sent at once. */
  | "packets dropped";

/** What is kept of a socket that has gone. */
export interface RecoverableSession {
  readonly sid: SocketId;
  readonly pid: string;
  readonly rooms: ReadonlySet<Room>;
  readonly data: Untyped;
  /** The offset at which it began: what came before is not its. */
  readonly offset: string;
  /** The group of addresses that its client came from, if that is known. */
  readonly address?: string | undefined;
}

export interface RestoredSession extends RecoverableSession {
  /**
   * The session may be of another namespace, so its client passes the middleware of this one, also with
   * `skipMiddlewares`. Default: `false`.
   */
  readonly passesMiddleware?: boolean;
  /** What was sent to its rooms until it was restored, in order. */
  readonly missed: readonly Outgoing[];
}

/** What one server emits to all others: an event's name, and its arguments. */
export type ServerSideEvent = readonly [name: string, ...args: unknown[]];

/** Called once with what the other servers answered; with an error where some have not. */
export type ServerSideCallback = (error: Error | null, responses: unknown[]) => void;

/** What an adapter tells of its rooms. */
export interface AdapterEvents {
  /** A room has its first socket. */
  "create-room": (room: Room) => void;
  "join-room": (room: Room, id: SocketId) => void;
  "leave-room": (room: Room, id: SocketId) => void;
  /** A room has lost its last socket. */
  "delete-room": (room: Room) => void;
  /** Emitted by an adapter over several processes when something failed that it did for the program. */
  error: (error: Error) => void;
}

export class Adapter extends NodeEmitter<AdapterEvents> {
  readonly nsp: AdapterHost;
  private readonly ownRooms = new Map<Room, Set<SocketId>>();
  private readonly ownSids = new Map<SocketId, Set<Room>>();

  constructor(nsp: AdapterHost) {
    super();
    this.nsp = nsp.namespace ?? nsp;
  }

  /** The sockets of this process in each room. */
  get rooms(): Map<Room, Set<SocketId>> {
    return this.ownRooms;
  }

  /** The rooms of each socket of this process. */
  get sids(): Map<SocketId, Set<Room>> {
    return this.ownSids;
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
      // A listener of the room before may have disconnected the socket.
      if (this.sids.get(id) !== joined) return;
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
    // Listeners may have it join others.
    for (const room of [...(this.sids.get(id) ?? [])]) this.#leave(id, room);
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
    // Listeners may change the rooms. Who receives is decided at the call.
    for (const member of [...this.members(options)]) {
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
    const forget = this.awaitAcks(members, packet.id, answers);
    this.countServers(options, answers);
    return forget;
  }

  /** Counts the servers that answer. For clients of this server only, no other does. */
  protected countServers(options: BroadcastOptions, answers: BroadcastAnswers): void {
    const asked = options.flags.local === true ? Promise.resolve(1) : this.serverCount();
    asked.then(
      (count) => answers.onServers(count),
      (error: unknown) => answers.onFailure(error),
    );
  }

  /**
   * Awaits the acknowledgements of clients of this process.
   *
   * @returns what ends the wait
   */
  protected awaitAcks(
    members: readonly Member[],
    id: number,
    { onAsked, onAnswer }: Pick<BroadcastAnswers, "onAsked" | "onAnswer">,
  ): () => void {
    for (const member of members) member.awaitAck(id, (error, args) => onAnswer(error, args));
    onAsked(members.length);
    return () => {
      for (const member of members) member.forgetAck(id);
    };
  }

  /**
   * How long the acknowledgements of a broadcast are awaited where the program does not say, in
   * milliseconds. Default: as long as the clients are there.
   */
  get ackTimeout(): number | undefined {
    return undefined;
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

  /** The sockets that `options` means, of all processes. One over several may know of some that did not answer. */
  async fetchSockets(
    options: BroadcastOptions,
  ): Promise<SocketDetails[] | Gathered<SocketDetails>> {
    return [...this.members(options)];
  }

  /** Puts all whom `options` means into rooms. To be awaited where others are to have done it. */
  addSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    return allOf([...this.members(options)].map((member) => member.join(rooms)));
  }

  /** Takes all whom `options` means out of rooms. To be awaited where others are to have done it. */
  delSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    return allOf(
      [...this.members(options)].flatMap((member) => rooms.map((room) => member.leave(room))),
    );
  }

  /** Disconnects all whom `options` means; with `close` their connections too. */
  disconnectSockets(options: BroadcastOptions, close: boolean): void | Promise<void> {
    for (const member of [...this.members(options)]) member.disconnect(close);
  }

  // Connection state recovery; this adapter has none.

  /** Sends an event to one socket of this process that may recover. */
  emitTo(member: Member, packet: Packet, flags: BroadcastFlags): void {
    const message = this.nsp.encode(packet, flags.compress ?? true);
    member.notifyOutgoingListeners(packet);
    member.deliver(message, flags.volatile ?? false);
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
   * The client of a session that was restored is put into its rooms now, or has gone. What it is sent until this call does
   * not reach it by itself.
   *
   * @returns what it has missed until now, in order; `undefined` if that is more than it may be sent at once
   */
  endReturn(session: RestoredSession): readonly Outgoing[] | undefined {
    return session.missed;
  }

  /**
   * Tells all other servers of an event. This one knows of none, so nobody hears it and nobody
   * answers.
   */
  serverSideEmit(_event: ServerSideEvent, answered?: ServerSideCallback): void {
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

/** Waits for those that take time. Nothing is awaited where none does. */
export function allOf(results: readonly (void | Promise<void>)[]): void | Promise<void> {
  const promises = results.filter((result) => result instanceof Promise);
  if (promises.length > 0) return Promise.all(promises).then(() => {});
}

const NOBODY: ReadonlySet<SocketId> = new Set();
