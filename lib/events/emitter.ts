// The typed emitter of the server's and the client's public classes. With few exceptions, only programs register
// listeners. The layers of barewire call each other's methods instead of emitting events.

import { checkFunction } from "./errors.ts";

/**
 * A value whose type the program has not declared, such as an argument of a received event. This is the type of the
 * result of JSON.parse(), because the compiler cannot know the type of received JSON.
 */
export type Untyped = ReturnType<typeof JSON.parse>;

/** The default map of events and their listeners. Accepts any event name and any arguments. */
export interface DefaultEventsMap {
  /** The listener of an event. */
  [event: string]: (...args: Untyped[]) => void;
}

/** The names of the events in a map of events. */
export type EventNames<Events> = keyof Events & string;

/** The arguments of a listener of `Event`. */
export type EventArguments<Events, Event extends keyof Events> = Events[Event] extends (
  ...args: infer Arguments
) => unknown
  ? Arguments
  : never;

/** The type of an event's last argument. If the event has an acknowledgement, this is the type of its callback. */
export type LastArgument<Arguments extends readonly unknown[]> = Arguments extends readonly [
  ...unknown[],
  infer Last,
]
  ? Last
  : Arguments extends readonly (infer Any)[]
    ? Any
    : never;

/** The types of an event's arguments without the last argument, which is the callback of the acknowledgement. */
export type AllButLast<Arguments extends readonly unknown[]> = Arguments extends readonly [
  ...infer Others,
  unknown,
]
  ? Others
  : Arguments;

/** The arguments of send(), which emits a "message" event. */
export type MessageArguments<Events> = "message" extends keyof Events
  ? EventArguments<Events, "message">
  : Untyped[];

/** The arguments of json(), which emits a "json" event. */
export type JsonArguments<Events> = "json" extends keyof Events
  ? EventArguments<Events, "json">
  : Untyped[];

/**
 * The value to which emitWithAck() resolves: the first argument of the acknowledgement's callback, not counting the
 * error that timeout() adds as the first argument.
 */
export type AckValue<Callback> = Callback extends (...args: infer Arguments) => unknown
  ? Arguments extends readonly [infer First, ...infer Others]
    ? IsError<First> extends true
      ? Others extends readonly [infer Value, ...unknown[]]
        ? Value
        : Untyped
      : First
    : Untyped
  : Untyped;

/** `true` only for Error itself: not for a union with Error, and not for `any`. */
type IsError<Type> = 0 extends 1 & Type
  ? false
  : [Type, Error] extends [Error, Type]
    ? true
    : false;

/**
 * The events after a call of timeout(): the callback of an acknowledgement receives an error, or `null`, as its first
 * argument.
 */
export type WithTimeout<Events> = {
  [Event in keyof Events]: Events[Event] extends (...args: infer Arguments) => infer Result
    ? (...args: ErrorFirst<Arguments>) => Result
    : never;
};

/**
 * The events in a broadcast: the callback of an acknowledgement receives an error, or `null`, and then a list of all
 * responses.
 */
export type WithResponses<Events> = {
  [Event in keyof Events]: Events[Event] extends (...args: infer Arguments) => infer Result
    ? (...args: Responses<Arguments>) => Result
    : never;
};

type Responses<Arguments extends readonly unknown[]> = Arguments extends [
  ...infer Others,
  (...args: infer Values) => infer Result,
]
  ? [...Others, (error: Error, responses: AckValue<(...args: Values) => Result>[]) => Result]
  : Arguments;

type ErrorFirst<Arguments extends readonly unknown[]> = Arguments extends [
  ...infer Others,
  (...args: infer Values) => infer Result,
]
  ? [...Others, (error: Error, ...args: Values) => Result]
  : Arguments;

/**
 * A function that can be registered as a listener.
 *
 * @param args the arguments of the event. If the sender requests an acknowledgement, the last argument is a function
 * that sends the acknowledgement
 */
export type Listener = (...args: Untyped[]) => unknown;

/** Returns whether `value` is a function. */
export function isListener(value: unknown): value is Listener {
  return typeof value === "function";
}

/** The type of a listener of `Event`. */
export type ListenerOf<Events, Event extends keyof Events> = Events[Event] extends Listener
  ? Events[Event]
  : never;

/**
 * Registers and calls listeners. Every listener is called, even if an earlier listener throws. The error then
 * becomes an uncaught exception. node-emitter.ts adds the other methods of Node's EventEmitter. component-emitter.ts
 * adds the other methods of the emitter of socket.io-client.
 */
export abstract class Emitter<Events> {
  /**
   * The listeners by event: one function or a list. Most events have one listener, and a list takes more memory
   * than the function. A list is replaced and never changed, so that listeners can be added and removed while
   * dispatch() iterates over the list.
   *
   * @internal
   */
  protected registrations: Map<string, Listener | readonly Listener[]> | undefined;
  /** The emitter that stores the listeners of this emitter: this emitter itself or another emitter. @internal */
  protected registrant: Emitter<Events> = this;

  /**
   * Adds a listener after the existing listeners of the event.
   *
   * @param event the event's name
   * @param listener called with the arguments of each event
   * @throws ArgumentTypeError if `listener` is not a function
   *
   * @example
   * socket.on("chat", (text: string) => console.log(text));
   */
  on<Event extends EventNames<Events>>(event: Event, listener: ListenerOf<Events, Event>): this {
    return this.insert(event, listener, false);
  }

  /**
   * Adds a listener that is called at most once, and then removed.
   *
   * @param event the event's name
   * @param listener called with the arguments of the next event
   * @throws ArgumentTypeError if `listener` is not a function
   *
   * @example
   * socket.once("ready", () => console.log("ready"));
   */
  once<Event extends EventNames<Events>>(event: Event, listener: ListenerOf<Events, Event>): this {
    return this.insert(event, this.onlyOnce(event, listener), false);
  }

  /**
   * Removes all listeners of an event.
   *
   * @param event the event's name. Default: all events
   */
  removeAllListeners(event?: EventNames<Events>): this {
    if (event === undefined) this.registrant.registrations = undefined;
    else this.registrant.registrations?.delete(event);
    return this;
  }

  /**
   * Returns the listeners of an event, in the order in which they are called.
   *
   * @param event the event's name
   */
  listeners(event: EventNames<Events>): Listener[] {
    return this.registered(event).map(originalOf);
  }

  /**
   * Returns the number of listeners of an event.
   *
   * @param event the event's name
   */
  listenerCount(event: EventNames<Events>): number {
    return this.registered(event).length;
  }

  /** Calls the listeners of `event`. Returns whether `event` has listeners. @internal */
  protected dispatch(event: string, args: readonly unknown[]): boolean {
    const listeners = this.registered(event);
    for (const listener of listeners) callListener(this, listener, args);
    return listeners.length > 0;
  }

  /** Returns the listeners of `event`, including the wrappers of once(). @internal */
  protected registered(event: string): readonly Listener[] {
    const listeners = this.registrant.registrations?.get(event) ?? NONE;
    return typeof listeners === "function" ? [listeners] : listeners;
  }

  /** Adds a listener before the existing listeners if `first` is `true`, otherwise after them. @internal */
  protected insert(event: string, listener: Listener, first: boolean): this {
    checkFunction(`the listener of "${event}"`, listener);
    const before = this.registered(event);
    const { registrant } = this;
    registrant.registrations ??= new Map();
    const list = first ? [listener, ...before] : [...before, listener];
    registrant.registrations.set(event, before.length === 0 ? listener : list);
    return this;
  }

  /** Removes the most recent registration of a listener. The compiler does not check the name of the event. @internal */
  protected removeUntyped(event: string, listener: Listener): void {
    const before = this.registered(event);
    const at = before.findLastIndex((each) => each === listener || originalOf(each) === listener);
    if (at === -1) return;
    if (before.length === 1) this.registrant.registrations?.delete(event);
    else this.registrant.registrations?.set(event, before.toSpliced(at, 1));
  }

  /** Wraps a listener so that the listener is removed when it is called. @internal */
  protected onlyOnce(event: string, listener: Listener): Listener {
    if (typeof listener !== "function") return listener;
    const once: Listener = (...args) => {
      this.removeUntyped(event, once);
      return listener.apply(this, args);
    };
    ORIGINAL.set(once, listener);
    return once;
  }
}

/**
 * Calls a function of the program, and handles an error that the function throws.
 *
 * @param self the value of `this` in the listener
 * @param listener the listener to call
 * @param args the arguments of the event
 */
export type CallListener = (self: object, listener: Listener, args: readonly unknown[]) => void;

/**
 * Calls a function of the program. An error that the function throws becomes an uncaught exception in a microtask.
 */
export function callListener(self: object, listener: Listener, args: readonly unknown[]): void {
  try {
    listener.apply(self, [...args]);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Returns the listener that the program registered, without the wrapper of once(). */
export function originalOf(listener: Listener): Listener {
  return ORIGINAL.get(listener) ?? listener;
}

const NONE: readonly Listener[] = [];

/** The program's listener for each wrapper of once(). off() and listeners() use this map. */
const ORIGINAL = new WeakMap<Listener, Listener>();
