/**
 * barewire: a Socket.IO server. The one file that names every layer.
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
export type { AnyListener } from "./lib/events/catch-all.ts";
export type {
  AckValue,
  AllButLast,
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
export type { RecoveryFailure } from "./lib/socketio/adapter.ts";
export { Adapter } from "./lib/socketio/adapter.ts";
export { BroadcastOperator, RemoteSocket, ReservedEventError } from "./lib/socketio/broadcast.ts";
export { ConnectionRefused } from "./lib/socketio/connection-refused.ts";
export type { AdapterFactory } from "./lib/socketio/create-adapter.ts";
export { acks, type ErrorHandler, type HandlerCall } from "./lib/socketio/event-handlers.ts";
export type { Handshake } from "./lib/socketio/handshake.ts";
export type { ExtendedError } from "./lib/socketio/middleware.ts";
export { Namespace } from "./lib/socketio/namespace.ts";
export { type HandlerMethods, NamespaceHandler } from "./lib/socketio/namespace-handler.ts";
export type { ServerOptions } from "./lib/socketio/options.ts";
export { type NamespaceMatcher, ParentNamespace } from "./lib/socketio/parent-namespace.ts";
export { RateLimitError, type RateLimitOptions } from "./lib/socketio/rate-limit.ts";
export {
  type DisconnectReason,
  type Event,
  type PacketMiddleware,
  Socket,
} from "./lib/socketio/socket.ts";
export {
  type ReceivedEvent,
  TestClient,
  type TestClientOptions,
} from "./lib/socketio/test-client.ts";
export type { TrustedProxies } from "./lib/trusted-proxies.ts";
export type { DefaultEventsMap, Untyped };

/** How a server is doing. */
export interface ServerStats extends EngineStats {
  /** Sockets of this process by the names of their namespaces. */
  readonly sockets: Readonly<Record<string, number>>;
  /** Rooms in which sockets of this process are, by namespace. Each socket has one of its own. */
  readonly rooms: Readonly<Record<string, number>>;
  /** Acknowledgements that are awaited from clients of this process, by namespace. */
  readonly awaitedAcks: Readonly<Record<string, number>>;
}

type ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData> = (
  socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
) => void;

/** How a server closes. */
export interface CloseOptions {
  /**
   * Milliseconds that clients may take to receive what waits for them, and all connections of the HTTP server to end.
   * Those that are left are cut off. Default: 1,000.
   */
  readonly drain?: number;
}

const CLOSE_OPTIONS: OptionTable<CloseOptions> = { drain: milliseconds };

const NOT_ATTACHED = "the server is not attached to an HTTP server";

/**
 * A Socket.IO server, on an HTTP server of its own or yours.
 *
 * Its type parameters are maps of event names to listeners: what clients emit, what the server
 * emits, what servers emit to each other, and the type of `socket.data`.
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
  /** The program has set the adapter. */
  private hasOwnAdapter: boolean;
  private attachedEngine: Engine | undefined;
  private attachedServer: NodeServer | undefined;
  private attachment: Attachment | undefined;

  /**
   * @param server an HTTP or HTTPS server, or the port of one made for this; without it attach()
   * gives one later
   * @throws ArgumentTypeError or ArgumentRangeError for what is no server or port, and for an
   * invalid or unknown option
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
    // Listeners of the server are listeners of the main namespace.
    this.shareListenersOf(this.sockets);
    this.clients = new Clients(this.codec, this.namespaces, clientLimits(this.options));
    this.connectTimeout(this.options.connectTimeout || DEFAULT_CONNECT_TIMEOUT);
    if (server !== undefined && server !== null && !isOptions) this.attach(server);
  }

  /** The HTTP server that it is attached to. @throws Error before attach() */
  get httpServer(): NodeServer {
    if (this.attachedServer === undefined) throw new Error(NOT_ATTACHED);
    return this.attachedServer;
  }

  /** The Engine.IO server: sessions, whatever travels in them. @throws Error before attach() */
  get engine(): Engine {
    if (this.attachedEngine === undefined) throw new Error(NOT_ATTACHED);
    return this.attachedEngine;
  }

  /**
   * Serves Socket.IO on an HTTP or HTTPS server, or on a port. The server's own listeners get all
   * requests but those for the path.
   *
   * @param options replace those of the constructor, except where they are `undefined`. The parser,
   * the recovery and the limits of packets and namespaces can only be given to the constructor.
   * @throws ArgumentTypeError or ArgumentRangeError if `server` is neither a server nor a port, for an invalid or
   * unknown option, and for one that only the constructor takes
   */
  attach(server: NodeServer | number | string, options: ServerOptions = {}): this {
    checkServer(server);
    checkOptions(options, SERVER_OPTIONS);
    const all = { ...mergeOptions(this.options, options), path: options.path ?? this.servedPath };
    // The engine throws if it cannot be created with these options; nothing has changed until then.
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
   * Serves Socket.IO on an engine that is attached to a server by other means, or fed by hand with
   * its handleRequest() and handleUpgrade().
   *
   * @throws TypeError for what is no Engine of this package
   */
  bind(engine: Engine): this {
    if (!(engine instanceof Engine)) {
      throw new ArgumentTypeError("bind() takes an Engine of this package");
    }
    this.attachedEngine = engine;
    engine.deliverTo(this.clients);
    return this;
  }

  /** The same as attach(). */
  listen(server: NodeServer | number | string, options?: ServerOptions): this {
    return this.attach(server, options);
  }

  /**
   * The namespace with this name, which begins to be; "/" in front is added.
   *
   * @param onConnection a listener for its "connection"
   */
  of(
    name: string,
    onConnection?: ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  /**
   * Namespaces that begin to be when a client asks for one whose name fits the pattern, or that the
   * function allows: `(name, auth, next) => next(null, true)`.
   *
   * @throws TypeError for a pattern that remembers its last match (flags "g" and "y")
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
      throw new ArgumentTypeError("a namespace has a text, a pattern or a function for its name");
    }
    const namespace =
      typeof name === "string" ? this.namespaces.named(name) : this.namespaces.addParent(name);
    if (onConnection !== undefined) namespace.onConnection(onConnection);
    return namespace;
  }

  /**
   * The namespaces by their names. Not for programs, who have of(); by this name socket.io's own
   * Admin UI finds it.
   *
   * @internal
   */
  get _nsps(): ReadonlyMap<
    string,
    Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  > {
    return this.namespaces.all;
  }

  /** What connection state recovery keeps; `undefined` where it is off. @internal */
  get recoveryLimits(): RecoveryLimits | undefined {
    return recoveryLimits(this.options);
  }

  /** Has every client pass `middleware` before it may join the main namespace. */
  use(
    middleware: Middleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    this.sockets.use(middleware);
    return this;
  }

  /** The path under which it is attached. */
  path(): string;
  /** Sets the path, for attach(). Default "/socket.io". */
  path(path: string): this;
  path(path?: string): string | this {
    if (path === undefined) return this.servedPath;
    urlPath(path, "path");
    this.servedPath = path.replace(/\/$/, "");
    return this;
  }

  /** Milliseconds that a client may be connected without having joined a namespace. */
  connectTimeout(): number;
  /** Sets it, for clients that come later. Default 45,000. */
  connectTimeout(milliseconds: number): this;
  connectTimeout(milliseconds?: number): number | this {
    if (milliseconds === undefined) return this.clients.connectTimeout;
    SERVER_OPTIONS.connectTimeout(milliseconds, "connectTimeout");
    this.clients.connectTimeout = milliseconds;
    return this;
  }

  /** Whether the client's files are served under the path. */
  serveClient(): boolean;
  /** Sets it, for attach(). Default `true`. */
  serveClient(serve: boolean): this;
  serveClient(serve?: boolean): boolean | this {
    if (serve === undefined) return this.servesClient;
    boolean(serve, "serveClient");
    this.servesClient = serve;
    return this;
  }

  /**
   * How the server is doing: what the engine has counted, and how many sockets each namespace has. It walks
   * through all connections, so it is for now and then.
   *
   * @throws Error before attach()
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

  /** What makes the adapter of each namespace. */
  adapter(): AdapterFactory;
  /** Sets it; the namespaces that are there change to new ones, whose rooms are empty. */
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
   * Has `handler` told what a handler has thrown or rejected with: of events, of connections,
   * middleware too, in every namespace that has no onError() of its own. What it returns is the
   * acknowledgement. Without one, it surfaces like one that nobody catches.
   */
  onError(
    handler: ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the error handler", handler);
    this.errorHandler = handler;
    return this;
  }

  /**
   * Has the methods of a class handle the events of its namespace.
   *
   * @throws Error (`code` "ERR_ALREADY_REGISTERED") if the namespace has such a class already
   * @throws TypeError if two methods are for the same event, as onMessage() and on_message(), or if a
   * method whose name begins with "on" is for none
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
   * Runs the program in workers of node:cluster, which serve the clients together: docs/cluster.md. Each process runs the
   * program. In the primary, which has no clients, it resolves when all workers are ready.
   *
   * @throws WorkerFailedError (rejects) if a worker ends before it is ready; `code` says why it cannot listen
   */
  run(options: RunOptions & { readonly workers: WorkerCount }): Promise<RunningWorkers>;
  /**
   * Listens, and resolves when it does; says where, and goes in good order at SIGINT and SIGTERM:
   * takes no new clients, tells those that are there, waits for what they are still to get, and ends
   * the process. On the HTTP server that it is attached to, or on one of its own.
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
   * A client in this process, for tests: no port, but the real codec. Resolves when it is connected,
   * or refused: its `connected` and `refusal` say which.
   *
   * @throws Error (rejects) where `allowRequest` refuses it, and for an invalid or unknown option
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
   * Disconnects all clients and closes the HTTP server. Clients still receive what was sent to them
   * before. Every connection of the HTTP server that is open after a second is cut off, whatever it is used for.
   * Resolves when the HTTP server is closed.
   *
   * @param callback called then too, with an error where the HTTP server was not listening
   */
  close(callback?: (error?: Error) => void): Promise<void>;
  /**
   * close() that waits longer, or not as long.
   *
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid or unknown option
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

  /** @param timeout milliseconds until every connection that is left is cut off */
  private async closeWithin(timeout: number, callback?: (error?: Error) => void): Promise<void> {
    const error = await shutDown(this.parts, timeout);
    callback?.(error);
  }

  /** Has every client get what waits for it, and closes; connections that take longer are cut off. */
  private async drain(timeout: number, callback?: (error?: Error) => void): Promise<void> {
    const end = performance.now() + timeout;
    await drain(this.parts, timeout);
    await this.closeWithin(Math.max(0, end - performance.now()), callback);
  }

  /** What closes. */
  private get parts(): ClosingServer {
    const { attachedEngine: engine, attachedServer: httpServer, attachment } = this;
    return { engine, httpServer, attachment, clients: this.clients, namespaces: this.namespaces };
  }

  protected override get currentAdapter(): Adapter {
    return this.sockets.adapter;
  }

  protected override start(): BroadcastOperator<EmitEvents, SocketData> {
    return this.sockets.except([]);
  }

  /** The engine, with the client's files in front of it. */
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

/** An HTTP server that has nothing to serve but Socket.IO. */
function listen(port: number): NodeServer {
  return createServer(notFound).listen(port);
}

function notFound(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404).end();
}
