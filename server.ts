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

import { createServer } from "node:http";

import { Deadlines } from "./lib/deadlines.ts";
import {
  type Attachment,
  type AttachOptions,
  attach,
  type NodeServer,
} from "./lib/engineio/attach.ts";
import { Engine, type EngineOptions } from "./lib/engineio/engine.ts";
import type { DefaultEventsMap, Untyped } from "./lib/events.ts";
import { type BroadcastOperator, GroupBroadcaster } from "./lib/socketio/broadcast.ts";
import { Dispatcher, type DispatcherHost } from "./lib/socketio/dispatcher.ts";
import {
  type Middleware,
  Namespace,
  type NamespaceReservedEvents,
} from "./lib/socketio/namespace.ts";
import { type NamespaceMatcher, ParentNamespace } from "./lib/socketio/parent-namespace.ts";
import type { Socket } from "./lib/socketio/socket.ts";
import { MAIN_NAMESPACE } from "./protocol/socketio/packet.ts";

export { AckTimeoutError, DisconnectedError } from "./lib/socketio/acks.ts";
export { Adapter } from "./lib/socketio/adapter.ts";
export { BroadcastOperator, RemoteSocket, ReservedEventError } from "./lib/socketio/broadcast.ts";
export type { Handshake } from "./lib/socketio/handshake.ts";
export { type ExtendedError, Namespace } from "./lib/socketio/namespace.ts";
export { type NamespaceMatcher, ParentNamespace } from "./lib/socketio/parent-namespace.ts";
export {
  type AnyListener,
  type DisconnectReason,
  type PacketMiddleware,
  Socket,
} from "./lib/socketio/socket.ts";
export type { DefaultEventsMap };

type ConnectionListener<ListenEvents, EmitEvents, ServerSideEvents, SocketData> = (
  socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
) => void;

export interface ServerOptions extends EngineOptions, AttachOptions {
  /** Milliseconds that a client may be connected without having joined a namespace. Default 45,000. */
  readonly connectTimeout?: number;
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
> extends GroupBroadcaster<
  NamespaceReservedEvents<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  EmitEvents,
  SocketData
> {
  /** The main namespace, "/". */
  readonly sockets: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;

  readonly #options: ServerOptions;
  readonly #namespaces: Map<
    string,
    Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >;
  readonly #parents: ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>[] = [];
  readonly #dispatchers = new Set<Dispatcher>();
  // Clients that have not joined a namespace yet.
  readonly #connecting: Deadlines<Dispatcher>;
  readonly #dispatcherHost: DispatcherHost;
  #engine: Engine | undefined;
  #httpServer: NodeServer | undefined;
  #attachment: Attachment | undefined;

  /**
   * @param server an HTTP or HTTPS server, or the port of one made for this; without it attach()
   * gives one later
   */
  constructor(server?: NodeServer | number | string | ServerOptions, options?: ServerOptions) {
    const main = new Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>(
      MAIN_NAMESPACE,
    );
    // What listens to the server listens to the main namespace.
    super(main);
    this.sockets = main;
    this.#namespaces = new Map([[MAIN_NAMESPACE, main]]);
    const isOptions = typeof server === "object" && server !== null && !("listen" in server);
    this.#options = (isOptions ? server : options) ?? {};
    this.#connecting = new Deadlines(
      this.#options.connectTimeout || DEFAULT_CONNECT_TIMEOUT,
      (dispatcher) => dispatcher.close(),
    );
    this.#dispatcherHost = {
      maxAttachments: this.#options.maxAttachments ?? DEFAULT_MAX_ATTACHMENTS,
      maxCreatedNamespaces: this.#options.maxCreatedNamespaces ?? DEFAULT_MAX_CREATED_NAMESPACES,
      findNamespace: (name, auth, mayCreate, callback) => {
        const namespace = this.#namespaces.get(name);
        if (namespace !== undefined || !mayCreate) callback(namespace, false);
        else this.#createFor(name, auth, 0, callback);
      },
      onJoined: (dispatcher) => {
        this.#connecting.delete(dispatcher);
      },
      onGone: (dispatcher) => {
        this.#connecting.delete(dispatcher);
        this.#dispatchers.delete(dispatcher);
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
      throw new TypeError(
        "You are trying to attach socket.io to an express request handler function. Please pass a http.Server instance.",
      );
    }
    const all: ServerOptions = { ...options, ...this.#options };
    const engine = new Engine(all, {
      onSession: (session, request) => {
        const dispatcher = new Dispatcher(session, request, this.#dispatcherHost);
        this.#dispatchers.add(dispatcher);
        this.#connecting.add(dispatcher);
        return dispatcher;
      },
    });
    // When the options are known to be good.
    this.#engine = engine;
    this.#httpServer = typeof server === "object" ? server : listen(Number(server));
    this.#attachment = attach(engine, this.#httpServer, all);
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
    const namespace = typeof name === "string" ? this.#named(name) : this.#addParent(name);
    if (onConnection !== undefined) namespace.on("connect", onConnection);
    return namespace;
  }

  /** Has every client pass `middleware` before it may join the main namespace. */
  use(
    middleware: Middleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    this.sockets.use(middleware);
    return this;
  }

  /**
   * Disconnects all clients and closes the HTTP server. Resolves when it is closed.
   *
   * @param callback called then too, with an error where the HTTP server was not listening
   */
  async close(callback?: (error?: Error) => void): Promise<void> {
    for (const dispatcher of [...this.#dispatchers]) dispatcher.shutDown();
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

  #named(name: string): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const full = name.startsWith("/") ? name : `/${name}`;
    const known = this.#namespaces.get(full);
    if (known !== undefined) return known;
    const parent = this.#parents.find(({ pattern }) => pattern?.test(full) === true);
    return parent === undefined
      ? this.#begin(new Namespace(full))
      : this.#begin(this.#childOf(parent, full));
  }

  #addParent(
    names: RegExp | NamespaceMatcher,
  ): ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const parent = new ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>(
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
}

/** An HTTP server that has nothing to serve but Socket.IO. */
function listen(port: number): NodeServer {
  return createServer((_request, response) => response.writeHead(404).end()).listen(port);
}
