// The sockets of one namespace: who may come in, and who is there.

import { checkFunction } from "../../protocol/errors.ts";
import {
  type AckValue,
  type AllButLast,
  callListener,
  type DefaultEventsMap,
  type EventArguments,
  type EventNames,
  isListener,
  type LastArgument,
  type Listener,
  type Untyped,
  type WithResponses,
} from "../../protocol/events.ts";
import type { ConnectErrorData, Packet } from "../../protocol/socketio/packet.ts";
import type { NodeServer } from "../engineio/attach.ts";
import type { Engine } from "../engineio/engine.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type {
  Adapter,
  AdapterHost,
  RecoveryFailure,
  RestoredSession,
  ServerSideAnswer,
  ServerSideEvent,
  SocketId,
} from "./adapter.ts";
import { BroadcastOperator, EVERYBODY, GroupBroadcaster, ReservedEventError } from "./broadcast.ts";
import type { Client } from "./client.ts";
import type { Codec } from "./codec.ts";
import { callHandler, callHandlers, type ErrorHandler } from "./handling.ts";
import { type NamespaceHandlerLike, RegisteredHandler } from "./namespace-handler.ts";
import { ConnectionRefused } from "./refused.ts";
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

/** The events of a namespace: its own, and those that other servers emit. */
export type NamespaceEvents<S, ServerSideEvents> = NamespaceReservedEvents<S> & {
  [Event in keyof ServerSideEvents as Event extends keyof NamespaceReservedEvents<S>
    ? never
    : Event]: ServerSideEvents[Event];
};

/** A namespace, whatever its types. */
export interface NamespaceLike {
  readonly name: string;
  readonly sockets: ReadonlyMap<SocketId, unknown>;
}

/** The server as a namespace sees it. */
export interface NamespaceHost<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
  /** The server, for programs. */
  readonly server: NamespaceServer<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  /** Listeners acknowledge with what they return. */
  readonly ackReturnValues: boolean;
  /** Is told what handlers have thrown, where the namespace has none to tell. */
  errorHandler():
    | ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined;
  readonly codec: Codec;
  /** Makes an adapter for a namespace, as the server's option says. */
  createAdapter(nsp: AdapterHost): Adapter;
  /** Clients may come back; whether they skip the middleware then. `undefined`: they may not. */
  readonly recovery: { readonly skipMiddlewares: boolean } | undefined;
}

const RESERVED: ReadonlySet<string> = new Set(["connect", "connection", "new_namespace"]);

/** What a namespace shows of the server to programs. */
export interface NamespaceServer<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  extends GroupBroadcaster<
    NamespaceEvents<
      Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
      ServerSideEvents
    >,
    EmitEvents,
    SocketData
  > {
  readonly sockets: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  readonly engine: Engine;
  readonly httpServer: NodeServer;
  of(name: string): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  close(callback?: (error?: Error) => void): Promise<void>;
}

export class Namespace<
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
  implements AdapterHost
{
  readonly name: string;

  readonly #host: NamespaceHost<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  readonly #sockets = new Map<
    SocketId,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >();
  // Those that may come back, by the secrets that they come back with.
  readonly #recoverable = new Map<
    string,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >();
  #adapter: Adapter;
  #middleware: readonly Middleware<
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >[] = [];
  #handler:
    | RegisteredHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined;
  #errorHandler:
    | ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined;
  #ackId = 0;
  readonly #onEmpty: (() => void) | undefined;
  // Those that have not passed the middleware yet.
  readonly #waiting = new Set<SocketId>();

  /** @param onEmpty called when the last socket has gone, or the only one was refused */
  constructor(
    host: NamespaceHost<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    name: string,
    onEmpty?: () => void,
  ) {
    super();
    this.#host = host;
    this.name = name;
    this.#onEmpty = onEmpty;
    this.#adapter = host.createAdapter(this);
    void this.#adapter.init();
  }

  /** The server. */
  get server(): NamespaceServer<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    return this.#host.server;
  }

  /** Who is in which room. */
  get adapter(): Adapter {
    return this.#adapter;
  }

  /** The sockets that are connected, by their ids. */
  get sockets(): ReadonlyMap<
    SocketId,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  > {
    return this.#sockets;
  }

  /** @internal */
  onConnection(
    listener: (socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>) => void,
  ): void {
    this.addUntyped("connect", listener);
  }

  /** Has every client pass `middleware` before it may join; in the order of the calls. */
  use(
    middleware: Middleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the middleware", middleware);
    this.#middleware = [...this.#middleware, middleware];
    return this;
  }

  /**
   * Has `handler` told what a handler of this namespace has thrown or rejected with: of events, of
   * connections, middleware too. What it returns is the acknowledgement. Without one here or at the
   * server, it surfaces like one that nobody catches.
   */
  onError(
    handler: ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the error handler", handler);
    this.#errorHandler = handler;
    return this;
  }

  /**
   * Has a class's methods handle the events of this namespace. @internal
   *
   * @throws Error (`code` "ERR_ALREADY_REGISTERED") where there is one already
   */
  register(
    handler: NamespaceHandlerLike<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): void {
    if (this.#handler !== undefined) throw new AlreadyRegisteredError(this.name);
    this.#handler = new RegisteredHandler(handler);
  }

  /**
   * Emits an event to this namespace of all other servers, where the adapter knows of any. A
   * function as the last argument is called with `null` and what each of them answered, or with an
   * error and what the others did. Always `true`.
   *
   * @throws TypeError (`code` "ERR_RESERVED_EVENT") for an event of the namespace's own
   */
  serverSideEmit<Event extends EventNames<ServerSideEvents>>(
    event: Event,
    ...args: EventArguments<WithResponses<ServerSideEvents>, Event>
  ): true {
    const given: readonly unknown[] = args;
    const last = given.at(-1);
    if (isListener(last)) {
      this.#tellServers([event, ...given.slice(0, -1)], (error, responses) =>
        callListener(this, last, [error, responses]),
      );
    } else {
      this.#tellServers([event, ...given]);
    }
    return true;
  }

  /** serverSideEmit(), and resolves to what each server answers; rejects where one does not, with `responses` of the others. */
  serverSideEmitWithAck<Event extends EventNames<ServerSideEvents>>(
    event: Event,
    ...args: AllButLast<EventArguments<ServerSideEvents, Event>>
  ): Promise<AckValue<LastArgument<EventArguments<ServerSideEvents, Event>>>[]> {
    return new Promise((resolve, reject) => {
      this.#tellServers([event, ...args], (error, responses: Untyped[]) =>
        error === null ? resolve(responses) : reject(Object.assign(error, { responses })),
      );
    });
  }

  #tellServers(event: ServerSideEvent, answered?: ServerSideAnswer): void {
    if (RESERVED.has(event[0])) throw new ReservedEventError(event[0]);
    this.#adapter.serverSideEmit(event, answered);
  }

  protected override start(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.#adapter, EVERYBODY);
  }

  // What the server calls.

  /** Changes to the adapter that the server now has. @internal */
  renewAdapter(): void {
    void this.#adapter.close();
    this.#adapter = this.#host.createAdapter(this);
    void this.#adapter.init();
  }

  // What the dispatcher calls.

  /** @internal */
  restore(
    auth: object,
    callback: (session: RestoredSession | RecoveryFailure | undefined) => void,
  ): void {
    const { pid, offset } = { pid: undefined, offset: undefined, ...auth };
    if (this.#host.recovery === undefined || typeof pid !== "string") {
      callback(undefined);
      return;
    }
    // The client may know before us that its connection is broken.
    this.#recoverable.get(pid)?.conn.discard("transport close");
    const restored = this.#adapter.restoreSession(
      pid,
      typeof offset === "string" ? offset : undefined,
    );
    if (restored instanceof Promise) {
      restored.then(callback, (error: unknown) => {
        callback("unknown session");
        throw error;
      });
    } else {
      callback(restored);
    }
  }

  /** @internal */
  giveBack(session: RestoredSession): void {
    void this.#adapter.persistSession(session);
  }

  /**
   * A client asks to join. It is a socket from now on, and connected when the middleware has
   * passed; never before this call returns. @internal
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
    this.#waiting.add(socket.id);
    const skip = socket.recovered && this.#host.recovery?.skipMiddlewares === true;
    process.nextTick(() => this.#pass(socket, skip ? this.#middleware.length : 0));
    return socket;
  }

  // What its sockets and its adapter call.

  /** @internal */
  nextAckId(): number {
    return this.#ackId++;
  }

  /** Whether its sockets may come back. @internal */
  get recovers(): boolean {
    return this.#host.recovery !== undefined;
  }

  /** @internal */
  remove({ id, pid }: { readonly id: SocketId; readonly pid: string | undefined }): void {
    this.#sockets.delete(id);
    this.#waiting.delete(id);
    if (pid !== undefined) this.#recoverable.delete(pid);
    if (this.#sockets.size === 0 && this.#waiting.size === 0) this.#onEmpty?.();
  }

  /** @internal */
  encode(packet: Packet, compress: boolean): Outgoing {
    return this.#host.codec.encode(packet, compress);
  }

  /** @internal */
  onServerSideEmit([event, ...args]: ServerSideEvent): void {
    this.dispatch(event, args);
  }

  /**
   * Calls whom an event of `socket` is for: its listeners, and the method of a class.
   *
   * @param args the event's, with `acknowledge` behind them, if the client waits for an answer
   * @returns `false` where there is no more to it than calling the listeners. @internal
   */
  handle(
    socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    event: string,
    args: readonly unknown[],
    acknowledge?: Listener,
  ): boolean {
    const acknowledges = this.#host.ackReturnValues;
    const onError = this.#onError();
    if (this.#handler === undefined && onError === undefined && !acknowledges) return false;
    const handlers = socket.handlers(event, acknowledges);
    const method = this.#handler?.find(socket, event);
    if (method !== undefined) handlers.push(method);
    // Middleware may have changed them.
    const answers = acknowledge !== undefined && args.at(-1) === acknowledge;
    const own = answers ? args.slice(0, -1) : args;
    const tell = onError && ((error: unknown) => onError(error, { socket, event, args: own }));
    callHandlers(handlers, own, answers ? acknowledge : undefined, tell);
    return true;
  }

  #onError():
    | ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined {
    return this.#errorHandler ?? this.#host.errorHandler();
  }

  /** Lets `socket` pass the middleware from number `index` on. */
  #pass(
    socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    index: number,
  ): void {
    // The client may go while it waits.
    if (socket.gone) return;
    const middleware =
      this.#middleware[index] ??
      (index === this.#middleware.length ? this.#handler?.greet : undefined);
    if (middleware === undefined) {
      this.#waiting.delete(socket.id);
      this.#sockets.set(socket.id, socket);
      if (socket.pid !== undefined) this.#recoverable.set(socket.pid, socket);
      socket.onConnect();
      this.#tell("connect", socket);
      this.#tell("connection", socket);
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
    // What throws surfaces as an uncaught error, and the client is not left waiting.
    const fail = (error: unknown): void => {
      if (error instanceof ConnectionRefused) {
        next(error);
        return;
      }
      next(new Error("internal error"));
      const onError = this.#onError();
      if (onError === undefined) throw error;
      onError(error, { socket, event: "connect", args: [socket.handshake.auth] });
    };
    try {
      const result: unknown = middleware(socket, next);
      if (result instanceof Promise) result.catch(fail);
    } catch (error) {
      callListener(this, fail, [error]);
    }
  }

  #tell(
    event: "connect" | "connection",
    socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): void {
    const onError = this.#onError();
    if (onError === undefined) {
      this.dispatch(event, [socket]);
      return;
    }
    const tell = (error: unknown): unknown => onError(error, { socket, event, args: [socket] });
    for (const { call } of this.calls(event)) callHandler(call, [socket], tell);
  }
}

/** A namespace has a handler already. */
export class AlreadyRegisteredError extends Error {
  readonly code = "ERR_ALREADY_REGISTERED";

  constructor(namespace: string) {
    super(`the namespace "${namespace}" has a handler already`);
  }
}

function refusal({ message, data }: ExtendedError): ConnectErrorData {
  return data === undefined ? { message } : { message, data };
}
