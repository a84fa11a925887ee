// A namespace as a class: its methods whose names begin with "on" are its handlers.
//
//   class Chat extends NamespaceHandler {
//     onConnect(socket, auth) { … }             a client comes: throw ConnectionRefused to refuse it
//     onMessage(socket, text) { … }             the event "message"
//     on_my_event(socket, data) { return 1; }   the event "my_event", acknowledged with 1
//     onMyEvent(socket, data) { … }             the event "myEvent"
//     onAny(socket, event, ...args) { … }       every other event
//     onDisconnect(socket, reason) { … }
//   }
//   io.register(new Chat("/chat"));
//
// Each name may be written in both ways: on_connect(), on_message(), on_any() and on_disconnect(), too.

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
 * What the methods of a handler must be for a map of events; `implements` it to have the compiler
 * check each: `class Chat extends NamespaceHandler<Events> implements HandlerMethods<Events>`.
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
 * One for all clients: what it keeps of one client belongs into `socket.data`. A method that does
 * not take the callback of an acknowledgement acknowledges with what it returns or resolves to.
 */
export class NamespaceHandler<
  ListenEvents = DefaultEventsMap,
  EmitEvents = ListenEvents,
  ServerSideEvents = DefaultEventsMap,
  SocketData = Untyped,
> {
  /** The namespace, or which namespaces. */
  readonly name: string | RegExp | NamespaceMatcher;
  #namespace:
    | Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
    | ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
    | undefined;

  /**
   * @param name of the namespace, or a pattern or function for several, as for `io.of()`. Default "/"
   * @throws ArgumentTypeError for another type
   */
  constructor(name: string | RegExp | NamespaceMatcher = "/") {
    namespaceName(name, "name");
    this.name = name;
  }

  /** What it was registered for. @throws Error before that */
  get namespace():
    | Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
    | ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData> {
    if (this.#namespace === undefined) throw new Error("the handler is not registered");
    return this.#namespace;
  }

  /**
   * A client comes; it is connected when this returns or resolves, and refused when it throws
   * ConnectionRefused.
   */
  onConnect(
    _socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    _auth: Readonly<Record<string, Untyped>>,
  ): unknown {
    return undefined;
  }

  /** A client goes; its rooms are still there. */
  onDisconnect(
    _socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    _reason: DisconnectReason,
    _description?: Error,
  ): unknown {
    return undefined;
  }

  /** An event came that no other method is for. */
  onAny(
    _socket: Socket<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
    _event: string,
    ..._args: Untyped[]
  ): unknown {
    return undefined;
  }

  /** Sends an event to everybody in the namespace. */
  emit<Event extends EventNames<EmitEvents>>(
    event: Event,
    ...args: EventArguments<EmitEvents, Event>
  ): true {
    return Reflect.apply(this.namespace.emit, this.namespace, [event, ...args]);
  }

  /** Who is in any of these rooms. */
  to(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.namespace.to(rooms);
  }

  /** Everybody but who is in any of these rooms. */
  except(rooms: Room | readonly Room[]): BroadcastOperator<EmitEvents, SocketData> {
    return this.namespace.except(rooms);
  }

  /** @internal */
  registered(
    namespace:
      | Namespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>
      | ParentNamespace<ListenEvents, EmitEvents, ServerSideEvents, SocketData>,
  ): void {
    this.#namespace = namespace;
  }
}

/** What is told to a handler beside its client's events. */
type OwnEvent = "connect" | "disconnect" | "any";

/** A registered handler: its methods by their events. */
export class RegisteredHandler<S extends { readonly handshake: Handshake }>
  implements MethodHandlers<S>
{
  readonly #handler: NamespaceHandlerLike<S>;
  readonly #methods: Methods;

  /** @throws TypeError if two methods are for the same event, or a method name matches no event */
  constructor(handler: NamespaceHandlerLike<S>) {
    this.#handler = handler;
    this.#methods = handlerMethods(handler);
  }

  /** Calls the handler's "connect". It refuses the client by throwing or, as in Flask-SocketIO, by returning `false`. */
  readonly greet = (socket: S, next: (error?: Error) => void): unknown => {
    const accept = (answer: unknown): void => {
      if (answer === false) next(new ConnectionRefused());
      else next();
    };
    const connect = this.#own("connect");
    const result: unknown = connect?.call(this.#handler, socket, socket.handshake.auth);
    return isThenable(result) ? Promise.resolve(result).then(accept) : accept(result);
  };

  /** Returns what is to be called for an event of `socket`, if anything is. */
  find(socket: S, event: string): Handler | undefined {
    const handler = this.#handler;
    if (event === "disconnecting") {
      const method = this.#own("disconnect");
      return method && { ...callOf(handler, method, [socket]), acknowledges: false };
    }
    if (event === "disconnect") return undefined;
    const method = methodOf(handler, this.#methods.events.get(event) ?? "");
    if (method !== undefined) return { ...callOf(handler, method, [socket]), acknowledges: true };
    // A socket's own "error" is no event from its client.
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

/** What a namespace calls of a handler, whatever its events. */
export interface NamespaceHandlerLike<S> {
  onConnect(socket: S, auth: Readonly<Record<string, Untyped>>): unknown;
  onDisconnect(socket: S, reason: DisconnectReason, description?: Error): unknown;
  onAny(socket: S, event: string, ...args: Untyped[]): unknown;
}

/** The names of a handler's methods, by what they are for. */
interface Methods {
  readonly own: ReadonlyMap<string, string>;
  /** For the events of clients, which may be called "any" too. */
  readonly events: ReadonlyMap<string, string>;
}

const OWN_EVENTS: ReadonlySet<string> = new Set<OwnEvent>(["connect", "disconnect", "any"]);

/** @throws TypeError if two methods are for the same event, or a method name matches no event */
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
      throw new ArgumentTypeError(`the methods ${other}() and ${name}() are for the same event`);
    }
    methods.set(event, name);
  }
  return { own, events };
}

/** The event for which a method is, by its name: "on_my_event" or "onMyEvent". */
function eventOf(name: string): string | undefined {
  const [, exact, first = "", rest = ""] = /^on(?:_(.+)|([^a-z_])(.*))$/.exec(name) ?? [];
  return exact ?? (first === "" ? undefined : first.toLowerCase() + rest);
}

/** The method of a handler with that name, as it is now. */
function methodOf(handler: object, name: string): Listener | undefined {
  const method: unknown = Reflect.get(handler, name);
  return isListener(method) ? method : undefined;
}

/** The methods of a handler whose names begin with "on", but for those that NamespaceHandler itself has. */
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
