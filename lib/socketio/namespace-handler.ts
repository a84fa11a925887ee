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

import type {
  DefaultEventsMap,
  EventArguments,
  EventNames,
  Listener,
  Untyped,
} from "../../protocol/events.ts";
import { isListener } from "../../protocol/events.ts";
import type { Room } from "./adapter.ts";
import type { BroadcastOperator } from "./broadcast.ts";
import type { Handler } from "./handling.ts";
import type { Handshake } from "./handshake.ts";
import type { Namespace } from "./namespace.ts";
import type { NamespaceMatcher, ParentNamespace } from "./parent-namespace.ts";
import { ConnectionRefused } from "./refused.ts";
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

  /** @param name of the namespace, or a pattern or function for several, as for `io.of()`. Default "/" */
  constructor(name: string | RegExp | NamespaceMatcher = "/") {
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

/** Names that are the class's own, and of events never. */
const OWN: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(NamespaceHandler.prototype));

/** A handler at work: its methods by their events. */
export class RegisteredHandler<S> {
  readonly #handler: NamespaceHandlerLike<S>;
  readonly #methods: ReadonlyMap<string, string>;

  constructor(handler: NamespaceHandlerLike<S>) {
    this.#handler = handler;
    this.#methods = handlerMethods(handler);
  }

  /** A client comes. `false`, as Flask-SocketIO has it, refuses it too. */
  readonly greet = (
    socket: S & { readonly handshake: Handshake },
    next: (error?: Error) => void,
  ): unknown => {
    const accept = (answer: unknown): void => {
      if (answer === false) next(new ConnectionRefused());
      else next();
    };
    const result = this.#handler.onConnect(socket, socket.handshake.auth);
    if (result instanceof Promise) return result.then(accept);
    return accept(result);
  };

  /** What is to be called for an event of `socket`, if anything is. */
  find(socket: S, event: string): Handler | undefined {
    const handler = this.#handler;
    if (event === "disconnecting") {
      return {
        call: (reason, description) => handler.onDisconnect(socket, reason, description),
        length: 2,
        acknowledges: false,
      };
    }
    const method = methodOf(handler, this.#methods.get(event) ?? "");
    if (method !== undefined) {
      return {
        call: (...args) => method.call(handler, socket, ...args),
        length: method.length - 1,
        acknowledges: true,
      };
    }
    const catchAll = handler.onAny;
    if (catchAll === NamespaceHandler.prototype.onAny || EVENTS_OF_ITS_OWN.has(event))
      return undefined;
    return {
      call: (...args) => handler.onAny(socket, event, ...args),
      length: catchAll.length - 2,
      acknowledges: true,
    };
  }
}

/** What a namespace calls of a handler, whatever its events. */
export interface NamespaceHandlerLike<S> {
  onConnect(socket: S, auth: Readonly<Record<string, Untyped>>): unknown;
  onDisconnect(socket: S, reason: DisconnectReason, description?: Error): unknown;
  onAny(socket: S, event: string, ...args: Untyped[]): unknown;
}

/** What a socket tells of itself is no event from its client. */
const EVENTS_OF_ITS_OWN: ReadonlySet<string> = new Set(["disconnect", "error"]);

/** The methods of a handler that are for events, by the events' names. */
function handlerMethods(handler: object): ReadonlyMap<string, string> {
  const methods = new Map<string, string>();
  for (const name of methodNames(handler)) {
    if (name.startsWith("on_")) methods.set(name.slice("on_".length), name);
    else if (/^on[^a-z]/.test(name)) {
      const event = name.slice("on".length);
      methods.set(event.charAt(0).toLowerCase() + event.slice(1), name);
    }
  }
  return methods;
}

/** The method of a handler with that name, as it is now. */
function methodOf(handler: object, name: string): Listener | undefined {
  const method: unknown = Reflect.get(handler, name);
  return isListener(method) ? method : undefined;
}

function methodNames(handler: object): Set<string> {
  const names = new Set<string>();
  let each: unknown = handler;
  while (typeof each === "object" && each !== null && each !== NamespaceHandler.prototype) {
    for (const name of Object.getOwnPropertyNames(each)) {
      if (!OWN.has(name) && methodOf(handler, name) !== undefined) names.add(name);
    }
    each = Object.getPrototypeOf(each);
  }
  return names;
}
