// Namespaces made when a client asks for them: the pattern or function that says which, and what
// every one of them begins with.

import { checkFunction } from "../../protocol/errors.ts";
import { callListener, type DefaultEventsMap, type Untyped } from "../../protocol/events.ts";
import type { Packet } from "../../protocol/socketio/packet.ts";
import {
  Adapter,
  type BroadcastAnswers,
  type BroadcastOptions,
  type Room,
  type SocketDetails,
} from "./adapter.ts";
import { BroadcastOperator, EVERYBODY, GroupBroadcaster } from "./broadcast.ts";
import type { Codec } from "./codec.ts";
import type { ErrorHandler } from "./handling.ts";
import {
  type Middleware,
  Namespace,
  type NamespaceEvents,
  type NamespaceHost,
} from "./namespace.ts";
import type { NamespaceHandlerLike } from "./namespace-handler.ts";
import type { Socket } from "./socket.ts";

/** Says whether a namespace of this name may be, for a client with this `auth`. */
export type NamespaceMatcher = (
  name: string,
  auth: Readonly<Record<string, Untyped>>,
  next: (error: Error | null, allow?: boolean) => void,
) => void;

/**
 * What all namespaces of one pattern begin with. Listeners and middleware reach those that are
 * made later; what is emitted reaches all that are there.
 */
export class ParentNamespace<
  ListenEvents = DefaultEventsMap,
  EmitEvents = ListenEvents,
  ServerSideEvents = DefaultEventsMap,
  SocketData = Untyped,
> extends GroupBroadcaster<
  NamespaceEvents<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>, ServerSideEvents>,
  EmitEvents,
  SocketData
> {
  /** For people; no client can ask for it. */
  readonly name: string;
  readonly children: Set<Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>> =
    new Set();

  /** The pattern that names fit, where it is one. */
  readonly pattern: RegExp | undefined;
  readonly #matcher: NamespaceMatcher;
  readonly #host: NamespaceHost<ListenEvents, EmitEvents, ServerSideEvents, SocketData>;
  #handler:
    | NamespaceHandlerLike<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined;
  #errorHandler:
    | ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>
    | undefined;
  readonly #adapter: Adapter;
  #middleware: readonly Middleware<
    Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
  >[] = [];

  /** @throws TypeError for a pattern with the flags "g" or "y" */
  constructor(
    host: NamespaceHost<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    name: string,
    names: RegExp | NamespaceMatcher,
  ) {
    super();
    this.#host = host;
    this.name = name;
    this.pattern = names instanceof RegExp ? names : undefined;
    if (this.pattern?.global || this.pattern?.sticky) {
      throw new TypeError("stateful regular expressions are not supported");
    }
    this.#matcher =
      names instanceof RegExp ? (asked, _auth, next) => next(null, names.test(asked)) : names;
    this.#adapter = new ChildrenAdapter(host.codec, name, this.children);
  }

  /** @internal */
  onConnection(
    listener: (socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>) => void,
  ): void {
    this.addUntyped("connect", listener);
  }

  /** Has every client of a namespace made later pass `middleware`. */
  use(
    middleware: Middleware<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the middleware", middleware);
    this.#middleware = [...this.#middleware, middleware];
    return this;
  }

  /** Namespace.onError() of every namespace made later. */
  onError(
    handler: ErrorHandler<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): this {
    checkFunction("the error handler", handler);
    this.#errorHandler = handler;
    return this;
  }

  /** Namespace.register() of every namespace made later. @internal */
  register(
    handler: NamespaceHandlerLike<Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>>,
  ): void {
    this.#handler = handler;
  }

  /** Calls back, once, with whether it wants a namespace of this name. @internal */
  matches(name: string, auth: object, callback: (allowed: boolean) => void): void {
    let called = false;
    const next = (error: Error | null, allow = false): void => {
      if (called) return;
      called = true;
      callback(!error && allow);
    };
    // What the program's function throws surfaces, and the client is refused.
    const ask = (): void => {
      try {
        this.#matcher(name, { ...auth }, next);
      } catch (error) {
        next(null, false);
        throw error;
      }
    };
    callListener(this, ask, []);
  }

  /** Makes a namespace. @internal */
  createChild(
    name: string,
    onEmpty: (child: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>) => void,
  ): Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    const child: Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> = new Namespace(
      this.#host,
      name,
      () => onEmpty(child),
    );
    for (const middleware of this.#middleware) child.use(middleware);
    if (this.#errorHandler !== undefined) child.onError(this.#errorHandler);
    if (this.#handler !== undefined) child.register(this.#handler);
    this.copyListenersTo(child);
    this.children.add(child);
    return child;
  }

  protected override start(): BroadcastOperator<EmitEvents, SocketData> {
    return new BroadcastOperator(this.#adapter, EVERYBODY);
  }
}

/** All sockets of all children, as if they were of one namespace. */
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
    });
    this.#children = children;
  }

  override broadcast(packet: Packet, options: BroadcastOptions): void {
    for (const { name, adapter } of this.#children) {
      adapter.broadcast({ ...packet, namespace: name }, options);
    }
  }

  override broadcastWithAck(
    packet: Packet & { readonly id: number },
    options: BroadcastOptions,
    answers: BroadcastAnswers,
  ): () => void {
    let asked = 0;
    const forget = [...this.#children].map(({ name, adapter }) =>
      // Each namespace has acknowledgements of its own numbers.
      adapter.broadcastWithAck(
        { ...packet, namespace: name, id: adapter.nsp.nextAckId() },
        options,
        {
          onAsked: (count) => {
            asked += count;
          },
          onAnswer: answers.onAnswer,
        },
      ),
    );
    answers.onAsked(asked);
    return () => {
      for (const each of forget) each();
    };
  }

  override async sockets(rooms: ReadonlySet<Room>): Promise<Set<string>> {
    const ids = await Promise.all([...this.#children].map(({ adapter }) => adapter.sockets(rooms)));
    return new Set(ids.flatMap((each) => [...each]));
  }

  override async fetchSockets(options: BroadcastOptions): Promise<SocketDetails[]> {
    const all = [...this.#children].map(({ adapter }) => adapter.fetchSockets(options));
    return (await Promise.all(all)).flat();
  }

  override addSockets(options: BroadcastOptions, rooms: readonly Room[]): void {
    for (const { adapter } of this.#children) adapter.addSockets(options, rooms);
  }

  override delSockets(options: BroadcastOptions, rooms: readonly Room[]): void {
    for (const { adapter } of this.#children) adapter.delSockets(options, rooms);
  }

  override disconnectSockets(options: BroadcastOptions, close: boolean): void {
    for (const { adapter } of this.#children) adapter.disconnectSockets(options, close);
  }
}
