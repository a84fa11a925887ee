// barewire: a Socket.IO server. The one file that names every layer.
//
//   import { Server } from "barewire";
//
//   const io = new Server(3000);
//   io.on("connection", (socket) => {
//     socket.on("chat", (text, delivered) => {
//       io.emit("chat", text);
//       if (typeof delivered === "function") delivered();
//     });
//   });

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

import { ClientFiles } from "./lib/client-files.ts";
import { Deadlines } from "./lib/deadlines.ts";
import {
  type Attachment,
  type AttachOptions,
  attach,
  type EngineHandler,
  enginePath,
  type NodeServer,
} from "./lib/engineio/attach.ts";
import { applyCors } from "./lib/engineio/cors.ts";
import { DEFAULTS, Engine, type EngineOptions, type EngineSink } from "./lib/engineio/engine.ts";
import { MemoryTransport } from "./lib/engineio/memory.ts";
import { type Running, type RunOptions, run } from "./lib/run.ts";
import { Adapter, type AdapterFactory, createAdapter } from "./lib/socketio/adapter.ts";
import { type BroadcastOperator, GroupBroadcaster } from "./lib/socketio/broadcast.ts";
import { type Codec, standardCodec } from "./lib/socketio/codec.ts";
import { Dispatcher, type DispatcherHost } from "./lib/socketio/dispatcher.ts";
import type { ErrorHandler } from "./lib/socketio/handling.ts";
import {
  type Middleware,
  Namespace,
  type NamespaceEvents,
  type NamespaceHost,
  type NamespaceServer,
} from "./lib/socketio/namespace.ts";
import type { HandlerMethods, NamespaceHandler } from "./lib/socketio/namespace-handler.ts";
import { type NamespaceMatcher, ParentNamespace } from "./lib/socketio/parent-namespace.ts";
import { codecOf, type Parser } from "./lib/socketio/parser.ts";
import { RecoveryAdapter, type RecoveryOptions } from "./lib/socketio/recovery.ts";
import type { Socket } from "./lib/socketio/socket.ts";
import {
  createTestRequest,
  TestClient,
  type TestClientOptions,
} from "./lib/socketio/test-client.ts";
import { Dispatcher4 } from "./lib/socketio/v4.ts";
import {
  ArgumentRangeError,
  ArgumentTypeError,
  checkFunction,
  checkMilliseconds,
} from "./protocol/errors.ts";
import type {
  AckValue,
  AllButLast,
  DefaultEventsMap,
  EventArguments,
  EventNames,
  LastArgument,
  Untyped,
  WithResponses,
} from "./protocol/events.ts";
import { MAIN_NAMESPACE } from "./protocol/socketio/packet.ts";

export { Engine } from "./lib/engineio/engine.ts";
export type { EngineMiddleware } from "./lib/engineio/middleware.ts";
export type { Running, RunOptions } from "./lib/run.ts";
export type { RecoveryFailure } from "./lib/socketio/adapter.ts";
export { Adapter, type AdapterFactory } from "./lib/socketio/adapter.ts";
export { BroadcastOperator, RemoteSocket, ReservedEventError } from "./lib/socketio/broadcast.ts";
export { acks, type ErrorHandler, type HandlerCall } from "./lib/socketio/handling.ts";
export type { Handshake } from "./lib/socketio/handshake.ts";
export { type ExtendedError, Namespace } from "./lib/socketio/namespace.ts";
export { type HandlerMethods, NamespaceHandler } from "./lib/socketio/namespace-handler.ts";
export { type NamespaceMatcher, ParentNamespace } from "./lib/socketio/parent-namespace.ts";
export type { Parser } from "./lib/socketio/parser.ts";
export { ConnectionRefused } from "./lib/socketio/refused.ts";
export {
  type AnyListener,
  type DisconnectReason,
  type PacketMiddleware,
  Socket,
} from "./lib/socketio/socket.ts";
export {
  type ReceivedEvent,
  TestClient,
  type TestClientOptions,
} from "./lib/socketio/test-client.ts";
export {
  AckTimeoutError,
  ArgumentRangeError,
  ArgumentTypeError,
  DisconnectedError,
} from "./protocol/errors.ts";
export type { DefaultEventsMap };

type ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData> = (
  socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
) => void;

export interface ServerOptions extends EngineOptions, AttachOptions {
  /** The client's files are served under the path. Default `true`. */
  readonly serveClient?: boolean;
  /** Who is in which room; one that works over a network makes several servers one. Default: in memory. */
  readonly adapter?: AdapterFactory;
  /** How packets travel, which clients must know too: `import * as parser from "barewire/msgpack"`. Default: as JSON, with bytes beside it. */
  readonly parser?: Parser;
  /** Clients that come back in time are the same sockets again. Default: they are not. */
  readonly connectionStateRecovery?: RecoveryOptions;
  /** Milliseconds that a client may be connected without having joined a namespace. Default 45,000. */
  readonly connectTimeout?: number;
  /**
   * A listener that does not take the callback of an acknowledgement acknowledges with what it
   * returns or resolves to: nothing with no arguments, `acks(a, b)` with several. One takes the
   * callback that has a parameter for it. Default `false`.
   */
  readonly ackReturnValues?: boolean;
  /** Binary attachments that one packet may have. Default 10. */
  readonly maxAttachments?: number;
  /** Namespaces that were made for a client, by of() with a pattern or function, end with their last socket. Default `false`. */
  readonly cleanupEmptyChildNamespaces?: boolean;
  /** Namespaces that one connection may cause to be made. Default 100. */
  readonly maxCreatedNamespaces?: number;
}

const DEFAULT_CONNECT_TIMEOUT = 45_000;
const DEFAULT_MAX_ATTACHMENTS = 10;
const DEFAULT_MAX_CREATED_NAMESPACES = 100;
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
  extends GroupBroadcaster<
    NamespaceEvents<
      Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
      ServerSideEvents
    >,
    EmitEvents,
    SocketData
  >
  implements NamespaceServer<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
{
  /** The main namespace, "/". */
  readonly sockets: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;

  readonly #options: ServerOptions;
  readonly #codec: Codec;
  readonly #namespaces: Map<
    string,
    Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >;
  readonly #parents: ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>[] = [];
  readonly #namespaceHost: NamespaceHost<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  #errorHandler:
    | ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined;
  readonly #dispatchers = new Set<Dispatcher>();
  // Clients that have not joined a namespace yet; more than one where the timeout has been changed.
  #connecting: Deadlines<Dispatcher>[] = [];
  readonly #dispatcherHost: DispatcherHost;
  readonly #engineSink: EngineSink;
  #path: string;
  #connectTimeout: number;
  #servesClient: boolean;
  #adapter: AdapterFactory;
  #engine: Engine | undefined;
  #httpServer: NodeServer | undefined;
  #attachment: Attachment | undefined;
  // Called when the last client has gone.
  #onDrained: (() => void) | undefined;

  /**
   * @param server an HTTP or HTTPS server, or the port of one made for this; without it attach()
   * gives one later
   */
  constructor(server?: NodeServer | number | string | ServerOptions, options?: ServerOptions) {
    super();
    const isOptions = typeof server === "object" && server !== null && !("listen" in server);
    this.#options = (isOptions ? server : options) ?? {};
    const {
      connectionStateRecovery: recovery,
      maxAttachments,
      maxCreatedNamespaces,
    } = this.#options;
    this.#path = this.#options.path ?? "/socket.io";
    this.#connectTimeout = this.#options.connectTimeout || DEFAULT_CONNECT_TIMEOUT;
    this.connectTimeout(this.#connectTimeout);
    this.#servesClient = this.#options.serveClient ?? true;
    this.#adapter = this.#options.adapter ?? this.#defaultAdapter();
    const { parser } = this.#options;
    this.#codec =
      parser === undefined
        ? standardCodec(maxAttachments ?? DEFAULT_MAX_ATTACHMENTS)
        : codecOf(parser);
    this.#namespaceHost = {
      server: this,
      ackReturnValues: this.#options.ackReturnValues ?? false,
      errorHandler: () => this.#errorHandler,
      codec: this.#codec,
      createAdapter: (nsp) => createAdapter(this.#adapter, nsp),
      recovery: recovery && { skipMiddlewares: recovery.skipMiddlewares ?? true },
    };
    // What listens to the server listens to the main namespace.
    this.sockets = new Namespace(this.#namespaceHost, MAIN_NAMESPACE);
    this.shareListenersOf(this.sockets);
    this.#namespaces = new Map([[MAIN_NAMESPACE, this.sockets]]);
    this.#dispatcherHost = {
      codec: this.#codec,
      maxCreatedNamespaces: maxCreatedNamespaces ?? DEFAULT_MAX_CREATED_NAMESPACES,
      findNamespace: (name, auth, mayCreate, callback) => {
        const namespace = this.#namespaces.get(name);
        if (namespace !== undefined || !mayCreate) callback(namespace, false);
        else this.#createFor(name, auth, 0, callback);
      },
      onJoined: (dispatcher) => this.#forgetConnecting(dispatcher),
      onGone: (dispatcher) => {
        this.#forgetConnecting(dispatcher);
        this.#dispatchers.delete(dispatcher);
        if (this.#dispatchers.size === 0) this.#onDrained?.();
      },
    };
    this.#engineSink = {
      onSession: (session) => {
        const Revision = session.protocol === 3 ? Dispatcher4 : Dispatcher;
        const dispatcher = new Revision(session, this.#dispatcherHost);
        this.#dispatchers.add(dispatcher);
        this.#connecting.at(-1)?.add(dispatcher);
        return dispatcher;
      },
    };
    if (server !== undefined && server !== null && !isOptions) this.attach(server);
  }

  /** The HTTP server that it is attached to. @throws Error before attach() */
  get httpServer(): NodeServer {
    if (this.#httpServer === undefined) throw new Error(NOT_ATTACHED);
    return this.#httpServer;
  }

  /** The Engine.IO server: sessions, whatever travels in them. @throws Error before attach() */
  get engine(): Engine {
    if (this.#engine === undefined) throw new Error(NOT_ATTACHED);
    return this.#engine;
  }

  /**
   * Serves Socket.IO on an HTTP or HTTPS server, or on a port. The server's own listeners get all
   * requests but those for the path.
   *
   * @param options what the constructor was given stands before it
   * @throws TypeError for what is no server
   */
  attach(server: NodeServer | number | string, options?: ServerOptions): this {
    if (typeof server === "function") {
      throw new ArgumentTypeError(
        "You are trying to attach socket.io to an express request handler function. Please pass a http.Server instance.",
      );
    }
    const port = typeof server === "object" ? undefined : portOf(server);
    const all: ServerOptions = { ...options, ...this.#options, path: this.#path };
    // Throws where the options are not good, and then nothing has changed.
    const engine = new Engine(all, this.#engineSink);
    this.#engine = engine;
    this.#httpServer = typeof server === "object" ? server : listen(port ?? 0);
    this.#attachment = attach(this.#handler(engine, all), this.#httpServer, all);
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
    this.#engine = engine;
    engine.deliverTo(this.#engineSink);
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
    const namespace = typeof name === "string" ? this.#named(name) : this.#addParent(name);
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
    return this.#namespaces;
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
    if (path === undefined) return this.#path;
    if (typeof path !== "string") throw new ArgumentTypeError("the path is not a text");
    this.#path = path.replace(/\/$/, "");
    return this;
  }

  /** Milliseconds that a client may be connected without having joined a namespace. */
  connectTimeout(): number;
  /** Sets it, for clients that come later. Default 45,000. */
  connectTimeout(milliseconds: number): this;
  connectTimeout(milliseconds?: number): number | this {
    if (milliseconds === undefined) return this.#connectTimeout;
    checkMilliseconds("the timeout", milliseconds);
    this.#connectTimeout = milliseconds;
    const waiting = this.#connecting.filter(({ size }) => size > 0);
    const latest = new Deadlines<Dispatcher>(milliseconds, (dispatcher) => dispatcher.close());
    this.#connecting = [...waiting, latest];
    return this;
  }

  /** Whether the client's files are served under the path. */
  serveClient(): boolean;
  /** Sets it, for attach(). Default `true`. */
  serveClient(serve: boolean): this;
  serveClient(serve?: boolean): boolean | this {
    if (serve === undefined) return this.#servesClient;
    this.#servesClient = serve;
    return this;
  }

  /** What makes the adapter of each namespace. */
  adapter(): AdapterFactory;
  /** Sets it; the namespaces that are there change to new ones, whose rooms are empty. */
  adapter(adapter: AdapterFactory): this;
  adapter(adapter?: AdapterFactory): AdapterFactory | this {
    if (adapter === undefined) return this.#adapter;
    if (typeof adapter !== "function") {
      throw new ArgumentTypeError("the adapter is neither a class nor a function");
    }
    this.#adapter = adapter;
    for (const namespace of this.#namespaces.values()) namespace.renewAdapter();
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
    this.#errorHandler = handler;
    return this;
  }

  /**
   * Has the methods of a class handle the events of its namespace.
   *
   * @throws Error (`code` "ERR_ALREADY_REGISTERED") where the namespace has such a class already
   */
  register(
    handler: NamespaceHandler<ListenEvents, EmitEvents, ServerSideEvents, SocketData> &
      HandlerMethods<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): this {
    const { name } = handler;
    const namespace = typeof name === "string" ? this.of(name) : this.of(name);
    namespace.register(handler);
    handler.registered(namespace);
    return this;
  }

  /** Namespace.serverSideEmit() of the main namespace. */
  serverSideEmit<Event extends EventNames<ServerSideEvents>>(
    event: Event,
    ...args: EventArguments<WithResponses<ServerSideEvents>, Event>
  ): true {
    return this.sockets.serverSideEmit(event, ...args);
  }

  /** Namespace.serverSideEmitWithAck() of the main namespace. */
  serverSideEmitWithAck<Event extends EventNames<ServerSideEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<ServerSideEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<ServerSideEvents, Event>>>[]> {
    return this.sockets.serverSideEmitWithAck(event, ...args);
  }

  /**
   * Listens, and resolves when it does; says where, and goes in good order at SIGINT and SIGTERM:
   * takes no new clients, tells those that are there, waits for what they are still to get, and ends
   * the process. On the HTTP server that it is attached to, or on one of its own.
   */
  run(options: RunOptions = {}): Promise<Running> {
    if (this.#httpServer === undefined) this.attach(createServer(notFound));
    return run(this.httpServer, (timeout) => this.#drain(timeout), options);
  }

  /**
   * A client in this process, for tests: no port, but the real codec. Resolves when it is connected,
   * or refused: its `connected` and `refusal` say which.
   *
   * @throws Error (rejects) where `allowRequest` refuses it
   */
  async testClient(options: TestClientOptions = {}): Promise<TestClient<ListenEvents>> {
    if (this.#engine === undefined) this.bind(new Engine(this.#options));
    const transport = new MemoryTransport();
    const client = new TestClient<ListenEvents>(transport, this.#codec, options.namespace ?? "/");
    await this.engine.accept(createTestRequest(options), transport, (session) =>
      transport.start(session),
    );
    return client.join(options.auth);
  }

  /**
   * Disconnects all clients and closes the HTTP server. Resolves when it is closed.
   *
   * @param callback called then too, with an error where the HTTP server was not listening
   */
  async close(callback?: (error?: Error) => void): Promise<void> {
    for (const dispatcher of [...this.#dispatchers]) dispatcher.shutDown();
    await Promise.allSettled([...this.#namespaces.values()].map(({ adapter }) => adapter.close()));
    this.#engine?.close();
    const httpServer = this.#httpServer;
    const attachment = this.#attachment;
    this.#attachment = undefined;
    const error = await new Promise<Error | undefined>((resolve) => {
      if (httpServer === undefined) resolve(undefined);
      else httpServer.close(resolve);
      attachment?.endSilentConnections();
    });
    // Until now requests still came on open connections, and were answered.
    attachment?.detach();
    callback?.(error);
  }

  /** Has every client get what waits for it, and closes; clients that take longer are cut off. */
  async #drain(timeout: number): Promise<void> {
    this.#engine?.refuseClients();
    const drained = new Promise<void>((resolve) => {
      this.#onDrained = resolve;
    });
    const timer = setTimeout(() => this.#onDrained?.(), timeout);
    for (const dispatcher of [...this.#dispatchers]) dispatcher.drain();
    if (this.#dispatchers.size === 0) this.#onDrained?.();
    await drained;
    clearTimeout(timer);
    await this.close();
  }

  #named(name: string): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const full = name.startsWith("/") ? name : `/${name}`;
    const known = this.#namespaces.get(full);
    if (known !== undefined) return known;
    const parent = this.#parents.find(({ pattern }) => pattern?.test(full) === true);
    return parent === undefined
      ? this.#begin(new Namespace(this.#namespaceHost, full))
      : this.#begin(this.#childOf(parent, full));
  }

  #addParent(
    names: RegExp | NamespaceMatcher,
  ): ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const parent = new ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>(
      this.#namespaceHost,
      `/_${this.#parents.length}`,
      names,
    );
    this.#parents.push(parent);
    return parent;
  }

  #childOf(
    parent: ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    name: string,
  ): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    return parent.createChild(name, (child) => {
      if (this.#options.cleanupEmptyChildNamespaces !== true) return;
      parent.children.delete(child);
      if (this.#namespaces.get(name) === child) this.#namespaces.delete(name);
    });
  }

  #begin(
    namespace: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    this.#namespaces.set(namespace.name, namespace);
    this.dispatch("new_namespace", [namespace]);
    return namespace;
  }

  /** Makes a namespace that a client has asked for, if one of the parents from number `index` on allows it. */
  #createFor(
    name: string,
    auth: object,
    index: number,
    callback: Parameters<DispatcherHost["findNamespace"]>[3],
  ): void {
    const parent = this.#parents[index];
    if (parent === undefined) {
      callback(undefined, false);
      return;
    }
    parent.matches(name, auth, (allowed) => {
      // Another client may have caused it to be meanwhile.
      const known = this.#namespaces.get(name);
      if (known !== undefined) callback(known, false);
      else if (allowed) callback(this.#begin(this.#childOf(parent, name)), true);
      else this.#createFor(name, auth, index + 1, callback);
    });
  }

  protected override start(): BroadcastOperator<EmitEvents, SocketData> {
    return this.sockets.except([]);
  }

  /** Rooms in memory. */
  #defaultAdapter(): AdapterFactory {
    const { connectionStateRecovery, pingInterval, pingTimeout } = this.#options;
    if (connectionStateRecovery === undefined) return Adapter;
    const heartbeat =
      (pingInterval ?? DEFAULTS.pingInterval) + (pingTimeout ?? DEFAULTS.pingTimeout);
    return (nsp) => new RecoveryAdapter(nsp, connectionStateRecovery, heartbeat);
  }

  /** The engine, with the client's files in front of it. */
  #handler(engine: Engine, options: ServerOptions): EngineHandler {
    if (!this.#servesClient) return engine;
    const files = new ClientFiles(`${enginePath(options).replace(/\/$/, "")}/`);
    return {
      handleRequest: (request, response, alone) => {
        if (!files.has(request)) engine.handleRequest(request, response, alone);
        else if (!options.cors) files.serve(request, response);
        else applyCors(options.cors, request, response, () => files.serve(request, response));
      },
      handleUpgrade: (request, socket, head, alone) =>
        engine.handleUpgrade(request, socket, head, alone),
    };
  }

  #forgetConnecting(dispatcher: Dispatcher): void {
    for (const deadlines of this.#connecting) deadlines.delete(dispatcher);
  }
}

/** @throws TypeError for what is no number, RangeError for one that is no port */
function portOf(given: number | string): number {
  const port = typeof given === "number" || typeof given === "string" ? Number(given) : Number.NaN;
  if (Number.isNaN(port))
    throw new ArgumentTypeError("neither an HTTP server nor a port was given");
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new ArgumentRangeError("the port is not between 0 and 65535");
  }
  return port;
}

/** An HTTP server that has nothing to serve but Socket.IO. */
function listen(port: number): NodeServer {
  return createServer(notFound).listen(port);
}

function notFound(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404).end();
}
