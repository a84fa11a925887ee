// Tracks which sockets are in which rooms, and sends packets to the sockets. This adapter serves a
// single process. An adapter for several processes extends this adapter. The methods have the names
// that socket.io's adapters use.

import type { Packet } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type { AckCallback } from "../events/acknowledgements.ts";
import type { CallListener, Untyped } from "../events/emitter.ts";
import { NodeEmitter } from "../events/node-emitter.ts";
import type { Handshake } from "./handshake.ts";

/** The name of a room. */
export type Room = string;
/** The id of a socket. */
export type SocketId = string;

/**
 * Which sockets receive a broadcast, and how. An immutable value that to(), in(), except() and the
 * flags extend step by step.
 */
export interface BroadcastOptions {
  /**
   * The rooms to send to. A socket in several of these rooms receives the packet once. Empty: all
   * sockets of the namespace.
   */
  readonly rooms: ReadonlySet<Room>;
  /** Sockets in any of these rooms do not receive the packet. */
  readonly except: ReadonlySet<Room>;
  /** How the packet is sent. */
  readonly flags: BroadcastFlags;
}

/** How a packet is sent. */
export interface BroadcastFlags {
  /** Drop the packet for clients whose connection cannot send now. Default: `false`. */
  readonly volatile?: boolean;
  /** Send to clients of this process only. Default: `false`. */
  readonly local?: boolean;
  /** Compress the packet if the transport supports compression. Default: `true`. */
  readonly compress?: boolean;
  /**
   * How long to wait for acknowledgements, in milliseconds. Default: the `ackTimeout` of the
   * adapter.
   */
  readonly timeout?: number;
}

/** A description of a socket of this process or of another process. */
export interface SocketDetails {
  /** The id of the socket. */
  readonly id: SocketId;
  /** The details of the client's handshake. */
  readonly handshake: Handshake;
  /** The rooms that the socket is in. */
  readonly rooms: ReadonlySet<Room>;
  /** The `data` of the socket. */
  readonly data: Untyped;
}

/** The part of a socket of this process that an adapter uses. */
export interface Member extends SocketDetails {
  /**
   * Sends a message that was encoded once for several sockets.
   *
   * @param message the encoded message
   * @param volatile whether to drop the message if the connection cannot send now
   */
  deliver(message: Outgoing, volatile: boolean): void;
  /**
   * Calls the catch-all listeners for outgoing packets.
   *
   * @param packet the packet that is sent
   */
  notifyOutgoingListeners(packet: Packet): void;
  /**
   * Registers a callback for an acknowledgement. The callback receives an error if the socket
   * disconnects first.
   *
   * @param id the acknowledgement id of the packet
   * @param callback receives the acknowledgement or an error, once
   */
  awaitAck(id: number, callback: AckCallback): void;
  /**
   * Stops waiting for an acknowledgement.
   *
   * @param id the acknowledgement id of the packet
   */
  forgetAck(id: number): void;
  /**
   * Adds the socket to a room or to several rooms.
   *
   * @param rooms a room or a list of rooms
   */
  join(rooms: Room | readonly Room[]): void | Promise<void>;
  /**
   * Removes the socket from a room.
   *
   * @param room the name of the room
   */
  leave(room: Room): void | Promise<void>;
  /**
   * Disconnects the socket from its namespace. With `close` the connection is closed, too.
   *
   * @param close whether to close the connection, too. Default: `false`
   */
  disconnect(close?: boolean): unknown;
  /**
   * The session that would be stored if the connection broke now. `undefined` if the client cannot
   * recover its session.
   */
  readonly recoverableSession?: RecoverableSession | undefined;
  /** The connection of the client. */
  readonly conn?: {
    /** The group of IP addresses that the client's address belongs to. */
    readonly addressGroup: string;
  };
}

/** Receives the acknowledgements of a broadcast as they arrive. */
export interface BroadcastAnswers {
  /**
   * Called once with the number of servers that the broadcast is sent to. The first
   * acknowledgements may arrive before this call.
   *
   * @param count the number of servers, including this one
   */
  onServers(count: number): void;
  /**
   * Called once for each server that the broadcast is sent to, with the number of clients of this
   * server that receive the broadcast.
   *
   * @param count the number of clients of one server
   */
  onAsked(count: number): void;
  /**
   * Called for each acknowledgement that a client sends. Called with an error for each client that
   * can no longer acknowledge the broadcast.
   *
   * @param error why the client can no longer acknowledge the broadcast, or `null`
   * @param args the values of the acknowledgement
   */
  onAnswer(error: Error | null, args: readonly unknown[]): void;
  /**
   * Called with the number of clients that can no longer acknowledge the broadcast, and with the
   * reason.
   *
   * @param error why the clients can no longer acknowledge the broadcast
   * @param count the number of clients
   */
  onLost(error: Error, count: number): void;
  /**
   * Called if the number of servers cannot be determined.
   *
   * @param error why the number cannot be determined
   */
  onFailure(error: unknown): void;
}

/**
 * A list of items that were requested from several servers. The property `missing` names the
 * servers that did not answer the request.
 */
export interface Gathered<Item> extends Array<Item> {
  /**
   * The ids of the servers that did not answer. A server without an id is listed as "unknown".
   * Empty if all servers answered.
   */
  readonly missing: readonly string[];
}

/**
 * Adds the property `missing` to a list: the ids of the servers that did not answer. The property
 * is not enumerable, so comparisons of lists ignore it.
 */
export function gathered<Item>(items: Item[], missing: readonly string[] = []): Gathered<Item> {
  return Object.defineProperty(Object.assign(items, { missing }), "missing", { enumerable: false });
}

/** The part of a namespace that an adapter uses. */
export interface AdapterHost {
  /** The name of the namespace, such as "/chat". */
  readonly name: string;
  /** The connected sockets of this process by id. */
  readonly sockets: ReadonlyMap<SocketId, Member>;
  /**
   * Encodes a packet.
   *
   * @param packet the packet to encode
   * @param compress whether to compress the packet if the transport supports compression
   */
  encode(packet: Packet, compress: boolean): Outgoing;
  /** Returns an acknowledgement id that is unique in the namespace. */
  nextAckId(): number;
  /**
   * Calls the namespace's listeners for an event that another server emitted with serverSideEmit().
   *
   * @param event the name and the arguments of the event
   */
  onServerSideEmit(event: ServerSideEvent): void;
  /**
   * How long the sessions of disconnected clients are kept, in milliseconds. `undefined` if
   * connection state recovery is off.
   */
  readonly maxDisconnectionDuration: number | undefined;
  /** The namespace that this object wraps for an adapter written for socket.io. Default: none. */
  readonly namespace?: AdapterHost;
  /**
   * Returns a function that calls the application's callback for an event. Without this method, an
   * error that the callback throws becomes an uncaught exception.
   *
   * @param event the name of the event
   */
  callerOf?(event: string): CallListener;
  /**
   * Closes the old connection of a client that has reconnected to this or another server. The
   * private session id identifies the client.
   *
   * @param pid the private session id of the client
   */
  onReturned?(pid: string): void;
}

/** Why a client that tried to recover its session received a new session instead. */
export type RecoveryFailure =
  /** The session is not stored: it never existed, has expired, or was recovered already. */
  | "unknown session"
  /** The client sent an offset that this server has not issued. */
  | "unknown offset"
  /**
   * Missed packets are no longer stored, or their total size exceeds the part of `maxBackpressure`
   * that may be sent at once.
   */
  | "packets dropped";

/** The state of a disconnected socket that is kept for connection state recovery. */
export interface RecoverableSession {
  /** The id of the socket. */
  readonly sid: SocketId;
  /** The private session id, a secret that the client presents to recover the session. */
  readonly pid: string;
  /** The rooms that the socket was in. */
  readonly rooms: ReadonlySet<Room>;
  /** The `data` of the socket. */
  readonly data: Untyped;
  /**
   * The adapter's `offset` when the session started. Packets up to this offset do not belong to the
   * session.
   */
  readonly offset: string;
  /** The group of IP addresses that the client's address belongs to, if known. */
  readonly address?: string | undefined;
}

/** A stored session together with the packets that its client missed. */
export interface RestoredSession extends RecoverableSession {
  /**
   * Run the middleware even if `skipMiddlewares` is set. An adapter sets this option if the session
   * may belong to another namespace, because the client may then have passed only the middleware of
   * the other namespace. Default: `false`.
   */
  readonly passesMiddleware?: boolean;
  /** The packets that the client missed before the session was restored, in order. */
  readonly missed: readonly Outgoing[];
}

/** An event that one server emits to all other servers: its name and its arguments. */
export type ServerSideEvent = readonly [name: string, ...args: unknown[]];

/**
 * Called once with the responses of the other servers, and with an error if a server did not
 * respond.
 *
 * @param error why a server did not respond, or `null`
 * @param responses one response of each server that responded
 */
export type ServerSideCallback = (error: Error | null, responses: unknown[]) => void;

/** The events of an adapter. */
export interface AdapterEvents {
  /**
   * Emitted when the first socket joins a room.
   *
   * @param room the name of the room
   */
  "create-room": (room: Room) => void;
  /**
   * Emitted when a socket joins a room.
   *
   * @param room the name of the room
   * @param id the id of the socket
   */
  "join-room": (room: Room, id: SocketId) => void;
  /**
   * Emitted when a socket leaves a room.
   *
   * @param room the name of the room
   * @param id the id of the socket
   */
  "leave-room": (room: Room, id: SocketId) => void;
  /**
   * Emitted when the last socket leaves a room.
   *
   * @param room the name of the room
   */
  "delete-room": (room: Room) => void;
  /**
   * Emitted by an adapter for several processes when an operation that the application started
   * fails in the background.
   *
   * @param error what went wrong
   */
  error: (error: Error) => void;
}

/**
 * Tracks the rooms of one namespace in memory, and sends packets to the sockets in them. Extend
 * this class to connect several servers.
 */
export class Adapter extends NodeEmitter<AdapterEvents> {
  /** The namespace that the adapter serves. */
  readonly nsp: AdapterHost;
  private readonly ownRooms = new Map<Room, Set<SocketId>>();
  private readonly ownSids = new Map<SocketId, Set<Room>>();

  /**
   * Creates an adapter. The server calls this constructor for each namespace.
   *
   * @param nsp the namespace that the adapter serves
   */
  constructor(nsp: AdapterHost) {
    super();
    this.nsp = nsp.namespace ?? nsp;
  }

  /** The ids of this process's sockets, by room. */
  get rooms(): Map<Room, Set<SocketId>> {
    return this.ownRooms;
  }

  /** The rooms of each socket of this process, by the id of the socket. */
  get sids(): Map<SocketId, Set<Room>> {
    return this.ownSids;
  }

  /** Called when the namespace starts to use the adapter. */
  init(): void | Promise<void> {}

  /** Called when the namespace stops using the adapter. */
  close(): void | Promise<void> {}

  /**
   * Adds a socket to rooms.
   *
   * @param id the id of the socket
   * @param rooms the names of the rooms
   */
  addAll(id: SocketId, rooms: ReadonlySet<Room>): void | Promise<void> {
    let joined = this.sids.get(id);
    if (joined === undefined) {
      joined = new Set();
      this.sids.set(id, joined);
    }
    for (const room of rooms) {
      // A listener for "create-room" or "join-room" of the previous room may have disconnected the
      // socket.
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

  /**
   * Removes a socket from a room.
   *
   * @param id the id of the socket
   * @param room the name of the room
   */
  del(id: SocketId, room: Room): void | Promise<void> {
    if (this.sids.get(id)?.delete(room)) this.#leave(id, room);
  }

  /**
   * Removes a socket from all rooms.
   *
   * @param id the id of the socket
   */
  delAll(id: SocketId): void {
    // A listener for "leave-room" or "delete-room" may add the socket to further rooms, so the loop
    // uses a copy.
    for (const room of [...(this.sids.get(id) ?? [])]) this.#leave(id, room);
    this.sids.delete(id);
  }

  /**
   * Returns the rooms of a socket, or `undefined` if the socket is in no room.
   *
   * @param id the id of the socket
   */
  socketRooms(id: SocketId): Set<Room> | undefined {
    return this.sids.get(id);
  }

  /**
   * Sends a packet to all sockets that match `options`. The packet is encoded once.
   *
   * @param packet the packet to send
   * @param options which sockets receive the packet, and how it is sent
   */
  broadcast(packet: Packet, options: BroadcastOptions): void {
    this.sendToMembers(packet, options);
  }

  /**
   * Sends a packet to the sockets of this process that match `options`.
   *
   * @param packet the packet to send
   * @param options which sockets receive the packet, and how it is sent
   * @param encoded the encoded packet. Default: the packet is encoded when the first socket matches
   */
  protected sendToMembers(packet: Packet, options: BroadcastOptions, encoded?: Outgoing): void {
    const { compress = true, volatile = false } = options.flags;
    let message = encoded;
    // The listeners that notifyOutgoingListeners() calls may change the rooms, so the receivers are
    // determined before the first listener runs.
    for (const member of this.members(options)) {
      message ??= this.nsp.encode(packet, compress);
      member.notifyOutgoingListeners(packet);
      member.deliver(message, volatile);
    }
  }

  /**
   * Sends a packet that requests acknowledgements to all sockets that match `options`.
   *
   * @param packet the packet to send, with its acknowledgement id
   * @param options which sockets receive the packet, and how it is sent
   * @param answers receives the acknowledgements
   * @returns a function that stops waiting for the missing acknowledgements
   */
  broadcastWithAck(
    packet: Packet & { readonly id: number },
    options: BroadcastOptions,
    answers: BroadcastAnswers,
  ): () => void {
    const members = this.members(options);
    this.broadcast(packet, options);
    const forget = this.awaitAcks(members, packet.id, answers);
    this.countServers(options, answers);
    return forget;
  }

  /**
   * Determines how many servers a broadcast is sent to. With the `local` flag, the broadcast is
   * sent only to this server.
   *
   * @param options the options of the broadcast
   * @param answers receives the number of servers
   */
  protected countServers(options: BroadcastOptions, answers: BroadcastAnswers): void {
    const asked = options.flags.local === true ? Promise.resolve(1) : this.serverCount();
    asked.then(
      (count) => answers.onServers(count),
      (error: unknown) => answers.onFailure(error),
    );
  }

  /**
   * Waits for acknowledgements of clients of this process.
   *
   * @param members the sockets whose acknowledgements are awaited
   * @param id the acknowledgement id of the packet
   * @param answers receives the acknowledgements
   * @returns a function that stops waiting
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
   * How long to wait for the acknowledgements of a broadcast if the application sets no timeout, in
   * milliseconds. Default: `undefined`, which means that the broadcast waits for each client until
   * the client disconnects.
   */
  get ackTimeout(): number | undefined {
    return undefined;
  }

  /** Returns the number of servers that share the namespace. */
  async serverCount(): Promise<number> {
    return 1;
  }

  /**
   * Returns the ids of the sockets in any of the rooms.
   *
   * @param rooms the rooms. Empty: all sockets of the namespace
   */
  async sockets(rooms: ReadonlySet<Room>): Promise<Set<SocketId>> {
    return new Set([...this.#candidates(rooms)].filter((id) => this.nsp.sockets.has(id)));
  }

  /**
   * Returns the sockets of all servers that match `options`. An adapter for several servers may
   * list the servers that did not answer in the property `missing`.
   *
   * @param options which sockets to return
   */
  async fetchSockets(
    options: BroadcastOptions,
  ): Promise<SocketDetails[] | Gathered<SocketDetails>> {
    return this.members(options);
  }

  /**
   * Adds all sockets that match `options` to rooms. An adapter for several servers may return a
   * promise. Await the promise to be sure that the other servers have added their sockets.
   *
   * @param options which sockets to add
   * @param rooms the names of the rooms
   */
  addSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    return allOf(this.members(options).map((member) => member.join(rooms)));
  }

  /**
   * Removes all sockets that match `options` from rooms. An adapter for several servers may return
   * a promise. Await the promise to be sure that the other servers have removed their sockets.
   *
   * @param options which sockets to remove
   * @param rooms the names of the rooms
   */
  delSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    return allOf(
      this.members(options).flatMap((member) => rooms.map((room) => member.leave(room))),
    );
  }

  /**
   * Disconnects all sockets that match `options`.
   *
   * @param options which sockets to disconnect
   * @param close whether to close the connections, too
   */
  disconnectSockets(options: BroadcastOptions, close: boolean): void | Promise<void> {
    for (const member of this.members(options)) member.disconnect(close);
  }

  // The following methods are for connection state recovery, which this adapter does not support.

  /**
   * Sends an event to one socket of this process whose session can be recovered.
   *
   * @param member the socket
   * @param packet the packet of the event
   * @param flags how the packet is sent
   */
  emitTo(member: Member, packet: Packet, flags: BroadcastFlags): void {
    const message = this.nsp.encode(packet, flags.compress ?? true);
    member.notifyOutgoingListeners(packet);
    member.deliver(message, flags.volatile ?? false);
  }

  /** The offset of the last event. An empty string if the adapter does not support recovery. */
  get offset(): string {
    return "";
  }

  /**
   * Stores the session of a disconnected socket.
   *
   * @param _session the state of the socket
   */
  persistSession(_session: RecoverableSession): void | Promise<void> {}

  /**
   * Returns a stored session together with the packets that its client missed since `offset`, or
   * the reason why the session cannot be recovered. A session is returned only once.
   *
   * @param _pid the private session id
   * @param _offset the offset of the last packet that the client received
   */
  restoreSession(
    _pid: string,
    _offset?: string,
  ): RestoredSession | RecoveryFailure | Promise<RestoredSession | RecoveryFailure> {
    return "unknown session";
  }

  /**
   * Ends the recovery of a session. Called when the socket is about to join its rooms again, or
   * when the client has disconnected. Packets that were sent before this call did not reach the
   * socket, because the socket had not joined its rooms.
   *
   * @param session the session that restoreSession() returned
   * @returns the packets that the client missed until now, in order. `undefined` if they are too
   * large to be sent at once
   */
  endRecovery(session: RestoredSession): readonly Outgoing[] | undefined {
    return session.missed;
  }

  /**
   * Emits an event to all other servers. This adapter knows no other servers, so the callback
   * receives no responses.
   *
   * @param _event the name and the arguments of the event
   * @param answered receives the responses. Default: responses are not requested
   */
  serverSideEmit(_event: ServerSideEvent, answered?: ServerSideCallback): void {
    answered?.(null, []);
  }

  /**
   * Returns the sockets of this process that match `options`.
   *
   * @param options which sockets to return
   */
  members({ rooms, except }: BroadcastOptions): Member[] {
    const { sockets } = this.nsp;
    if (rooms.size === 0 && except.size === 0) return [...sockets.values()];
    const excluded = this.#idsIn(except);
    const members: Member[] = [];
    for (const id of this.#candidates(rooms)) {
      const member = excluded.has(id) ? undefined : sockets.get(id);
      if (member !== undefined) members.push(member);
    }
    return members;
  }

  /**
   * Returns whether a socket of this process matches `options`.
   *
   * @param options which sockets to look for
   */
  hasMembers({ rooms, except }: BroadcastOptions): boolean {
    const { sockets } = this.nsp;
    const excluded = this.#idsIn(except);
    for (const id of this.#candidates(rooms)) {
      if (!excluded.has(id) && sockets.has(id)) return true;
    }
    return false;
  }

  /** Returns the ids of the sockets in any of the rooms, or of all sockets if there are no rooms. */
  #candidates(rooms: ReadonlySet<Room>): Iterable<SocketId> {
    return rooms.size === 0 ? this.nsp.sockets.keys() : this.#idsIn(rooms);
  }

  /** Returns the ids of the sockets in any of the rooms. The set of a single room is not copied. */
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
    // A listener for "leave-room" may have removed the last socket. The room is then already
    // deleted.
    if (members.size > 0 || this.rooms.get(room) !== members) return;
    this.rooms.delete(room);
    this.dispatch("delete-room", [room]);
  }
}

/** Waits for the promises among `results`. Returns `undefined` if no result is a promise. */
export function allOf(results: readonly (void | Promise<void>)[]): void | Promise<void> {
  const promises = results.filter((result) => result instanceof Promise);
  if (promises.length > 0) return Promise.all(promises).then(() => {});
}

const NOBODY: ReadonlySet<SocketId> = new Set();
