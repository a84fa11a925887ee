// Runs adapters that were written for socket.io: classes that extend those of the package
// socket.io-adapter, such as the classes of @socket.io/redis-adapter. This file calls them stock
// adapters. Stock adapters run unchanged. Each stock adapter runs between two classes of this file:
//
//   namespace ── calls ──▶ StockAdapter ── calls ──▶ stock adapter ── calls ──▶ StockNamespace
//       ▲                  (an Adapter of this      (written for               (looks like a
//       │                   package)                 socket.io)                 socket.io namespace)
//       └──────────────────────────────────────────────────────────────────────────┘
//
// Rule: no other file depends on how stock adapters work. This file provides all members of a
// namespace and of its sockets that stock adapters use. The sources of the stock adapters were
// searched for these members (socket.io-adapter 2.5, redis-adapter 8.3, redis-streams-adapter 0.3,
// cluster-adapter 0.3, mongo-adapter 0.4, postgres-adapter 0.5).

import type { Bytes } from "../../protocol/bytes.ts";
import { SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { BINARY_EVENT, EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import { fromPacket, type ParserPacket, toPacket } from "../../protocol/socketio/parser.ts";
import { ProtocolError } from "../../protocol/socketio/rules.ts";
import { Outgoing, textMessage } from "../engineio/outgoing.ts";
import type { AckCallback } from "../events/acknowledgements.ts";
import type { Listener, Untyped } from "../events/emitter.ts";
import { isThenable } from "../events/thenable.ts";
import {
  Adapter,
  type AdapterHost,
  type BroadcastAnswers,
  type BroadcastFlags,
  type BroadcastOptions,
  type Member,
  type RecoverableSession,
  type RecoveryFailure,
  type RestoredSession,
  type Room,
  type ServerSideCallback,
  type ServerSideEvent,
  type SocketDetails,
  type SocketId,
} from "./adapter.ts";
import type { Handshake } from "./handshake.ts";

/**
 * A packet in the form that stock adapters use. Stock adapters change the packet: they set `nsp`
 * and `id`, and append an offset to `data`.
 */
export interface StockPacket {
  /** The type of the packet. */
  type: number;
  /** The name of the namespace. */
  nsp: string;
  /** The name and the arguments of the event. */
  data?: unknown;
  /** The acknowledgement id, if an acknowledgement is requested. */
  id?: number | undefined;
}

/** Which sockets receive a packet, and how. */
export interface StockOptions {
  /** The rooms to send to. Empty: all sockets of the namespace. */
  rooms: Set<Room>;
  /** Sockets in any of these rooms do not receive the packet. */
  except: Set<Room>;
  /** How the packet is sent. */
  flags: BroadcastFlags;
}

/** The state of a disconnected socket that a stock adapter stores. */
export interface StockSession {
  /** The id of the socket. */
  readonly sid: SocketId;
  /** The private session id. */
  readonly pid: string;
  /** The rooms that the socket was in. */
  readonly rooms: Room[];
  /** The `data` of the socket. */
  readonly data: unknown;
}

/** The part of an adapter for socket.io that the server calls. */
export interface StockAdapterLike {
  /** The ids of this process's sockets, by room. */
  readonly rooms: Map<Room, Set<SocketId>>;
  /** The rooms of each socket of this process, by the id of the socket. */
  readonly sids: Map<SocketId, Set<Room>>;
  /**
   * Adds a listener.
   *
   * @param event the name of the event
   * @param listener the listener to add
   */
  on(event: string, listener: Listener): unknown;
  /** Starts the adapter. */
  init(): void | Promise<void>;
  /** Stops the adapter. */
  close(): void | Promise<void>;
  /** Returns the number of servers. */
  serverCount(): Promise<number>;
  /**
   * Adds a socket to rooms.
   *
   * @param id the id of the socket
   * @param rooms the names of the rooms
   */
  addAll(id: SocketId, rooms: Set<Room>): void | Promise<void>;
  /**
   * Removes a socket from a room.
   *
   * @param id the id of the socket
   * @param room the name of the room
   */
  del(id: SocketId, room: Room): void | Promise<void>;
  /**
   * Removes a socket from all rooms.
   *
   * @param id the id of the socket
   */
  delAll(id: SocketId): void;
  /**
   * Returns the rooms of a socket.
   *
   * @param id the id of the socket
   */
  socketRooms(id: SocketId): Set<Room> | undefined;
  /**
   * Sends a packet to the matching sockets.
   *
   * @param packet the packet to send
   * @param options which sockets receive the packet, and how it is sent
   */
  broadcast(packet: StockPacket, options: StockOptions): unknown;
  /**
   * Sends a packet to the matching sockets and collects their acknowledgements.
   *
   * @param packet the packet to send
   * @param options which sockets receive the packet, and how it is sent
   * @param clientCountCallback receives the number of clients that the packet was sent to
   * @param ack receives each acknowledgement
   */
  broadcastWithAck(
    packet: StockPacket,
    options: StockOptions,
    clientCountCallback: (count: number) => void,
    ack: (...args: Untyped[]) => void,
  ): unknown;
  /**
   * Returns the matching sockets.
   *
   * @param options which sockets to return
   */
  fetchSockets(options: StockOptions): Promise<Untyped>;
  /**
   * Adds the matching sockets to rooms.
   *
   * @param options which sockets to add
   * @param rooms the names of the rooms
   */
  addSockets(options: StockOptions, rooms: Room[]): unknown;
  /**
   * Removes the matching sockets from rooms.
   *
   * @param options which sockets to remove
   * @param rooms the names of the rooms
   */
  delSockets(options: StockOptions, rooms: Room[]): unknown;
  /**
   * Disconnects the matching sockets.
   *
   * @param options which sockets to disconnect
   * @param close whether to close their connections, too
   */
  disconnectSockets(options: StockOptions, close: boolean): unknown;
  /**
   * Emits an event to the other servers.
   *
   * @param packet the name and the arguments of the event, and perhaps a callback for the responses
   */
  serverSideEmit(packet: Untyped[]): unknown;
  /**
   * Stores the session of a disconnected socket.
   *
   * @param session the state of the socket
   */
  persistSession(session: StockSession): unknown;
  /**
   * Returns a stored session with the packets that its client missed.
   *
   * @param pid the private session id of the client
   * @param offset the offset of the last packet that the client received
   */
  restoreSession(pid: string, offset: string): Untyped;
}

/** The methods that an adapter for socket.io must have. */
const METHODS: Readonly<Record<Exclude<keyof StockAdapterLike, "rooms" | "sids">, true>> = {
  addAll: true,
  addSockets: true,
  broadcast: true,
  broadcastWithAck: true,
  close: true,
  del: true,
  delAll: true,
  delSockets: true,
  disconnectSockets: true,
  fetchSockets: true,
  init: true,
  on: true,
  persistSession: true,
  restoreSession: true,
  serverCount: true,
  serverSideEmit: true,
  socketRooms: true,
};

/** The names of the methods that an adapter for socket.io must have. */
export const STOCK_METHODS: readonly string[] = Object.keys(METHODS);

/**
 * How long to wait for the acknowledgements of a broadcast if the application sets no timeout, in
 * milliseconds. Stock adapters discard a request after its timeout, and are not notified when
 * clients of other servers disconnect.
 */
const ACK_TIMEOUT = 60_000;

/** Adapts a stock adapter to the interface that a namespace uses. */
export class StockAdapter extends Adapter {
  readonly #stock: StockAdapterLike;
  readonly #forwarded = new Set<string>();

  constructor(nsp: AdapterHost, stock: StockAdapterLike) {
    super(nsp);
    this.#stock = stock;
    this.#showMembers();
  }

  override get rooms(): Map<Room, Set<SocketId>> {
    return this.#stock.rooms;
  }

  override get sids(): Map<SocketId, Set<Room>> {
    return this.#stock.sids;
  }

  override get ackTimeout(): number {
    return ACK_TIMEOUT;
  }

  override init(): void | Promise<void> {
    return this.#stock.init();
  }

  override close(): void | Promise<void> {
    return this.#stock.close();
  }

  override serverCount(): Promise<number> {
    return this.#stock.serverCount();
  }

  override addAll(id: SocketId, rooms: ReadonlySet<Room>): void | Promise<void> {
    return this.#stock.addAll(id, new Set(rooms));
  }

  override del(id: SocketId, room: Room): void | Promise<void> {
    return this.#stock.del(id, room);
  }

  override delAll(id: SocketId): void {
    this.#stock.delAll(id);
  }

  override socketRooms(id: SocketId): Set<Room> | undefined {
    return this.#stock.socketRooms(id);
  }

  override broadcast(packet: Packet, options: BroadcastOptions): void {
    this.#stock.broadcast(toStockPacket(packet), toStockOptions(options));
  }

  override broadcastWithAck(
    packet: Packet & { readonly id: number },
    options: BroadcastOptions,
    answers: BroadcastAnswers,
  ): () => void {
    const request = new AckRequest(answers);
    this.#stock.broadcastWithAck(
      toStockPacket(packet),
      toStockOptions(options),
      (count) => request.onAsked(count),
      request.ack,
    );
    this.countServers(options, answers);
    return () => request.end();
  }

  /**
   * sockets() of a stock adapter returns only the sockets of this server. Therefore this method
   * uses fetchSockets().
   */
  override async sockets(rooms: ReadonlySet<Room>): Promise<Set<SocketId>> {
    const sockets = await this.fetchSockets({ rooms, except: new Set(), flags: {} });
    return new Set(sockets.map(({ id }) => id));
  }

  override async fetchSockets(options: BroadcastOptions): Promise<SocketDetails[]> {
    const sockets: unknown = await this.#stock.fetchSockets(toStockOptions(options));
    return Array.isArray(sockets) ? sockets.flatMap(toDetails) : [];
  }

  override addSockets(options: BroadcastOptions, rooms: readonly Room[]): void {
    this.#stock.addSockets(toStockOptions(options), [...rooms]);
  }

  override delSockets(options: BroadcastOptions, rooms: readonly Room[]): void {
    this.#stock.delSockets(toStockOptions(options), [...rooms]);
  }

  override disconnectSockets(options: BroadcastOptions, close: boolean): void {
    this.#stock.disconnectSockets(toStockOptions(options), close);
  }

  override serverSideEmit(event: ServerSideEvent, answered?: ServerSideCallback): void {
    if (answered === undefined) {
      this.#stock.serverSideEmit([...event]);
      return;
    }
    const emitted = this.#stock.serverSideEmit([...event, answered]);
    // The promise may reject before the event was sent to any server. The callback then receives
    // the error.
    if (isThenable(emitted)) {
      Promise.resolve(emitted).then(undefined, (error: unknown) => answered(toError(error), []));
    }
  }

  /**
   * Broadcasts to the room of the socket's id, as socket.io does, because stock adapters store only
   * broadcasts. If the socket is not in that room, the packet is sent to the socket directly and
   * not stored.
   */
  override emitTo(member: Member, packet: Packet, flags: BroadcastFlags): void {
    const { id } = member;
    if (this.socketRooms(id)?.has(id) === true && this.nsp.sockets.has(id)) {
      this.broadcast(packet, { rooms: new Set([id]), except: new Set(), flags });
    } else {
      super.emitTo(member, packet, flags);
    }
  }

  override persistSession({ sid, pid, rooms, data }: RecoverableSession): void {
    this.#stock.persistSession({ sid, pid, rooms: [...rooms], data });
  }

  override async restoreSession(
    pid: string,
    offset?: string,
  ): Promise<RestoredSession | RecoveryFailure> {
    if (offset === undefined) return "unknown offset";
    try {
      return this.#toRestored(await this.#stock.restoreSession(pid, offset)) ?? "unknown session";
    } catch {
      // restoreSession() of a stock adapter rejects for an unknown session.
      return "unknown session";
    }
  }

  /**
   * Adds a listener. The first listener for an event subscribes to that event of the stock adapter.
   */
  protected override insert(event: string, listener: Listener, first: boolean): this {
    super.insert(event, listener, first);
    if (!this.#forwarded.has(event)) {
      this.#forwarded.add(event);
      this.#stock.on(event, (...args) => this.dispatch(event, args));
    }
    return this;
  }

  #toRestored(session: Untyped): RestoredSession | undefined {
    const { sid, pid, rooms, data, missedPackets } = Object(session);
    if (typeof sid !== "string" || typeof pid !== "string") return undefined;
    const namespace = this.nsp.name;
    const missed = listOf(missedPackets).flatMap((event) => {
      const packet = toEvent({ type: EVENT, nsp: namespace, data: event });
      return packet === undefined ? [] : [this.nsp.encode(packet, true)];
    });
    return { sid, pid, rooms: new Set(listOf(rooms)), data, offset: "", missed };
  }

  /** Exposes the members that only the stock adapter has, such as allRooms(). */
  #showMembers(): void {
    const stock: object = this.#stock;
    for (const name of membersOf(stock)) {
      if (name in this) continue;
      Object.defineProperty(this, name, {
        configurable: true,
        get: (): unknown => {
          const member: unknown = Reflect.get(stock, name);
          return typeof member === "function" ? member.bind(stock) : member;
        },
      });
    }
  }
}

/** The pending acknowledgements of one broadcast. */
class AckRequest {
  /** Called for each acknowledgement of a client of any server. */
  readonly ack = (...args: unknown[]): void => {
    this.#answers?.onAnswer(null, args);
  };
  #answers: BroadcastAnswers | undefined;
  readonly #awaited: [member: Member, id: number][] = [];

  constructor(answers: BroadcastAnswers) {
    this.#answers = answers;
    REQUESTS.set(this.ack, this);
  }

  onAsked(count: number): void {
    this.#answers?.onAsked(count);
  }

  /** Waits for the acknowledgement of a socket of this server. */
  await(member: Member, id: number): void {
    this.#awaited.push([member, id]);
    member.awaitAck(id, (error, args) => this.#answers?.onAnswer(error, args));
  }

  /** Stops waiting for all acknowledgements. */
  end(): void {
    this.#answers = undefined;
    for (const [member, id] of this.#awaited) member.forgetAck(id);
  }
}

/**
 * The requests of this server, by the function that the stock adapter calls for each
 * acknowledgement.
 */
const REQUESTS = new WeakMap<Listener, AckRequest>();

/** A namespace in the form that stock adapters use. */
export class StockNamespace implements AdapterHost {
  readonly namespace: AdapterHost;
  readonly sockets: StockSockets;
  readonly server: StockServer;

  constructor(namespace: AdapterHost) {
    this.namespace = namespace;
    this.sockets = new StockSockets(namespace);
    this.server = new StockServer(namespace);
  }

  get name(): string {
    return this.namespace.name;
  }

  get maxDisconnectionDuration(): number | undefined {
    return this.namespace.maxDisconnectionDuration;
  }

  /** The next acknowledgement id. Stock adapters read it as `_ids++`. */
  get _ids(): number {
    return this.namespace.nextAckId();
  }

  set _ids(_next: number) {
    // Nothing to do, because reading the property has already increased the id.
  }

  _onServerSideEmit(args: unknown): void {
    const [event, ...rest] = listOf(args);
    // The type of the name is checked, because the arguments come from another server.
    if (typeof event === "string") this.namespace.onServerSideEmit([event, ...rest]);
  }

  encode(packet: Packet, compress: boolean): Outgoing {
    return this.namespace.encode(packet, compress);
  }

  nextAckId(): number {
    return this.namespace.nextAckId();
  }

  onServerSideEmit(event: ServerSideEvent): void {
    this.namespace.onServerSideEmit(event);
  }
}

/** `namespace.server` in the form that stock adapters use. */
class StockServer {
  readonly encoder: { encode(packet: unknown): (string | Bytes)[] };
  readonly opts: { readonly connectionStateRecovery?: object };

  constructor(host: AdapterHost) {
    const { maxDisconnectionDuration } = host;
    this.encoder = { encode: (packet) => encodeFor(host, packet) };
    this.opts =
      maxDisconnectionDuration === undefined
        ? {}
        : { connectionStateRecovery: { maxDisconnectionDuration } };
  }
}

/**
 * Encodes a packet into messages. Returns an empty list for an invalid packet, which another server
 * may have sent.
 */
function encodeFor(host: AdapterHost, stockPacket: unknown): (string | Bytes)[] {
  const packet = toEvent(stockPacket);
  if (packet === undefined) return [];
  const { packets, isDroppable } = host.encode(packet, true);
  // Removes the Engine.IO packet type from text messages. writeToEngine() adds it again.
  const encoded = packets.map((each) => (typeof each === "string" ? each.slice(1) : each));
  if (isDroppable) DROPPABLE.add(encoded);
  return encoded;
}

/** Encoded events that may be dropped. */
const DROPPABLE = new WeakSet<readonly (string | Bytes)[]>();

/**
 * The outgoing messages by encoded broadcast. All receivers of a broadcast have the same options
 * and share its outgoing message, so each broadcast is encoded once for each kind of transport.
 */
const ENCODED = new WeakMap<readonly (string | Bytes)[], Outgoing>();

function outgoingOf(encoded: readonly (string | Bytes)[], compress: boolean): Outgoing {
  const known = ENCODED.get(encoded);
  if (known !== undefined) return known;
  const packets = encoded.map((message) =>
    typeof message === "string" ? textMessage(message) : message,
  );
  const outgoing = new Outgoing(packets, compress, DROPPABLE.has(encoded));
  ENCODED.set(encoded, outgoing);
  return outgoing;
}

// Older versions of TypeScript have no name for the iterators of a map, so their types are derived
// from this type.
type SocketMap = ReadonlyMap<SocketId, StockSocket>;

/** `namespace.sockets` in the form that stock adapters use. */
class StockSockets implements ReadonlyMap<SocketId, StockSocket> {
  readonly #host: AdapterHost;
  readonly #known = new WeakMap<Member, StockSocket>();

  constructor(host: AdapterHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#host.sockets.size;
  }

  get(id: SocketId): StockSocket | undefined {
    const member = this.#host.sockets.get(id);
    return member && this.#show(member);
  }

  has(id: SocketId): boolean {
    return this.#host.sockets.has(id);
  }

  keys(): ReturnType<SocketMap["keys"]> {
    return this.#copy().keys();
  }

  values(): ReturnType<SocketMap["values"]> {
    return this.#copy().values();
  }

  entries(): ReturnType<SocketMap["entries"]> {
    return this.#copy().entries();
  }

  [Symbol.iterator](): ReturnType<SocketMap["entries"]> {
    return this.entries();
  }

  forEach(
    callback: (
      socket: StockSocket,
      id: SocketId,
      sockets: ReadonlyMap<SocketId, StockSocket>,
    ) => void,
  ): void {
    for (const [id, socket] of this.#copy()) callback(socket, id, this);
  }

  #copy(): Map<SocketId, StockSocket> {
    return new Map([...this.#host.sockets].map(([id, member]) => [id, this.#show(member)]));
  }

  #show(member: Member): StockSocket {
    const known = this.#known.get(member);
    if (known !== undefined) return known;
    const socket = new StockSocket(member);
    this.#known.set(member, socket);
    return socket;
  }
}

/** A socket in the form that stock adapters use. */
class StockSocket implements Member {
  readonly #member: Member;

  constructor(member: Member) {
    this.#member = member;
  }

  get id(): SocketId {
    return this.#member.id;
  }

  get handshake(): Handshake {
    return this.#member.handshake;
  }

  get rooms(): ReadonlySet<Room> {
    return this.#member.rooms;
  }

  get data(): Untyped {
    return this.#member.data;
  }

  // Stock adapters call one method of each of the following properties. This class has these
  // methods, so each property returns the socket itself.

  /** The connection. Stock adapters call its method `writeToEngine()`. */
  get client(): this {
    return this;
  }

  /** The pending acknowledgements. Stock adapters call its method `set()`. */
  get acks(): this {
    return this;
  }

  writeToEngine(encoded: readonly (string | Bytes)[], options: BroadcastFlags = {}): void {
    if (encoded.length === 0) return;
    const message = outgoingOf(encoded, options.compress ?? true);
    this.deliver(message, options.volatile ?? false);
  }

  set(id: number, ack: Listener): void {
    const request = REQUESTS.get(ack);
    if (request !== undefined) request.await(this.#member, id);
    // The request comes from another server. If the client disconnects, no acknowledgement is sent,
    // and the other server waits until its timeout.
    else this.awaitAck(id, (error, args) => error === null && ack(...args));
  }

  deliver(message: Outgoing, volatile: boolean): void {
    this.#member.deliver(message, volatile);
  }

  notifyOutgoingListeners(packet: unknown): void {
    const event = toEvent(packet);
    if (event !== undefined) this.#member.notifyOutgoingListeners(event);
  }

  awaitAck(id: number, callback: AckCallback): void {
    this.#member.awaitAck(id, callback);
  }

  forgetAck(id: number): void {
    this.#member.forgetAck(id);
  }

  join(rooms: Room | readonly Room[]): void | Promise<void> {
    return this.#member.join(rooms);
  }

  leave(room: Room): void | Promise<void> {
    return this.#member.leave(room);
  }

  disconnect(close?: boolean): unknown {
    return this.#member.disconnect(close);
  }
}

function toStockPacket(packet: Packet): StockPacket {
  const { data, ...others }: ParserPacket = fromPacket(packet);
  return { ...others, ...(Array.isArray(data) && { data: [...data] }) };
}

/** Converts a packet of a stock adapter to an event. Returns `undefined` for any other packet. */
function toEvent(packet: unknown): Packet | undefined {
  const { type, nsp, data, id } = Object(packet);
  // Some emitters use the BINARY_EVENT type of the wire protocol for events with binary data.
  const own = type === BINARY_EVENT ? EVENT : type;
  try {
    const event = toPacket({ type: own, nsp, data, ...(id != null && { id }) }, SERVER_LIMITS);
    return event.type === EVENT ? event : undefined;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

function toStockOptions({ rooms, except, flags }: BroadcastOptions): StockOptions {
  return { rooms: new Set(rooms), except: new Set(except), flags: { ...flags } };
}

/** Converts a socket that a stock adapter returned. Returns an empty list for an invalid socket. */
function toDetails(socket: unknown): SocketDetails[] {
  const { id, handshake, rooms, data } = Object(socket);
  if (typeof id !== "string") return [];
  return [{ id, handshake, rooms: new Set(rooms instanceof Set ? rooms : listOf(rooms)), data }];
}

function listOf(value: unknown): Untyped[] {
  return Array.isArray(value) ? value : [];
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Returns the names of an object's own and inherited members. */
function membersOf(object: object): Set<string> {
  const names = new Set<string>();
  for (let each: object | null = object; each !== null; each = Object.getPrototypeOf(each)) {
    if (each === Object.prototype) break;
    for (const name of Object.getOwnPropertyNames(each)) names.add(name);
  }
  return names;
}
