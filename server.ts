/**
 * barewire: a Socket.IO server. This module exports the Server class, and the other classes and
 * types that programs use with a server.
 *
 * ```ts
 * import { Server } from "barewire";
 *
 * const io = new Server(3000);
 * io.on("connection", (socket) => {
 *   socket.on("chat", (text, delivered) => {
 *     io.emit("chat", text);
 *     if (typeof delivered === "function") delivered();
 *   });
 * });
 * ```
 *
 * @module barewire
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

import { ClientFiles } from "./lib/client-files.ts";
import {
  type Attachment,
  attach,
  type EngineHandler,
  enginePath,
  type NodeServer,
} from "./lib/engineio/attach.ts";
import { CLOSE_TIMEOUT, Engine } from "./lib/engineio/engine.ts";
import { MemoryTransport } from "./lib/engineio/memory-transport.ts";
import type { EngineStats } from "./lib/engineio/monitor.ts";
import type { DefaultEventsMap, Untyped } from "./lib/events/emitter.ts";
import { ArgumentTypeError, checkFunction } from "./lib/events/errors.ts";
import {
  boolean,
  checkOptions,
  milliseconds,
  type OptionTable,
  urlPath,
} from "./lib/events/options.ts";
import { checkServer } from "./lib/node-server.ts";
import {
  RUN_OPTIONS,
  type Running,
  type RunningWorkers,
  type RunOptions,
  run,
  runInWorkers,
  type WorkerCount,
} from "./lib/run.ts";
import { type ClosingServer, drain, shutDown } from "./lib/shutdown.ts";
import type { Adapter } from "./lib/socketio/adapter.ts";
import type { BroadcastOperator } from "./lib/socketio/broadcast.ts";
import { Clients } from "./lib/socketio/clients.ts";
import type { Codec } from "./lib/socketio/codec.ts";
import { type AdapterFactory, createAdapter } from "./lib/socketio/create-adapter.ts";
import type { ErrorHandler } from "./lib/socketio/event-handlers.ts";
import type { EventMaps } from "./lib/socketio/event-maps.ts";
import type { Middleware } from "./lib/socketio/middleware.ts";
import {
  type Namespace,
  type NamespaceServer,
  ServerBroadcaster,
} from "./lib/socketio/namespace.ts";
import {
  type HandlerMethods,
  type NamespaceHandler,
  RegisteredHandler,
} from "./lib/socketio/namespace-handler.ts";
import { Namespaces } from "./lib/socketio/namespaces.ts";
import {
  adapterFor,
  clientLimits,
  codecFor,
  DEFAULT_CONNECT_TIMEOUT,
  DEFAULT_MAX_ROOMS,
  DEFAULT_PATH,
  engineOptions,
  mergeOptions,
  rateLimitOf,
  recoveryLimits,
  recoveryOf,
  SERVER_OPTIONS,
  type ServerOptions,
} from "./lib/socketio/options.ts";
import type { NamespaceMatcher, ParentNamespace } from "./lib/socketio/parent-namespace.ts";
import type { RecoveryLimits } from "./lib/socketio/recovery-store.ts";
import type { Socket } from "./lib/socketio/socket.ts";
import {
  createTestRequest,
  TEST_CLIENT_OPTIONS,
  TestClient,
  type TestClientOptions,
} from "./lib/socketio/test-client.ts";

export type { CompressionOptions } from "./lib/engineio/compression.ts";
export type { CookieOptions } from "./lib/engineio/cookie.ts";
export type {
  CorsDelegate,
  CorsOptions,
  CorsOrigin,
  CorsOriginFunction,
} from "./lib/engineio/cors.ts";
export {
  type ConnectionError,
  Engine,
  type EngineEvents,
  type EngineSink,
  type ResponseHeaders,
} from "./lib/engineio/engine.ts";
export type { Logger } from "./lib/engineio/log.ts";
export type { EngineMiddleware } from "./lib/engineio/middleware.ts";
export type { EngineStats, SlowClient } from "./lib/engineio/monitor.ts";
export type { AllowRequest, EngineOptions } from "./lib/engineio/options.ts";
export type {
  PacketDetails,
  SentPacketDetails,
  Session,
  SessionEvents,
  SessionSink,
} from "./lib/engineio/session.ts";
export type {
  ConnectionTransport,
  RequestTransport,
  Transport,
} from "./lib/engineio/transport.ts";
export type { BackpressurePolicy } from "./lib/engineio/waiting-messages.ts";
export type { AckCallback } from "./lib/events/acknowledgements.ts";
export type { AnyListener } from "./lib/events/catch-all.ts";
export type {
  AckValue,
  AllButLast,
  CallListener,
  EventArguments,
  EventNames,
  JsonArguments,
  LastArgument,
  Listener,
  ListenerOf,
  MessageArguments,
  WithResponses,
  WithTimeout,
} from "./lib/events/emitter.ts";
export {
  AckTimeoutError,
  ArgumentRangeError,
  ArgumentTypeError,
  DisconnectedError,
} from "./lib/events/errors.ts";
export type { Parser, ParserDecoder, ParserEncoder } from "./lib/events/parser.ts";
export type { OriginFunction, Origins } from "./lib/origins.ts";
export type { Running, RunningWorkers, RunOptions, WorkerCount } from "./lib/run.ts";
export type {
  AdapterEvents,
  AdapterHost,
  BroadcastAnswers,
  BroadcastFlags,
  BroadcastOptions,
  Gathered,
  Member,
  RecoverableSession,
  RecoveryFailure,
  RestoredSession,
  Room,
  ServerSideCallback,
  ServerSideEvent,
  SocketDetails,
  SocketId,
} from "./lib/socketio/adapter.ts";
export { Adapter } from "./lib/socketio/adapter.ts";
export type { RemoteEmitter } from "./lib/socketio/broadcast.ts";
export { BroadcastOperator, RemoteSocket, ReservedEventError } from "./lib/socketio/broadcast.ts";
export type { Client } from "./lib/socketio/client.ts";
export { ConnectionRefused } from "./lib/socketio/connection-refused.ts";
export type { AdapterFactory } from "./lib/socketio/create-adapter.ts";
export type { AckValues } from "./lib/socketio/event-handlers.ts";
export { acks, type ErrorHandler, type HandlerCall } from "./lib/socketio/event-handlers.ts";
export type { EventMaps } from "./lib/socketio/event-maps.ts";
export type { Handshake } from "./lib/socketio/handshake.ts";
export type { ExtendedError, Middleware } from "./lib/socketio/middleware.ts";
export type {
  NamespaceEvents,
  NamespaceLike,
  NamespaceOf,
  NamespaceReservedEvents,
  NamespaceServer,
  SocketOf,
} from "./lib/socketio/namespace.ts";
export { Namespace } from "./lib/socketio/namespace.ts";
export { type HandlerMethods, NamespaceHandler } from "./lib/socketio/namespace-handler.ts";
export type { ServerOptions } from "./lib/socketio/options.ts";
export { type NamespaceMatcher, ParentNamespace } from "./lib/socketio/parent-namespace.ts";
export { RateLimitError, type RateLimitOptions } from "./lib/socketio/rate-limit.ts";
export type { RecoveryOptions } from "./lib/socketio/recovery.ts";
export type { RecoveryLimits } from "./lib/socketio/recovery-store.ts";
export {
  type DisconnectReason,
  type Event,
  type PacketMiddleware,
  Socket,
  type SocketReservedEvents,
} from "./lib/socketio/socket.ts";
export type { SocketEmitter } from "./lib/socketio/socket-emitter.ts";
export type {
  StockAdapterLike,
  StockOptions,
  StockPacket,
  StockSession,
} from "./lib/socketio/stock-adapter.ts";
export {
  type ReceivedEvent,
  TestClient,
  type TestClientOptions,
  type WithoutCallback,
} from "./lib/socketio/test-client.ts";
export type { TrustedProxies } from "./lib/trusted-proxies.ts";
export type { DefaultEventsMap, Untyped };

/** Statistics of a server. */
export interface ServerStats extends EngineStats {
  /** Number of sockets of this process, by namespace. */
  readonly sockets: Readonly<Record<string, number>>;
  /**
   * Number of rooms with sockets of this process, by namespace. Includes the room that each socket
   * has for its own id.
   */
  readonly rooms: Readonly<Record<string, number>>;
  /** Number of acknowledgements that this process awaits from clients, by namespace. */
  readonly awaitedAcks: Readonly<Record<string, number>>;
}

/**
 * A listener for the "connection" event of a namespace.
 *
 * @param socket the socket of the client
 */
export type ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData> = (
  socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
) => void;

/** The options of Server.close(). */
export interface CloseOptions {
  /**
   * How long to wait for clients to receive the queued packets, and for the connections of the HTTP
   * server to close, in milliseconds. After this time, the remaining connections are cut off.
   * Default: 1,000.
   */
  readonly drain?: number;
}

const CLOSE_OPTIONS: OptionTable<CloseOptions> = { drain: milliseconds };

const NOT_ATTACHED = "the server is not attached to an HTTP server";

/**
 * A Socket.IO server. It creates its own HTTP server or uses an existing one.
 *
 * The type parameters are maps of event names to listeners: the events that clients emit, the
 * events that the server emits, and the events that servers emit to each other. The last type
 * parameter is the type of `socket.data`.
 *
 * @example
 * ```ts
 * import { Server } from "barewire";
 *
 * const io = new Server(3000);
 * io.on("connection", (socket) => {
 *   socket.on("chat", (text) => io.emit("chat", text));
 * });
 * ```
 */
export class Server<
    ListenEvents = DefaultEventsMap,
    EmitEvents = ListenEvents,
    ServerSideEvents = DefaultEventsMap,
    SocketData = Untyped,
  >
  extends ServerBroadcaster<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
  implements NamespaceServer<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
{
  /** The main namespace, "/". */
  readonly sockets: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;

  private readonly options: ServerOptions;
  private readonly codec: Codec;
  private readonly namespaces: Namespaces<
    EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >;
  private readonly clients: Clients;
  private errorHandler:
    | ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined;
  private servedPath = DEFAULT_PATH;
  private servesClient: boolean;
  private adapterFactory: AdapterFactory;
  /** Whether the application has set the adapter. */
  private hasOwnAdapter: boolean;
  private attachedEngine: Engine | undefined;
  private attachedServer: NodeServer | undefined;
  private attachment: Attachment | undefined;

  /**
   * Creates a server.
   *
   * @param server an HTTP or HTTPS server, a port to listen on, or the options. Without a server or
   * port, call attach() later
   * @param options the options of the server
   * @throws ArgumentTypeError or ArgumentRangeError if `server` is neither a server nor a port, and
   * for an invalid or unknown option
   */
  constructor(
    server?: NodeServer | number | string | ServerOptions | null,
    options: ServerOptions = {},
  ) {
    super();
    const isOptions = typeof server === "object" && server !== null && !("listen" in server);
    if (server !== undefined && server !== null && !isOptions) checkServer(server);
    this.options = isOptions ? server : options;
    checkOptions(this.options, SERVER_OPTIONS);
    const recovery = recoveryOf(this.options);
    const limits = this.recoveryLimits;
    this.path(this.options.path ?? DEFAULT_PATH);
    this.servesClient = this.options.serveClient ?? true;
    this.adapterFactory = adapterFor(this.options);
    this.hasOwnAdapter = this.options.adapter !== undefined;
    this.codec = codecFor(this.options);
    this.namespaces = new Namespaces(
      {
        server: this,
        ackReturnValues: this.options.ackReturnValues ?? false,
        errorHandler: () => this.errorHandler,
        codec: this.codec,
        maxRoomsPerSocket: this.options.maxRoomsPerSocket ?? DEFAULT_MAX_ROOMS,
        rateLimit: rateLimitOf(this.options),
        createAdapter: (nsp) => createAdapter(this.adapterFactory, nsp),
        onError: (error) => this.attachedEngine?.onError(error),
        recovery: recovery &&
          limits && {
            skipMiddlewares: recovery.skipMiddlewares ?? true,
            maxDisconnectionDuration: limits.sessionDuration,
          },
        onCreated: (namespace) => {
          const call = this.sockets.callerOf("new_namespace");
          for (const listener of this.registered("new_namespace"))
            call(this, listener, [namespace]);
        },
      },
      this.options.cleanupEmptyChildNamespaces ?? false,
    );
    this.sockets = this.namespaces.main;
    // The server and the main namespace share their listeners.
    this.shareListenersOf(this.sockets);
    this.clients = new Clients(this.codec, this.namespaces, clientLimits(this.options));
    this.connectTimeout(this.options.connectTimeout || DEFAULT_CONNECT_TIMEOUT);
    if (server !== undefined && server !== null && !isOptions) this.attach(server);
  }

  /**
   * The HTTP server that the Socket.IO server is attached to.
   *
   * @throws Error if the server is not attached
   */
  get httpServer(): NodeServer {
    if (this.attachedServer === undefined) throw new Error(NOT_ATTACHED);
    return this.attachedServer;
  }

  /**
   * The Engine.IO server, which manages the connections.
   *
   * @throws Error if the server is not attached
   */
  get engine(): Engine {
    if (this.attachedEngine === undefined) throw new Error(NOT_ATTACHED);
    return this.attachedEngine;
  }

  /**
   * Serves Socket.IO on an HTTP or HTTPS server, or on a port. Requests for other paths go to the
   * existing listeners of the HTTP server.
   *
   * @param server an HTTP or HTTPS server, or a port to listen on
   * @param options replace the options of the constructor, unless they are `undefined`. Some
   * options, such as `parser`, `rateLimit` and `connectionStateRecovery`, can only be passed to the
   * constructor
   * @throws ArgumentTypeError or ArgumentRangeError if `server` is neither a server nor a port, for
   * an invalid or unknown option, and for an option that only the constructor accepts
   *
   * @example
   * ```ts
   * import { createServer } from "node:http";
   *
   * const httpServer = createServer();
   * const io = new Server().attach(httpServer);
   * httpServer.listen(3000);
   * ```
   */
  attach(server: NodeServer | number | string, options: ServerOptions = {}): this {
    checkServer(server);
    checkOptions(options, SERVER_OPTIONS);
    const all = { ...mergeOptions(this.options, options), path: options.path ?? this.servedPath };
    // Throws for options that the engine rejects. The server is changed only after this line.
    const engine = new Engine(engineOptions(all), this.clients);
    if (options.path !== undefined) this.path(options.path);
    if (options.serveClient !== undefined) this.serveClient(options.serveClient);
    if (options.connectTimeout) this.connectTimeout(options.connectTimeout);
    if (options.adapter !== undefined) this.adapter(options.adapter);
    this.attachedEngine = engine;
    this.attachedServer = typeof server === "object" ? server : listen(Number(server));
    this.attachment = attach(this.handlerFor(engine, all), this.attachedServer, all);
    return this;
  }

  /**
   * Serves Socket.IO on an existing engine. The engine is already attached to an HTTP server, or
   * the application calls its handleRequest() and handleUpgrade().
   *
   * @param engine an Engine of this package
   * @throws ArgumentTypeError if `engine` is not an Engine of this package
   */
  bind(engine: Engine): this {
    if (!(engine instanceof Engine)) {
      throw new ArgumentTypeError("engine must be an Engine of this package");
    }
    this.attachedEngine = engine;
    engine.deliverTo(this.clients);
    return this;
  }

  /**
   * Serves Socket.IO on a server or a port, as attach() does.
   *
   * @param server a port, or an HTTP server to attach to
   * @param options changes of the server's options
   */
  listen(server: NodeServer | number | string, options?: ServerOptions): this {
    return this.attach(server, options);
  }

  /**
   * Returns the namespace with this name, creating it if necessary. A missing leading "/" is added.
   *
   * @param name the name of the namespace, such as "/chat"
   * @param onConnection added as a listener for "connection"
   * @throws ArgumentTypeError if `name` is neither a string, a RegExp nor a function
   *
   * @example
   * ```ts
   * io.of("/chat").on("connection", (socket) => socket.emit("welcome"));
   * ```
   */
  of(
    name: string,
    onConnection?: ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  /**
   * Creates namespaces on demand: when a client requests a name that matches the pattern, or that
   * the function accepts.
   *
   * @param names a pattern, or a function that decides with `next(null, true)`
   * @param onConnection added as a listener for "connection" of each namespace
   * @throws TypeError for a pattern with the flags "g" or "y"
   *
   * @example
   * ```ts
   * io.of(/^\/room-\d+$/).on("connection", (socket) => socket.emit("welcome", socket.nsp.name));
   * ```
   */
  of(
    names: RegExp | NamespaceMatcher,
    onConnection?: ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  of(
    name: string | RegExp | NamespaceMatcher,
    onConnection?: ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ):
    | Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
    | ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    if (typeof name !== "string" && typeof name !== "function" && !(name instanceof RegExp)) {
      throw new ArgumentTypeError("name must be a string, a RegExp or a function");
    }
    const namespace =
      typeof name === "string" ? this.namespaces.named(name) : this.namespaces.addParent(name);
    if (onConnection !== undefined) namespace.onConnection(onConnection);
    return namespace;
  }

  /**
   * The namespaces by name, for socket.io's Admin UI, which reads this property. Applications use
   * of().
   *
   * @internal
   */
  get _nsps(): ReadonlyMap<
    string,
    Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  > {
    return this.namespaces.all;
  }

  /** The limits of connection state recovery, or `undefined` if it is off. @internal */
  get recoveryLimits(): RecoveryLimits | undefined {
    return recoveryLimits(this.options);
  }

  /**
   * Adds middleware that every client must pass before it joins the main namespace. Functions run
   * in the order in which they were added.
   *
   * @param middleware calls `next()` to accept the client, or `next(error)` to refuse it
   * @throws ArgumentTypeError if `middleware` is not a function
   *
   * @example
   * ```ts
   * io.use((socket, next) => {
   *   if (socket.handshake.auth.token === "secret") next();
   *   else next(new Error("wrong token"));
   * });
   * ```
   */
  use(
    middleware: Middleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    this.sockets.use(middleware);
    return this;
  }

  /** Returns the path of the Socket.IO server. */
  path(): string;
  /**
   * Sets the path that attach() uses. Default: "/socket.io".
   *
   * @param path the path, with or without a trailing "/"
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid path
   */
  path(path: string): this;
  path(path?: string): string | this {
    if (path === undefined) return this.servedPath;
    urlPath(path, "path");
    this.servedPath = path.replace(/\/$/, "");
    return this;
  }

  /** Returns how long a client may be connected without joining a namespace, in milliseconds. */
  connectTimeout(): number;
  /**
   * Sets how long a client may be connected without joining a namespace. Applies to clients that
   * connect after this call. Default: 45,000 milliseconds.
   *
   * @param milliseconds the time, in milliseconds
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid number
   */
  connectTimeout(milliseconds: number): this;
  connectTimeout(milliseconds?: number): number | this {
    if (milliseconds === undefined) return this.clients.connectTimeout;
    SERVER_OPTIONS.connectTimeout(milliseconds, "connectTimeout");
    this.clients.connectTimeout = milliseconds;
    return this;
  }

  /** Returns whether the files of the browser client are served. */
  serveClient(): boolean;
  /**
   * Sets whether attach() serves the files of the browser client under the server's path. Default:
   * `true`.
   *
   * @param serve whether to serve the files
   * @throws ArgumentTypeError if `serve` is not a boolean
   */
  serveClient(serve: boolean): this;
  serveClient(serve?: boolean): boolean | this {
    if (serve === undefined) return this.servesClient;
    boolean(serve, "serveClient");
    this.servesClient = serve;
    return this;
  }

  /**
   * Returns statistics of the engine and of each namespace. The method visits every connection, so
   * do not call it often.
   *
   * @throws Error if the server is not attached
   *
   * @example
   * ```ts
   * const connected = io.stats().sockets["/"];
   * ```
   */
  stats(): ServerStats {
    const sockets: Record<string, number> = {};
    const rooms: Record<string, number> = {};
    const awaitedAcks: Record<string, number> = {};
    for (const { name, sockets: connected, adapter } of this.namespaces.all.values()) {
      sockets[name] = connected.size;
      rooms[name] = adapter.rooms.size;
      awaitedAcks[name] = 0;
      for (const { awaitedAcksCount } of connected.values()) awaitedAcks[name] += awaitedAcksCount;
    }
    return { ...this.engine.stats(), sockets, rooms, awaitedAcks };
  }

  /** Returns the factory that creates the adapter of each namespace. */
  adapter(): AdapterFactory;
  /**
   * Sets the factory that creates the adapter of each namespace. Existing namespaces get new
   * adapters, in which all rooms are empty.
   *
   * @param adapter an adapter class, or a function that returns an adapter
   * @throws ArgumentTypeError if `adapter` is not a function
   */
  adapter(adapter: AdapterFactory): this;
  adapter(adapter?: AdapterFactory): AdapterFactory | this {
    if (adapter === undefined) return this.adapterFactory;
    SERVER_OPTIONS.adapter(adapter, "adapter");
    this.namespaces.renewAdapters(adapter);
    this.adapterFactory = adapter;
    this.hasOwnAdapter = true;
    return this;
  }

  /**
   * Sets the error handler for namespaces that have no onError() handler of their own. The error
   * handler is called when an event handler, a connection handler or middleware throws or rejects.
   * Its return value takes the place of the failed handler's return value. So it acknowledges the
   * event only if that return value would have. Without an error handler, errors become uncaught
   * exceptions.
   *
   * @param handler receives the error and a description of the call
   * @throws ArgumentTypeError if `handler` is not a function
   *
   * @example
   * ```ts
   * io.onError((error, { event }) => {
   *   process.emitWarning(`handler of ${event}: ${error}`);
   *   return { error: "internal error" };
   * });
   * ```
   */
  onError(
    handler: ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the error handler", handler);
    this.errorHandler = handler;
    return this;
  }

  /**
   * Registers an object whose methods handle the events of its namespace.
   *
   * @param handler an instance of a class that extends NamespaceHandler
   * @throws Error (`code` "ERR_ALREADY_REGISTERED") if the namespace already has a registered
   * handler
   * @throws ArgumentTypeError if two methods handle the same event, such as onMessage() and
   * on_message(), or the name of a method begins with "on" and matches no event
   *
   * @example
   * ```ts
   * class Chat extends NamespaceHandler {
   *   onMessage(socket: Socket, text: string): void {
   *     socket.broadcast.emit("message", text);
   *   }
   * }
   * io.register(new Chat("/chat"));
   * ```
   */
  register(
    handler: NamespaceHandler<ListenEvents, EmitEvents, ServerSideEvents, SocketData> &
      HandlerMethods<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): this {
    const methods = new RegisteredHandler(handler);
    const { name } = handler;
    const namespace = typeof name === "string" ? this.of(name) : this.of(name);
    namespace.register(methods);
    handler.registered(namespace);
    return this;
  }

  /**
   * Runs the program in several worker processes (node:cluster) that serve the clients together, as
   * described in docs/cluster.md. Each process runs the program. The primary process has no
   * clients. In the primary process, the promise resolves when all workers are ready.
   *
   * @param options the number of workers, the host, the port, the time limit for stopping, and the
   * function that receives the log
   * @throws WorkerFailedError (rejects) if a worker exits before it is ready. The `code` says why
   * the worker could not listen
   *
   * @example
   * ```ts
   * await new Server().run({ port: 3000, workers: 4 });
   * ```
   */
  run(options: RunOptions & { readonly workers: WorkerCount }): Promise<RunningWorkers>;
  /**
   * Starts to listen, and resolves when the server is listening. Prints the address, and shuts down
   * on SIGINT and SIGTERM: refuses new clients, disconnects the existing clients after their queued
   * packets were sent, and ends the process. Uses the HTTP server that the server is attached to,
   * or creates one.
   *
   * @param options the host, the port, the time limit for stopping, and the function that receives
   * the log
   *
   * @example
   * ```ts
   * await new Server().run({ port: 3000 });
   * ```
   */
  run(options?: RunOptions): Promise<Running>;
  run(options: RunOptions = {}): Promise<Running> {
    checkOptions(options, RUN_OPTIONS);
    if (this.attachedServer === undefined) this.attach(createServer(notFound));
    const close = (timeout: number): Promise<void> => this.drain(timeout);
    const { workers } = options;
    if (workers === undefined) return run(this.httpServer, close, options);
    const { engine, httpServer, recoveryLimits: recovery } = this;
    const useAdapter = (factory: AdapterFactory): void => {
      if (!this.hasOwnAdapter) this.adapter(factory);
    };
    const host = { engine, httpServer, recovery, useAdapter, drain: close };
    return runInWorkers(host, { ...options, workers });
  }

  /**
   * Connects a client in this process, for tests. The client needs no port, but uses the real
   * codec. Resolves when the server has accepted or refused the client. The properties `connected`
   * and `refusal` of the client contain the result.
   *
   * @param options the namespace, `auth`, query parameters and headers of the client
   * @throws Error (rejects) if `allowRequest` refuses the client, and for an invalid or unknown
   * option
   *
   * @example
   * ```ts
   * const client = await io.testClient();
   * const sum = await client.emit("sum", 1, 2);
   * ```
   */
  async testClient(options: TestClientOptions = {}): Promise<TestClient<ListenEvents>> {
    checkOptions(options, TEST_CLIENT_OPTIONS);
    if (this.attachedEngine === undefined) this.bind(new Engine(engineOptions(this.options)));
    const transport = new MemoryTransport();
    const client = new TestClient<ListenEvents>(transport, this.codec, options.namespace ?? "/");
    await this.engine.accept(createTestRequest(options), transport, (session) =>
      transport.start(session),
    );
    return client.join(options.auth);
  }

  /**
   * Disconnects all clients and closes the HTTP server. Packets that were sent before this call
   * still reach the clients. After a second, all remaining connections of the HTTP server are cut
   * off, including connections that do not belong to Socket.IO. Resolves when the HTTP server is
   * closed.
   *
   * @param callback called when the HTTP server is closed, with an error if it was not listening
   */
  close(callback?: (error?: Error) => void): Promise<void>;
  /**
   * Closes the server, as close() does, with a different time limit.
   *
   * @param options the options for closing
   * @param callback called when the HTTP server is closed, with an error if it was not listening
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid or unknown option
   *
   * @example
   * ```ts
   * await io.close({ drain: 10_000 });
   * ```
   */
  close(options: CloseOptions, callback?: (error?: Error) => void): Promise<void>;
  close(
    options?: CloseOptions | ((error?: Error) => void),
    callback?: (error?: Error) => void,
  ): Promise<void> {
    if (typeof options !== "object") return this.closeWithin(CLOSE_TIMEOUT, options);
    checkOptions(options, CLOSE_OPTIONS);
    return this.drain(options.drain ?? CLOSE_TIMEOUT, callback);
  }

  /** @param timeout time until the remaining connections are cut off, in milliseconds */
  private async closeWithin(timeout: number, callback?: (error?: Error) => void): Promise<void> {
    const error = await shutDown(this.parts, timeout);
    callback?.(error);
  }

  /**
   * Closes the server after the queued packets have been sent. Connections that take longer are cut
   * off.
   */
  private async drain(timeout: number, callback?: (error?: Error) => void): Promise<void> {
    const end = performance.now() + timeout;
    await drain(this.parts, timeout);
    await this.closeWithin(Math.max(0, end - performance.now()), callback);
  }

  /** The parts of the server that must be closed. */
  private get parts(): ClosingServer {
    const { attachedEngine: engine, attachedServer: httpServer, attachment } = this;
    return { engine, httpServer, attachment, clients: this.clients, namespaces: this.namespaces };
  }

  /** The adapter of the main namespace. @internal */
  protected override get currentAdapter(): Adapter {
    return this.sockets.adapter;
  }

  protected override start(): BroadcastOperator<EmitEvents, SocketData> {
    return this.sockets.except([]);
  }

  /**
   * Returns the handler of requests. If the files of the browser client are served, the handler
   * first checks whether a request is for such a file. Otherwise the engine itself is the handler.
   */
  private handlerFor(engine: Engine, options: ServerOptions): EngineHandler {
    if (!this.servesClient) return engine;
    const files = new ClientFiles(`${enginePath(options).replace(/\/$/, "")}/`);
    return {
      onRequest: (arrival) => {
        const { request, response } = arrival;
        if (!files.has(request)) engine.onRequest(arrival);
        else engine.setCorsHeaders(request, response, () => files.serve(request, response));
      },
      onUpgrade: (arrival) => engine.onUpgrade(arrival),
    };
  }
}

/** Creates an HTTP server that serves only Socket.IO. */
function listen(port: number): NodeServer {
  return createServer(notFound).listen(port);
}

function notFound(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404).end();
}
