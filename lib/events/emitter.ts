// The emitter at the edge of both ends: typed, for the user's listeners. Between our own layers there
// is none.

import { checkFunction } from "./errors.ts";

/**
 * What came off the wire, before anyone has said what it is: TypeScript's own word for it is the
 * one that JSON.parse() has.
 */
export type Untyped = ReturnType<typeof JSON.parse>;

/** Event names and their listeners where nobody declared any: everything goes. */
export interface DefaultEventsMap {
  [event: string]: (...args: Untyped[]) => void;
}

/** The names of a map of events. */
export type EventNames<Events> = keyof Events & string;

/** The arguments of the listeners of `Event`. */
export type EventArguments<Events, Event extends keyof Events> = Events[Event] extends (
  ...args: infer Arguments
) => unknown
  ? Arguments
  : never;

/** An acknowledgement's callback at the end of arguments, or `never`. */
export type LastArgument<Arguments extends readonly unknown[]> = Arguments extends readonly [
  ...unknown[],
  infer Last,
]
  ? Last
  : Arguments extends readonly (infer Any)[]
    ? Any
    : never;

/** The arguments but for the last. */
export type AllButLast<Arguments extends readonly unknown[]> = Arguments extends readonly [
  ...infer Others,
  unknown,
]
  ? Others
  : Arguments;

/** The arguments of the listeners of "message", for send(). */
export type MessageArguments<Events> = "message" extends keyof Events
  ? EventArguments<Events, "message">
  : Untyped[];

/** The arguments of the listeners of "json", for json(). */
export type JsonArguments<Events> = "json" extends keyof Events
  ? EventArguments<Events, "json">
  : Untyped[];

/** What an acknowledgement resolves to: the first argument of its callback, but for the error that timeout() puts in front. */
export type AckValue<Callback> = Callback extends (...args: infer Arguments) => unknown
  ? Arguments extends readonly [infer First, ...infer Others]
    ? IsError<First> extends true
      ? Others extends readonly [infer Value, ...unknown[]]
        ? Value
        : Untyped
      : First
    : Untyped
  : Untyped;

/** Whether `Type` is Error itself, and neither a union with it nor what everything fits. */
type IsError<Type> = 0 extends 1 & Type
  ? false
  : [Type, Error] extends [Error, Type]
    ? true
    : false;

/** The same events, with acknowledgements that are told of an error first: what timeout() makes of them. */
export type WithTimeout<Events> = {
  [Event in keyof Events]: Events[Event] extends (...args: infer Arguments) => infer Result
    ? (...args: ErrorFirst<Arguments>) => Result
    : never;
};

/** The same events, with the acknowledgements of many: what a broadcast makes of them. */
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

/** Any listener. */
export type Listener = (...args: Untyped[]) => unknown;

export function isListener(value: unknown): value is Listener {
  return typeof value === "function";
}

/** A listener of `Event`. */
export type ListenerOf<Events, Event extends keyof Events> = Events[Event] extends Listener
  ? Events[Event]
  : never;

/**
 * Registers and calls listeners. Every listener is called even if one before it throws; the error
 * then surfaces as uncaught. What else Node's EventEmitter has is in lib/events/node-emitter.ts, and what else a
 * browser's client has in lib/events/component-emitter.ts.
 */
export abstract class Emitter<Events> {
  /**
   * By event, one listener or several: most events have one, and a list would take more than the
   * listener. Lists are replaced, never changed, so that one can be walked while listeners come and go.
   */
  protected registrations: Map<string, Listener | readonly Listener[]> | undefined;
  /** Whose listeners these are: its own, or another's. */
  protected registrant: Emitter<Events> = this;

  /** Adds a listener behind those that are there. */
  on<Event extends EventNames<Events>>(event: Event, listener: ListenerOf<Events, Event>): this {
    return this.insert(event, listener, false);
  }

  /** Adds a listener that is called once at most. */
  once<Event extends EventNames<Events>>(event: Event, listener: ListenerOf<Events, Event>): this {
    return this.insert(event, this.onlyOnce(event, listener), false);
  }

  /** Removes all listeners of one event, or of all. */
  removeAllListeners(event?: EventNames<Events>): this {
    if (event === undefined) this.registrant.registrations = undefined;
    else this.registrant.registrations?.delete(event);
    return this;
  }

  /** The listeners of an event, in the order in which they are called. */
  listeners(event: EventNames<Events>): Listener[] {
    return this.registered(event).map(originalOf);
  }

  /** How many listeners an event has. */
  listenerCount(event: EventNames<Events>): number {
    return this.registered(event).length;
  }

  /** Calls the listeners of `event`; whether there were any. */
  protected dispatch(event: string, args: readonly unknown[]): boolean {
    const listeners = this.registered(event);
    for (const listener of listeners) callListener(this, listener, args);
    return listeners.length > 0;
  }

  /** The listeners of `event` as they are called. */
  protected registered(event: string): readonly Listener[] {
    const listeners = this.registrant.registrations?.get(event) ?? NONE;
    return typeof listeners === "function" ? [listeners] : listeners;
  }

  /** Adds a listener, in front of those that are there or behind them. */
  protected insert(event: string, listener: Listener, first: boolean): this {
    checkFunction(`the listener of "${event}"`, listener);
    const before = this.registered(event);
    const { registrant } = this;
    registrant.registrations ??= new Map();
    const list = first ? [listener, ...before] : [...before, listener];
    registrant.registrations.set(event, before.length === 0 ? listener : list);
    return this;
  }

  /** Removes a listener, the one added last where it was added several times. */
  protected removeUntyped(event: string, listener: Listener): void {
    const before = this.registered(event);
    const at = before.findLastIndex((each) => each === listener || originalOf(each) === listener);
    if (at === -1) return;
    if (before.length === 1) this.registrant.registrations?.delete(event);
    else this.registrant.registrations?.set(event, before.toSpliced(at, 1));
  }

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

/** Calls a user's function, and decides about what it throws. */
export type CallListener = (self: object, listener: Listener, args: readonly unknown[]) => void;

/** Calls a user's function; what it throws surfaces as an uncaught error, and our work goes on. */
export function callListener(self: object, listener: Listener, args: readonly unknown[]): void {
  try {
    listener.apply(self, [...args]);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** The listener as the program has given it. */
export function originalOf(listener: Listener): Listener {
  return ORIGINAL.get(listener) ?? listener;
}

const NONE: readonly Listener[] = [];

/** What once() wrapped, for off() and listeners(). */
const ORIGINAL = new WeakMap<Listener, Listener>();
