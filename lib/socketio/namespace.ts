// The sockets of one namespace: who may come in, and who is there.

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
export interface NamespaceHost<Events extends EventMaps>
  extends EventHandlersHost<SocketOf<Events>> {
  /** The server, for programs. */
  readonly server: NamespaceServer<Events>;
  readonly codec: Codec;
  /** Makes an adapter for a namespace, as the server's option says. */
  createAdapter(nsp: AdapterHost): Adapter;
  /** An adapter has failed at something of its own. */
  onError(error: Error): void;
  /** Clients may come back; whether they skip the middleware then. `undefined`: they may not. */
  readonly recovery:
    | { readonly skipMiddlewares: boolean; readonly maxDisconnectionDuration: number }
    | undefined;
  readonly maxRoomsPerSocket: number;
  /** What each socket may send; `undefined` for no limit. */
  readonly rateLimit: RateLimit | undefined;
  /** A namespace was created. */
  onCreated(namespace: NamespaceLike): void;
}

const RESERVED: ReadonlySet<string> = new Set(["connect", "connection", "new_namespace"]);

/** The sockets and the namespace of these events. */
export type SocketOf<Events extends EventMaps> = Socket<
  Events["listen"],
  Events["emit"],
  Events["serverSide"],
  Events["data"]
>;
export type NamespaceOf<Events extends EventMaps> = Namespace<
  Events["listen"],
  Events["emit"],
  Events["serverSide"],
  Events["data"]
>;

/** A server or a namespace: it emits to all sockets of a namespace, and listens for them. */
export abstract class NamespaceBroadcaster<Events extends EventMaps> extends GroupBroadcaster<
  NamespaceEvents<SocketOf<Events>, Events["serverSide"]>,
  Events["emit"],
  Events["data"]
> {}

/** A server or a namespace that servers share: it emits to the other servers, too. */
export abstract class ServerBroadcaster<
  Events extends EventMaps,
> extends NamespaceBroadcaster<Events> {
  protected abstract readonly currentAdapter: Adapter;

  /**
   * Emits an event to this namespace of all other servers, where the adapter knows of any. A
   * function as the last argument is called with `null` and what each of them answered, or with an
   * error and what the others did. Always `true`.
   *
   * @throws TypeError (`code` "ERR_RESERVED_EVENT") for an event of the namespace's own
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

  /** serverSideEmit(), and resolves to what each server answers; rejects where one does not, with `responses` of the others. */
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

/** The server as programs see it from a namespace. */
export interface NamespaceServer<Events extends EventMaps> extends NamespaceBroadcaster<Events> {
  readonly sockets: NamespaceOf<Events>;
  readonly engine: Engine;
  readonly httpServer: NodeServer;
  of(name: string): NamespaceOf<Events>;
  close(callback?: (error?: Error) => void): Promise<void>;
}

export class Namespace<
    ListenEvents = DefaultEventsMap,
    EmitEvents = ListenEvents,
    ServerSideEvents = DefaultEventsMap,
    SocketData = Untyped,
  >
  extends ServerBroadcaster<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
  implements AdapterHost
{
  readonly name: string;
  /** How the events of its sockets reach their handlers. @internal */
  readonly handling: EventHandlers<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>;

  private readonly host: NamespaceHost<
    EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >;
  private readonly connectedSockets = new Map<
    SocketId,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >();
  // Those that may come back, by the secrets that they come back with.
  private readonly recoverable = new Map<
    string,
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >();
  protected override currentAdapter: Adapter;
  /** What each of its sockets may send. @internal */
  eventLimit: RateLimit | undefined;
  private middleware: readonly Middleware<
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >[] = [];
  private ackId = 0;
  private readonly onEmpty: (() => void) | undefined;
  // Those that have not passed the middleware yet.
  private readonly waiting = new Set<SocketId>();

  /** @param onEmpty called when the last socket has gone, or the only one was refused */
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

  /** The server. */
  get server(): NamespaceServer<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>> {
    return this.host.server;
  }

  /** Who is in which room. */
  get adapter(): Adapter {
    return this.currentAdapter;
  }

  /** The sockets that are connected, by their ids. */
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

  /** Has every client pass `middleware` before it may join; in the order of the calls. */
  use(
    middleware: Middleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the middleware", middleware);
    this.middleware = [...this.middleware, middleware];
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
    this.handling.errorHandler = handler;
    return this;
  }

  /**
   * Replaces the server's `rateLimit` for the sockets of this namespace, those that are there too. `false`: no limit.
   *
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid limit
   */
  rateLimit(limit: RateLimitOptions | false): this {
    this.eventLimit = createRateLimit(limit);
    return this;
  }

  /**
   * Has a class's methods handle the events of this namespace. @internal
   *
   * @throws Error (`code` "ERR_ALREADY_REGISTERED") where there is one already
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

  // What the server calls.

  /** Changes to the adapter that the server now has. @internal */
  renewAdapter(factory: AdapterFactory): void {
    const renewed = this.watched(createAdapter(factory, this));
    const before = this.currentAdapter;
    this.guardAdapter("close", () => before.close());
    this.currentAdapter = renewed;
    this.begin(renewed);
  }

  /** Begins to use an adapter. What it throws at once is for who creates the namespace, or sets the adapter. */
  private begin(adapter: Adapter): void {
    const begun = adapter.init();
    if (begun !== undefined) this.guardAdapter("init", () => begun);
  }

  private watched(adapter: Adapter): Adapter {
    return adapter.on("error", (error) => this.host.onError(error));
  }

  // What the dispatcher calls.

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
      // A promise of its own: below, the failure is handled for the client, and it still has to surface.
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

  // What its sockets and its adapter call.

  /**
   * Calls a method of the adapter for a client, or for the namespace. What it throws or rejects with reaches onError(),
   * or surfaces: the program has not called it, so that there is nobody to catch it. @internal
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

  /** Whether its sockets may come back. @internal */
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
    // The client may know before us that its connection is broken.
    this.recoverable.get(pid)?.conn.discard("transport close");
  }

  /** @internal */
  onServerSideEmit([event, ...args]: ServerSideEvent): void {
    // No server emits these, and listeners would take what came with them for a socket.
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

/** A namespace has a handler already. */
export class AlreadyRegisteredError extends Error {
  readonly code = "ERR_ALREADY_REGISTERED";

  constructor(namespace: string) {
    super(`the namespace "${namespace}" has a handler already`);
  }
}
