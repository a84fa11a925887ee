// The sockets of one namespace: who may come in, and who is there.

import type { ConnectErrorData, Packet } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import { callListener, type DefaultEventsMap, type Untyped } from "../events.ts";
import { Adapter, type AdapterHost, type SocketId } from "./adapter.ts";
import { BroadcastOperator, EVERYBODY, GroupBroadcaster } from "./broadcast.ts";
import { type Client, encodePacket } from "./client.ts";
import { Socket } from "./socket.ts";

/** An error with which middleware refuses a client; `data` reaches the client too. */
export interface ExtendedError extends Error {
  data?: Untyped;
}

/** Lets a client in with `next()`, or refuses it with `next(error)`. */
export type Middleware<S> = (socket: S, next: (error?: ExtendedError) => void) => void;

/** What a namespace tells of itself. */
export interface NamespaceReservedEvents<S> {
  /** A client has joined. */
  connection: (socket: S) => void;
  /** The same as "connection". */
  connect: (socket: S) => void;
  /** A namespace has begun to be. The main namespace tells of all others. */
  new_namespace: (namespace: NamespaceLike) => void;
}

/** A namespace, whatever its types. */
export interface NamespaceLike {
  readonly name: string;
  readonly sockets: ReadonlyMap<SocketId, unknown>;
}

export class Namespace<
    ListenEvents = DefaultEventsMap,
    EmitEvents = ListenEvents,
    ServerSideEvents = DefaultEventsMap,
    SocketData = Untyped,
  >
  extends GroupBroadcaster<
    NamespaceReservedEvents<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
    EmitEvents,
    SocketData
  >
  implements AdapterHost
{
  readonly name: string;
  readonly adapter: Adapter;

  readonly #sockets = new Map<
    SocketId,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >();
  #middleware: readonly Middleware<
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >[] = [];
  #ackId = 0;
  readonly #onEmpty: (() => void) | undefined;
  // Those that have not passed the middleware yet.
  readonly #waiting = new Set<SocketId>();

  /** @param onEmpty called when the last socket has gone, or the only one was refused */
  constructor(name: string, onEmpty?: () => void) {
    super();
    this.name = name;
    this.adapter = new Adapter(this);
    this.#onEmpty = onEmpty;
  }

  /** The sockets that are connected, by their ids. */
  get sockets(): ReadonlyMap<
    SocketId,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  > {
    return this.#sockets;
  }

  /** Has every client pass `middleware` before it may join; in the order of the calls. */
  use(
    middleware: Middleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    this.#middleware = [...this.#middleware, middleware];
    return this;
  }

  protected override start(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter, EVERYBODY);
  }

  // What the dispatcher calls.

  /**
   * A client asks to join. It is a socket from now on, and connected when the middleware has
   * passed; never before this call returns. @internal
   */
  add(
    client: Client,
    auth: object,
  ): Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const data: Untyped = {};
    const socket = new Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>(
      this,
      client,
      auth,
      data,
    );
    this.#waiting.add(socket.id);
    process.nextTick(() => this.#pass(socket, 0));
    return socket;
  }

  // What its sockets and its adapter call.

  /** @internal */
  nextAckId(): number {
    return this.#ackId++;
  }

  /** @internal */
  remove(id: SocketId): void {
    this.#sockets.delete(id);
    this.#waiting.delete(id);
    if (this.#sockets.size === 0 && this.#waiting.size === 0) this.#onEmpty?.();
  }

  /** @internal */
  encode(packet: Packet, compress: boolean): Outgoing {
    return encodePacket(packet, compress);
  }

  /** Lets `socket` pass the middleware from number `index` on. */
  #pass(
    socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    index: number,
  ): void {
    // The client may go while it waits.
    if (socket.gone) return;
    const middleware = this.#middleware[index];
    if (middleware === undefined) {
      this.#waiting.delete(socket.id);
      this.#sockets.set(socket.id, socket);
      socket.onConnect();
      this.dispatch("connect", [socket]);
      this.dispatch("connection", [socket]);
      return;
    }
    let called = false;
    const next = (error?: ExtendedError): void => {
      // Whoever calls twice means the same once.
      if (called || socket.gone) return;
      called = true;
      if (error) socket.onRefuse(refusal(error));
      else process.nextTick(() => this.#pass(socket, index + 1));
    };
    const surface = (error: unknown): never => {
      next(new Error("internal error"));
      throw error;
    };
    // What throws surfaces as an uncaught error, and the client is not left waiting.
    try {
      const result: unknown = middleware(socket, next);
      if (result instanceof Promise) result.catch(surface);
    } catch (error) {
      callListener(this, surface, [error]);
    }
  }
}

function refusal({ message, data }: ExtendedError): ConnectErrorData {
  return data === undefined ? { message } : { message, data };
}
