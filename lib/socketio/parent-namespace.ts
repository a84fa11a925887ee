// A parent namespace creates child namespaces when a client or of() requests them by name. It
// contains the pattern or function that accepts the names, and the settings of new child
// namespaces.

import type { Packet } from "../../protocol/socketio/packet.ts";
import type { DefaultEventsMap, Untyped } from "../events/emitter.ts";
import { checkFunction } from "../events/errors.ts";
import { isThenable } from "../events/thenable.ts";
import {
  Adapter,
  allOf,
  type BroadcastAnswers,
  type BroadcastOptions,
  type Gathered,
  gathered,
  type Room,
  type SocketDetails,
} from "./adapter.ts";
import { BroadcastOperator, EVERYBODY } from "./broadcast.ts";
import type { Codec } from "./codec.ts";
import { type ErrorHandler, EventHandlers, type MethodHandlers } from "./event-handlers.ts";
import type { EventMaps } from "./event-maps.ts";
import type { Middleware } from "./middleware.ts";
import { Namespace, NamespaceBroadcaster, type NamespaceHost } from "./namespace.ts";
import { createRateLimit, type RateLimitOptions } from "./rate-limit.ts";
import type { Socket } from "./socket.ts";

/**
 * Decides whether a namespace may be created for a client.
 *
 * @param name the requested name
 * @param auth the `auth` that the client sent
 * @param next `next(null, true)` allows the namespace. `next(error)` and `next(null, false)` refuse
 * the client, unless another pattern or function allows the namespace
 */
export type NamespaceMatcher = (
  name: string,
  auth: Readonly<Record<string, Untyped>>,
  next: (error: Error | null, allow?: boolean) => void,
) => void;

/**
 * The parent of all namespaces that match a pattern or function. Listeners and middleware apply to
 * namespaces that are created later. Broadcasts reach all existing namespaces.
 *
 * @example
 * ```ts
 * const rooms = io.of(/^\/room-\d+$/);
 * rooms.on("connection", (socket) => {
 *   socket.nsp.emit("joined", socket.id);
 * });
 * ```
 */
export class ParentNamespace<
  ListenEvents = DefaultEventsMap,
  EmitEvents = ListenEvents,
  ServerSideEvents = DefaultEventsMap,
  SocketData = Untyped,
> extends NamespaceBroadcaster<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>> {
  /** A name for debugging. Clients cannot join the parent namespace itself. */
  readonly name: string;
  /**
   * The child namespaces that exist now. With `cleanupEmptyChildNamespaces`, empty child namespaces
   * are removed.
   */
  readonly children: Set<Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>> =
    new Set();

  /** The pattern that names must match. `undefined` if a function decides. */
  readonly pattern: RegExp | undefined;
  private readonly matcher: NamespaceMatcher;
  private readonly host: NamespaceHost<
    EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >;
  private handler:
    | MethodHandlers<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined;
  private errorHandler:
    | ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined;
  private limit: RateLimitOptions | false | undefined;
  private readonly adapter: Adapter;
  private middleware: readonly Middleware<
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >[] = [];

  /**
   * Creates a parent namespace. Use Server.of() instead.
   *
   * @throws TypeError for a pattern with the flags "g" or "y"
   * @internal
   */
  constructor(
    host: NamespaceHost<EventMaps<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
    name: string,
    names: RegExp | NamespaceMatcher,
  ) {
    super();
    this.host = host;
    this.name = name;
    this.pattern = names instanceof RegExp ? names : undefined;
    if (this.pattern?.global || this.pattern?.sticky) {
      throw new TypeError('regular expressions with the flags "g" and "y" are not supported');
    }
    this.matcher =
      names instanceof RegExp ? (asked, _auth, next) => next(null, names.test(asked)) : names;
    this.adapter = new ChildrenAdapter(host.codec, name, this.children);
  }

  /** @internal */
  onConnection(
    listener: (socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>) => void,
  ): void {
    this.addUntyped("connect", listener);
  }

  /**
   * Adds middleware to every namespace that is created later, as Namespace.use() does.
   *
   * @param middleware calls `next()` to accept a client, or `next(error)` to refuse it
   * @throws ArgumentTypeError if `middleware` is not a function
   */
  use(
    middleware: Middleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the middleware", middleware);
    this.middleware = [...this.middleware, middleware];
    return this;
  }

  /**
   * Sets the error handler of every namespace that is created later, as Namespace.onError() does.
   *
   * @param handler receives the error and a description of the call
   * @throws ArgumentTypeError if `handler` is not a function
   */
  onError(
    handler: ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the error handler", handler);
    this.errorHandler = handler;
    return this;
  }

  /**
   * Sets the rate limit of every namespace that is created later, as Namespace.rateLimit() does.
   *
   * @param limit the limit, or `false` for no limit
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid limit
   */
  rateLimit(limit: RateLimitOptions | false): this {
    createRateLimit(limit);
    this.limit = limit;
    return this;
  }

  /** Sets the registered handler of every namespace that is created later. @internal */
  register(
    handler: MethodHandlers<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): void {
    this.handler = handler;
  }

  /**
   * Determines whether a namespace with this name may be created. Calls `callback` once. @internal
   */
  matches(name: string, auth: object, callback: (allowed: boolean) => void): void {
    let called = false;
    const next = (error: Error | null, allow = false): void => {
      if (called) return;
      called = true;
      callback(!error && allow);
    };
    // An error of the application's function goes to the error handler, and the client is refused.
    const fail = (error: unknown): never => {
      next(null, false);
      throw error;
    };
    this.guard(name, auth, () => {
      try {
        const result: unknown = this.matcher(name, { ...auth }, next);
        return isThenable(result) ? Promise.resolve(result).then(undefined, fail) : undefined;
      } catch (error) {
        return fail(error);
      }
    });
  }

  /**
   * Calls a function of the application on behalf of a client that requests a namespace. @internal
   */
  guard(name: string, auth: object, call: () => unknown): void {
    const handling = new EventHandlers<
      Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
    >(this.host);
    handling.errorHandler = this.errorHandler;
    handling.guard(undefined, "connect", [name, auth], call);
  }

  /** Creates a child namespace. @internal */
  createChild(
    name: string,
    onEmpty: (child: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>) => void,
  ): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const child: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> = new Namespace(
      this.host,
      name,
      () => onEmpty(child),
    );
    for (const middleware of this.middleware) child.use(middleware);
    if (this.errorHandler !== undefined) child.onError(this.errorHandler);
    if (this.limit !== undefined) child.rateLimit(this.limit);
    if (this.handler !== undefined) child.register(this.handler);
    this.copyListenersTo(child);
    this.children.add(child);
    return child;
  }

  protected override start(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.adapter, EVERYBODY);
  }
}

/** The type of a parent namespace with these event maps. */
export type ParentNamespaceOf<Events extends EventMaps> = ParentNamespace<
  Events["listen"],
  Events["emit"],
  Events["serverSide"],
  Events["data"]
>;

/** Broadcasts to the sockets of all child namespaces as if they were in one namespace. */
class ChildrenAdapter extends Adapter {
  readonly #children: ReadonlySet<{ readonly name: string; readonly adapter: Adapter }>;

  constructor(
    codec: Codec,
    name: string,
    children: ReadonlySet<{ readonly name: string; readonly adapter: Adapter }>,
  ) {
    super({
      name,
      sockets: new Map(),
      encode: (packet, compress) => codec.encode(packet, compress),
      nextAckId: () => 0,
      onServerSideEmit: () => {},
      maxDisconnectionDuration: undefined,
    });
    this.#children = children;
  }

  override broadcast(packet: Packet, options: BroadcastOptions): void {
    // This loop and the loops below use a copy, because listeners that are called during a loop may
    // create further child namespaces.
    for (const { name, adapter } of [...this.#children]) {
      adapter.broadcast({ ...packet, namespace: name }, options);
    }
  }

  override broadcastWithAck(
    packet: Packet & { readonly id: number },
    options: BroadcastOptions,
    answers: BroadcastAnswers,
  ): () => void {
    const children = [...this.#children];
    let servers = 0;
    let untold = children.length;
    const forget = children.map(({ name, adapter }) =>
      // Acknowledgement ids are unique only within one namespace, so the packet has a different id
      // in each child namespace.
      adapter.broadcastWithAck(
        { ...packet, namespace: name, id: adapter.nsp.nextAckId() },
        options,
        {
          ...answers,
          onServers: (count) => {
            servers += count;
            if (--untold === 0) answers.onServers(servers);
          },
        },
      ),
    );
    if (children.length === 0) process.nextTick(() => answers.onServers(0));
    return () => {
      for (const each of forget) each();
    };
  }

  override async sockets(rooms: ReadonlySet<Room>): Promise<Set<string>> {
    const ids = await Promise.all([...this.#children].map(({ adapter }) => adapter.sockets(rooms)));
    return new Set(ids.flatMap((each) => [...each]));
  }

  override async fetchSockets(options: BroadcastOptions): Promise<Gathered<SocketDetails>> {
    const all = [...this.#children].map(({ adapter }) => adapter.fetchSockets(options));
    const lists = await Promise.all(all);
    const missing = lists.flatMap((list) => ("missing" in list ? list.missing : []));
    return gathered(lists.flat(), [...new Set(missing)]);
  }

  override addSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    return allOf([...this.#children].map(({ adapter }) => adapter.addSockets(options, rooms)));
  }

  override delSockets(options: BroadcastOptions, rooms: readonly Room[]): void | Promise<void> {
    return allOf([...this.#children].map(({ adapter }) => adapter.delSockets(options, rooms)));
  }

  override disconnectSockets(options: BroadcastOptions, close: boolean): void | Promise<void> {
    return allOf(
      [...this.#children].map(({ adapter }) => adapter.disconnectSockets(options, close)),
    );
  }
}
