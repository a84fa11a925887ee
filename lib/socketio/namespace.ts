// The sockets of one namespace. Decides which clients may join, and tracks the connected sockets.

import type { Packet } from "../../protocol/socketio/packet.ts";
import type { NodeServer } from "../engineio/attach.ts";
import type { Engine } from "../engineio/engine.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import {
  type AckValue,
  type AllButLast,
  type CallListener,
  callListener,
  type DefaultEventsMap,
  type EventArguments,
  type EventNames,
  isListener,
  type LastArgument,
  type Untyped,
  type WithResponses,
} from "../events/emitter.ts";
import { checkFunction } from "../events/errors.ts";
import type {
  Adapter,
  AdapterHost,
  RecoveryFailure,
  RestoredSession,
  ServerSideCallback,
  ServerSideEvent,
  SocketId,
} from "./adapter.ts";
import { BroadcastOperator, EVERYBODY, GroupBroadcaster, ReservedEventError } from "./broadcast.ts";
import type { Client } from "./client.ts";
import type { Codec } from "./codec.ts";
import { type AdapterFactory, createAdapter } from "./create-adapter.ts";
import {
  callHandler,
  type ErrorHandler,
  EventHandlers,
  type EventHandlersHost,
  type MethodHandlers,
} from "./event-handlers.ts";
import type { EventMaps } from "./event-maps.ts";
import { type Middleware, passMiddleware } from "./middleware.ts";
import { createRateLimit, type RateLimit, type RateLimitOptions } from "./rate-limit.ts";
import { Socket } from "./socket.ts";

/** The events of a namespace. */
export interface NamespaceReservedEvents<S> {
  /**
   * Emitted when a client has joined the namespace.
   *
   * @param socket the socket of the client
   */
  connection: (socket: S) => void;
  /**
   * Emitted before "connection", with the same argument.
   *
   * @param socket the socket of the client
   */
  connect: (socket: S) => void;
  /**
   * Emitted on the main namespace when another namespace is created.
   *
   * @param namespace the new namespace
   */
  new_namespace: (namespace: NamespaceLike) => void;
}

/** The events of a namespace: its own events, and the events that other servers emit. */
export type NamespaceEvents<S, ServerSideEvents> = NamespaceReservedEvents<S> & {
  [Event in keyof ServerSideEvents as Event extends keyof NamespaceReservedEvents<S>
    ? never
    : Event]: ServerSideEvents[Event];
};

/** A namespace with any types of events. */
export interface NamespaceLike {
  /** The name of the namespace, such as "/chat". */
  readonly name: string;
  /** The connected sockets by id. */
  readonly sockets: ReadonlyMap<SocketId, unknown>;
}

/** The part of the server that a namespace uses. */
export interface NamespaceHost<Events extends EventMaps>
  extends EventHandlersHost<SocketOf<Events>> {
  /** The public server object. */
  readonly server: NamespaceServer<Events>;
  readonly codec: Codec;
  /** Creates an adapter for a namespace with the server's current adapter factory. */
  createAdapter(nsp: AdapterHost): Adapter;
  /** Called when an adapter reports an error. */
  onError(error: Error): void;
  /**
   * The settings of connection state recovery: whether recovered sockets skip the middleware, and
   * how long sessions are kept, in milliseconds. `undefined` if recovery is off.
   */
  readonly recovery:
    | { readonly skipMiddlewares: boolean; readonly maxDisconnectionDuration: number }
    | undefined;
  /** Largest number of rooms that one socket may be in. */
  readonly maxRoomsPerSocket: number;
  /** The rate limit of each socket. `undefined` if there is none. */
  readonly rateLimit: RateLimit | undefined;
  /** Called when a namespace has been created. */
  onCreated(namespace: NamespaceLike): void;
}

const RESERVED: ReadonlySet<string> = new Set(["connect", "connection", "new_namespace"]);

/** The type of the sockets in a namespace with these event maps. */
export type SocketOf<Events extends EventMaps> = Socket<
  Events["listen"],
  Events["emit"],
  Events["serverSide"],
  Events["data"]
>;
/** The type of a namespace with these event maps. */
export type NamespaceOf<Events extends EventMaps> = Namespace<
  Events["listen"],
  Events["emit"],
  Events["serverSide"],
  Events["data"]
>;

/**
 * The common base of Server, Namespace and ParentNamespace: broadcasts to the sockets of a
 * namespace, and has listeners for its events.
 */
export abstract class NamespaceBroadcaster<Events extends EventMaps> extends GroupBroadcaster<
  NamespaceEvents<SocketOf<Events>, Events["serverSide"]>,
  Events["emit"],
  Events["data"]
> {}

/** The common base of Server and Namespace: emits events to the other servers, too. */
export abstract class ServerBroadcaster<
  Events extends EventMaps,
> extends NamespaceBroadcaster<Events> {
  /** The current adapter of the namespace. @internal */
  protected abstract readonly currentAdapter: Adapter;

  /**
   * Emits an event to this namespace on all other servers. The adapter must support several
   * servers. If the last argument is a function, it is called with `null` and a list of the
   * servers' responses. If a server does not respond, the function receives an error and the
   * responses of the other servers.
   *
   * @param event the name of the event
   * @param args the arguments of the event. If the last argument is a function, it receives the
   * responses
   * @returns `true`
   * @throws ReservedEventError (`code` "ERR_RESERVED_EVENT") for an event that the namespace itself
   * emits
   *
   * @example
   * ```ts
   * io.serverSideEmit("reload", "configuration");
   * ```
   */
  serverSideEmit<Event extends EventNames<Events["serverSide"]>>(
    event: Event,
    ...args: EventArguments<WithResponses<Events["serverSide"]>, Event>
  ): true {
    const given: readonly unknown[] = args;
    const last = given.at(-1);
    if (isListener(last)) {
      const call = this.currentAdapter.nsp.callerOf?.(event) ?? callListener;
      this.tellServers([event, ...given.slice(0, -1)], (error, responses) =>
        call(this, last, [error, responses]),
      );
    } else {
      this.tellServers([event, ...given]);
    }
    return true;
  }

  /**
   * Emits an event to this namespace on all other servers, and resolves to the list of their
   * responses. Rejects if a server does not respond. The `responses` property of the error holds
   * the responses of the other servers.
   *
   * @param event the name of the event
   * @param args the arguments of the event
   * @throws ReservedEventError (`code` "ERR_RESERVED_EVENT") for an event that the namespace itself
   * emits
   *
   * @example
   * ```ts
   * const counts = await io.serverSideEmitWithAck("count");
   * ```
   */
  serverSideEmitWithAck<Event extends EventNames<Events["serverSide"]>>(
    event: Event,
    ...args: AllButLast<EventArguments<Events["serverSide"], Event>>
  ): Promise<AckValue<LastArgument<EventArguments<Events["serverSide"], Event>>>[]> {
    return new Promise((resolve, reject) => {
      this.tellServers([event, ...args], (error, responses: Untyped[]) =>
        error === null ? resolve(responses) : reject(Object.assign(error, { responses })),
      );
    });
  }

  private tellServers(event: ServerSideEvent, answered?: ServerSideCallback): void {
    if (RESERVED.has(event[0])) throw new ReservedEventError(event[0]);
    this.currentAdapter.serverSideEmit(event, answered);
  }
}

/** The part of the server that applications can use through a namespace. */
export interface NamespaceServer<Events extends EventMaps> extends NamespaceBroadcaster<Events> {
  /** The main namespace, "/". */
  readonly sockets: NamespaceOf<Events>;
  /**
   * The Engine.IO server.
   *
   * @throws Error if the server is not attached
   */
  readonly engine: Engine;
  /**
   * The HTTP server that the Socket.IO server is attached to.
   *
   * @throws Error if the server is not attached
   */
  readonly httpServer: NodeServer;
  /**
   * Returns the namespace with this name, creating it if necessary.
   *
   * @param name the name of the namespace. A missing leading "/" is added
   */
  of(name: string): NamespaceOf<Events>;
  /**
   * Disconnects all clients and closes the HTTP server.
   *
   * @param callback called when the server is closed
   */
  close(callback?: (error?: Error) => void): Promise<void>;
}

/**
 * A namespace: a named group of sockets with its own middleware, rooms and events. Returned by
 * Server.of().
 *
 * @example
 * ```ts
 * const chat = io.of("/chat");
 * chat.on("connection", (socket) => {
 *   socket.on("message", (text) => chat.emit("message", text));
 * });
 * ```
 */
export class Namespace<
    ListenEvents = DefaultEventsMap,
    EmitEvents = ListenEvents,
    ServerSideEvents = DefaultEventsMap,
    SocketData = Untyped,
  >
  extends ServerBroadcaster<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
  implements AdapterHost
{
  /** The name of the namespace, such as "/chat". */
  readonly name: string;
  /**
   * Calls the event handlers of the namespace.
   *
   * @internal
   */
  readonly handling: EventHandlers<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>;

  private readonly host: NamespaceHost<
    EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >;
  private readonly connectedSockets = new Map<
    SocketId,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >();
  // Sockets that can be recovered, by private session id.
  private readonly recoverable = new Map<
    string,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >();
  /** The current adapter of the namespace. @internal */
  protected override currentAdapter: Adapter;
  /** The rate limit of each socket. @internal */
  eventLimit: RateLimit | undefined;
  private middleware: readonly Middleware<
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >[] = [];
  private ackId = 0;
  private readonly onEmpty: (() => void) | undefined;
  // Sockets that have not passed the middleware yet.
  private readonly waiting = new Set<SocketId>();

  /**
   * Creates a namespace. Use Server.of() instead.
   *
   * @param onEmpty called when the last socket has left, or the only socket was refused
   * @internal
   */
  constructor(
    host: NamespaceHost<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
    name: string,
    onEmpty?: () => void,
  ) {
    super();
    this.host = host;
    this.name = name;
    this.onEmpty = onEmpty;
    this.eventLimit = host.rateLimit;
    this.handling = new EventHandlers(host);
    this.currentAdapter = this.watched(host.createAdapter(this));
    this.begin(this.currentAdapter);
  }

  /** The server that the namespace belongs to. */
  get server(): NamespaceServer<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>> {
    return this.host.server;
  }

  /** The adapter, which tracks the rooms. */
  get adapter(): Adapter {
    return this.currentAdapter;
  }

  /** The connected sockets of this process by id. */
  get sockets(): ReadonlyMap<
    SocketId,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  > {
    return this.connectedSockets;
  }

  /** @internal */
  onConnection(
    listener: (socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>) => void,
  ): void {
    this.addUntyped("connect", listener);
  }

  /**
   * Adds middleware that every client must pass before it joins the namespace. Functions run in the
   * order in which they were added.
   *
   * @param middleware calls `next()` to accept the client, or `next(error)` to refuse it
   * @throws ArgumentTypeError if `middleware` is not a function
   *
   * @example
   * ```ts
   * io.of("/admin").use((socket, next) => {
   *   if (socket.handshake.auth.token === "secret") next();
   *   else next(new Error("wrong token"));
   * });
   * ```
   */
  use(
    middleware: Middleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the middleware", middleware);
    this.middleware = [...this.middleware, middleware];
    return this;
  }

  /**
   * Sets the error handler of this namespace. The error handler receives the errors that event
   * handlers, connection handlers and middleware throw or reject with. Its return value takes the
   * place of the failed handler's return value. So it acknowledges the event only if that return
   * value would have. Default: the error handler of the server. If the server has no error handler
   * either, errors become uncaught exceptions.
   *
   * @param handler receives the error and a description of the call
   * @throws ArgumentTypeError if `handler` is not a function
   *
   * @example
   * ```ts
   * io.of("/chat").onError((error, { event }) => {
   *   process.emitWarning(`handler of ${event}: ${error}`);
   *   return { error: "internal error" };
   * });
   * ```
   */
  onError(
    handler: ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the error handler", handler);
    this.handling.errorHandler = handler;
    return this;
  }

  /**
   * Replaces the server's `rateLimit` for the current and future sockets of this namespace.
   *
   * @param limit the limit, or `false` for no limit
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid limit
   *
   * @example
   * ```ts
   * io.of("/chat").rateLimit({ events: 10, interval: 1000 });
   * ```
   */
  rateLimit(limit: RateLimitOptions | false): this {
    this.eventLimit = createRateLimit(limit);
    return this;
  }

  /**
   * Sets the object whose methods handle the events of this namespace.
   *
   * @throws AlreadyRegisteredError (`code` "ERR_ALREADY_REGISTERED") if the namespace already has a
   * registered handler
   * @internal
   */
  register(
    handler: MethodHandlers<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): void {
    if (this.handling.methods !== undefined) throw new AlreadyRegisteredError(this.name);
    this.handling.methods = handler;
  }

  protected override start(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.currentAdapter, EVERYBODY);
  }

  // The methods that the server calls.

  /** Replaces the adapter after the server's adapter factory has changed. @internal */
  renewAdapter(factory: AdapterFactory): void {
    const renewed = this.watched(createAdapter(factory, this));
    const before = this.currentAdapter;
    this.guardAdapter("close", () => before.close());
    this.currentAdapter = renewed;
    this.begin(renewed);
  }

  /**
   * Starts to use an adapter. If init() throws, the code that created the namespace or set the
   * adapter receives the error.
   */
  private begin(adapter: Adapter): void {
    const begun = adapter.init();
    if (begun !== undefined) this.guardAdapter("init", () => begun);
  }

  private watched(adapter: Adapter): Adapter {
    return adapter.on("error", (error) => this.host.onError(error));
  }

  // The methods that the dispatcher calls.

  /** @internal */
  restore(
    auth: object,
    callback: (session: RestoredSession | RecoveryFailure | undefined) => void,
  ): void {
    const { pid, offset } = { pid: undefined, offset: undefined, ...auth };
    if (this.host.recovery === undefined || typeof pid !== "string") {
      callback(undefined);
      return;
    }
    this.onReturned(pid);
    const found: { session: ReturnType<Adapter["restoreSession"]> } = {
      session: "unknown session",
    };
    this.guardAdapter("restoreSession", () => {
      const since = typeof offset === "string" ? offset : undefined;
      found.session = this.currentAdapter.restoreSession(pid, since);
      // Returns a derived promise, whose rejection is reported to the application. If the original
      // promise rejects, the code below gives the client a new session.
      return found.session instanceof Promise ? found.session.then() : found.session;
    });
    const { session } = found;
    if (session instanceof Promise) session.then(callback, () => callback("unknown session"));
    else callback(session);
  }

  /** @internal */
  giveBack(session: RestoredSession | undefined): void {
    if (session !== undefined) {
      this.guardAdapter("persistSession", () => this.currentAdapter.persistSession(session));
    }
    this.endIfEmpty();
  }

  /**
   * Creates a socket for a client that asks to join. The socket is connected after all middleware
   * has accepted it, and never before this method returns.
   *
   * @internal
   */
  add(
    client: Client,
    auth: object,
    session?: RestoredSession | RecoveryFailure,
  ): Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const socket = new Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>(
      this,
      client,
      auth,
      session,
    );
    this.waiting.add(socket.id);
    const mayBeOfAnother = typeof session === "object" && session.passesMiddleware === true;
    const skip =
      socket.recovered && this.host.recovery?.skipMiddlewares === true && !mayBeOfAnother;
    process.nextTick(() =>
      passMiddleware(skip ? [] : this.middleware, socket, this.handling, (passed) =>
        this.onPassed(passed),
      ),
    );
    return socket;
  }

  // The methods that the sockets and the adapter call.

  /**
   * Calls a method of the adapter on behalf of a client or of the namespace. An error goes to the
   * error handler or becomes an uncaught exception, because no code of the application could catch
   * it.
   *
   * @internal
   */
  guardAdapter(
    method: keyof Adapter,
    call: () => unknown,
    socket?: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): void {
    this.handling.guard(socket, "adapter", [method], call);
  }

  /** @internal */
  callerOf(event: string): CallListener {
    return (self, listener, args) =>
      this.handling.guard(undefined, event, args, () => Reflect.apply(listener, self, args));
  }

  /** @internal */
  nextAckId(): number {
    return this.ackId++;
  }

  /** Whether sessions of this namespace can be recovered. @internal */
  get recovers(): boolean {
    return this.host.recovery !== undefined;
  }

  /** @internal */
  get maxRoomsPerSocket(): number {
    return this.host.maxRoomsPerSocket;
  }

  /** @internal */
  get maxDisconnectionDuration(): number | undefined {
    return this.host.recovery?.maxDisconnectionDuration;
  }

  /** @internal */
  remove({ id, pid }: { readonly id: SocketId; readonly pid: string | undefined }): void {
    this.connectedSockets.delete(id);
    this.waiting.delete(id);
    if (pid !== undefined) this.recoverable.delete(pid);
    this.endIfEmpty();
  }

  private endIfEmpty(): void {
    if (this.connectedSockets.size === 0 && this.waiting.size === 0) this.onEmpty?.();
  }

  /** @internal */
  encode(packet: Packet, compress: boolean): Outgoing {
    return this.host.codec.encode(packet, compress);
  }

  /** @internal */
  onReturned(pid: string): void {
    // The client has reconnected, so its old connection is broken, even if the server has not
    // detected this yet.
    this.recoverable.get(pid)?.conn.discard("transport close");
  }

  /** @internal */
  onServerSideEmit([event, ...args]: ServerSideEvent): void {
    // Other servers of this package never send these events. A listener for "connection" would
    // mistake the arguments for a socket.
    if (RESERVED.has(event)) return;
    const call = this.callerOf(event);
    for (const listener of this.registered(event)) call(this, listener, args);
  }

  private onPassed(socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>): void {
    this.waiting.delete(socket.id);
    this.connectedSockets.set(socket.id, socket);
    if (socket.pid !== undefined) this.recoverable.set(socket.pid, socket);
    socket.onConnect();
    if (socket.gone) return;
    this.announce("connect", socket);
    this.announce("connection", socket);
  }

  private announce(
    event: "connect" | "connection",
    socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): void {
    const { onError } = this.handling;
    if (onError === undefined) {
      this.dispatch(event, [socket]);
      return;
    }
    const tell = (error: unknown): unknown => onError(error, { socket, event, args: [socket] });
    for (const { call } of this.calls(event)) callHandler(call, [socket], tell);
  }
}

/** Thrown when a second handler is registered for a namespace. */
export class AlreadyRegisteredError extends Error {
  readonly code = "ERR_ALREADY_REGISTERED";

  constructor(namespace: string) {
    super(`the namespace "${namespace}" already has a registered handler`);
  }
}
