// A namespace as a class: methods whose names begin with "on" handle its events.
//
//   class Chat extends NamespaceHandler {
//     onConnect(socket, auth) { … }             called when a client connects. Throw ConnectionRefused to refuse
//     onMessage(socket, text) { … }             the event "message"
//     on_my_event(socket, data) { return 1; }   the event "my_event", acknowledged with 1
//     onMyEvent(socket, data) { … }             the event "myEvent"
//     onAny(socket, event, ...args) { … }       every other event
//     onDisconnect(socket, reason) { … }
//   }
//   io.register(new Chat("/chat"));
//
// For every event, the method may be named on_event() or onEvent(). So on_connect(), on_message(),
// on_any() and on_disconnect() work, too.

import { RESERVED_EVENTS } from "../../protocol/socketio/packet.ts";
import type {
  DefaultEventsMap,
  EventArguments,
  EventNames,
  Listener,
  Untyped,
} from "../events/emitter.ts";
import { isListener } from "../events/emitter.ts";
import { ArgumentTypeError } from "../events/errors.ts";
import { checkThat, isFunction, isString } from "../events/options.ts";
import { isThenable } from "../events/thenable.ts";
import type { Room } from "./adapter.ts";
import type { BroadcastOperator } from "./broadcast.ts";
import { ConnectionRefused } from "./connection-refused.ts";
import type { Handler, MethodHandlers } from "./event-handlers.ts";
import type { Handshake } from "./handshake.ts";
import type { Namespace } from "./namespace.ts";
import type { NamespaceMatcher, ParentNamespace } from "./parent-namespace.ts";
import type { DisconnectReason, Socket } from "./socket.ts";

/**
 * The types of a handler's methods for a map of events. Add `implements` and the compiler checks
 * each method: `class Chat extends NamespaceHandler<Events> implements HandlerMethods<Events>`.
 */
export type HandlerMethods<
  ListenEvents = DefaultEventsMap,
  EmitEvents = ListenEvents,
  ServerSideEvents = DefaultEventsMap,
  SocketData = Untyped,
> = string extends keyof ListenEvents
  ? object
  : {
      [Event in EventNames<ListenEvents> as `on${Capitalize<Event>}` | `on_${Event}`]?: (
        socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
        ...args: EventArguments<ListenEvents, Event>
      ) => unknown;
    };

const namespaceName = checkThat(
  "a string, a RegExp or a function",
  (value) => isString(value) || isFunction(value) || value instanceof RegExp,
);

/**
 * Base class for objects whose methods handle the events of a namespace. One object serves all
 * clients, so keep the state of a client in `socket.data`. The value that a method returns or
 * resolves to is the acknowledgement, unless the method has a parameter for the acknowledgement
 * callback.
 *
 * @example
 * ```ts
 * class Chat extends NamespaceHandler {
 *   onMessage(socket: Socket, text: string): string {
 *     socket.broadcast.emit("message", text);
 *     return "delivered";
 *   }
 * }
 * io.register(new Chat("/chat"));
 * ```
 */
export class NamespaceHandler<
  ListenEvents = DefaultEventsMap,
  EmitEvents = ListenEvents,
  ServerSideEvents = DefaultEventsMap,
  SocketData = Untyped,
> {
  /** The name of the namespace, or the pattern or function that selects namespaces. */
  readonly name: string | RegExp | NamespaceMatcher;
  #namespace:
    | Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
    | ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
    | undefined;

  /**
   * Creates a handler.
   *
   * @param name the name of a namespace, or a pattern or function that selects namespaces, as for
   * Server.of(). Default: "/"
   * @throws ArgumentTypeError if `name` is neither a string, a RegExp nor a function
   */
  constructor(name: string | RegExp | NamespaceMatcher = "/") {
    namespaceName(name, "name");
    this.name = name;
  }

  /**
   * The namespace that the handler is registered for.
   *
   * @throws Error if the handler is not registered
   */
  get namespace():
    | Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
    | ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    if (this.#namespace === undefined)
      throw new Error("the handler is not registered: call io.register() first");
    return this.#namespace;
  }

  /**
   * Called when a client connects. The client is connected after this method returns or resolves.
   * Throw ConnectionRefused to refuse the client.
   *
   * @param _socket the socket of the client
   * @param _auth the `auth` that the client sent
   */
  onConnect(
    _socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    _auth: Readonly<Record<string, Untyped>>,
  ): unknown {
    return undefined;
  }

  /**
   * Called when a client disconnects. The socket is still in its rooms.
   *
   * @param _socket the socket of the client
   * @param _reason why the client was disconnected
   * @param _description the error that caused the disconnection, if there is one
   */
  onDisconnect(
    _socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    _reason: DisconnectReason,
    _description?: Error,
  ): unknown {
    return undefined;
  }

  /**
   * Called for an event that no other method handles.
   *
   * @param _socket the socket of the client
   * @param _event the name of the event
   * @param _args the arguments of the event
   */
  onAny(
    _socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    _event: string,
    ..._args: Untyped[]
  ): unknown {
    return undefined;
  }

  /**
   * Sends an event to all sockets of the namespace.
   *
   * @param event the name of the event
   * @param args the arguments of the event. If the last argument is a function, it receives the
   * acknowledgements
   * @returns `true`
   * @throws ReservedEventError (`code` "ERR_RESERVED_EVENT") for an event name that the protocol
   * reserves
   */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    return Reflect.apply(this.namespace.emit, this.namespace, [event, ...args]);
  }

  /**
   * Selects the sockets in any of these rooms.
   *
   * @param rooms a room or a list of rooms
   */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.namespace.to(rooms);
  }

  /**
   * Selects all sockets except those in any of these rooms.
   *
   * @param rooms a room or a list of rooms
   */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.namespace.except(rooms);
  }

  /**
   * Called when the handler is registered.
   *
   * @internal
   */
  registered(
    namespace:
      | Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
      | ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): void {
    this.#namespace = namespace;
  }
}

/** The events that a handler receives besides the events of clients. */
type OwnEvent = "connect" | "disconnect" | "any";

/** A registered handler, with its methods by event. */
export class RegisteredHandler<S extends { readonly handshake: Handshake }>
  implements MethodHandlers<S>
{
  readonly #handler: NamespaceHandlerLike<S>;
  readonly #methods: Methods;

  /**
   * @throws ArgumentTypeError if two methods handle the same event, or a method name matches no
   * event
   */
  constructor(handler: NamespaceHandlerLike<S>) {
    this.#handler = handler;
    this.#methods = handlerMethods(handler);
  }

  /**
   * Calls the handler's connect method. The method refuses the client if it throws or, as in
   * Flask-SocketIO, returns `false`.
   */
  readonly greet = (socket: S, next: (error?: Error) => void): unknown => {
    const accept = (answer: unknown): void => {
      if (answer === false) next(new ConnectionRefused());
      else next();
    };
    const connect = this.#own("connect");
    const result: unknown = connect?.call(this.#handler, socket, socket.handshake.auth);
    return isThenable(result) ? Promise.resolve(result).then(accept) : accept(result);
  };

  /** Returns the function that handles an event of `socket`, if there is one. */
  find(socket: S, event: string): Handler | undefined {
    const handler = this.#handler;
    if (event === "disconnecting") {
      const method = this.#own("disconnect");
      return method && { ...callOf(handler, method, [socket]), acknowledges: false };
    }
    if (event === "disconnect") return undefined;
    const method = methodOf(handler, this.#methods.events.get(event) ?? "");
    if (method !== undefined) return { ...callOf(handler, method, [socket]), acknowledges: true };
    // The socket itself emits "error", so the event is not passed to onAny().
    const any = event === "error" ? undefined : this.#own("any");
    return any && { ...callOf(handler, any, [socket, event]), acknowledges: true };
  }

  #own(event: OwnEvent): Listener | undefined {
    return methodOf(this.#handler, this.#methods.own.get(event) ?? "");
  }
}

function callOf(
  handler: object,
  method: Listener,
  first: readonly unknown[],
): Pick<Handler, "call" | "length"> {
  return {
    call: (...args) => method.call(handler, ...first, ...args),
    length: method.length - first.length,
  };
}

/** The methods that every handler has, whatever the types of its events. */
export interface NamespaceHandlerLike<S> {
  onConnect(socket: S, auth: Readonly<Record<string, Untyped>>): unknown;
  onDisconnect(socket: S, reason: DisconnectReason, description?: Error): unknown;
  onAny(socket: S, event: string, ...args: Untyped[]): unknown;
}

/** The method names of a handler by event. */
interface Methods {
  readonly own: ReadonlyMap<string, string>;
  /**
   * Methods for events of clients. These methods are in a separate map, because a client may also
   * send an event named "any".
   */
  readonly events: ReadonlyMap<string, string>;
}

const OWN_EVENTS: ReadonlySet<string> = new Set<OwnEvent>(["connect", "disconnect", "any"]);

/**
 * @throws ArgumentTypeError if two methods handle the same event, or a method name matches no event
 */
function handlerMethods(handler: object): Methods {
  const own = new Map<string, string>();
  const events = new Map<string, string>();
  for (const name of methodNames(handler)) {
    const event = eventOf(name);
    const isOwn = event !== undefined && OWN_EVENTS.has(event);
    if (event === undefined || (RESERVED_EVENTS.has(event) && !isOwn)) {
      throw new ArgumentTypeError(
        `no event can call the method ${name}() of a handler: name it on_event() or onEvent(), or without "on"`,
      );
    }
    const methods = isOwn ? own : events;
    const other = methods.get(event);
    if (other !== undefined) {
      throw new ArgumentTypeError(`the methods ${other}() and ${name}() handle the same event`);
    }
    methods.set(event, name);
  }
  return { own, events };
}

/** Returns the event that a method handles, from its name: "on_my_event" or "onMyEvent". */
function eventOf(name: string): string | undefined {
  const [, exact, first = "", rest = ""] = /^on(?:_(.+)|([^a-z_])(.*))$/.exec(name) ?? [];
  return exact ?? (first === "" ? undefined : first.toLowerCase() + rest);
}

/** Returns the handler's current method with this name. */
function methodOf(handler: object, name: string): Listener | undefined {
  const method: unknown = Reflect.get(handler, name);
  return isListener(method) ? method : undefined;
}

/**
 * Returns the names of a handler's methods that begin with "on", without the methods that
 * NamespaceHandler itself defines.
 */
function methodNames(handler: object): Set<string> {
  const names = new Set<string>();
  let each: unknown = handler;
  while (typeof each === "object" && each !== null && each !== NamespaceHandler.prototype) {
    for (const name of Object.getOwnPropertyNames(each)) {
      if (name.startsWith("on") && methodOf(handler, name) !== undefined) names.add(name);
    }
    each = Object.getPrototypeOf(each);
  }
  return names;
}
