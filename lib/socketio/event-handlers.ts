// What becomes of a handler that returns, throws or rejects, where the program has asked for more
// than socket.io does: acknowledgements by return value, and error handlers.

import { callListener, type Listener, type Untyped } from "../events/emitter.ts";
import { isThenable } from "../events/thenable.ts";

/** Several values of one acknowledgement; an array would be one value. */
export class AckValues {
  readonly values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    this.values = values;
  }
}

/** What a handler returns to acknowledge with several values: `return acks("saved", 7)`. */
export function acks(...values: readonly unknown[]): AckValues {
  return new AckValues(values);
}

/** What a handler was called for. */
export interface HandlerCall<S> {
  /** `undefined` for what concerns no client that is connected, such as the callback of a broadcast. */
  readonly socket: S | undefined;
  /**
   * The name of the event. "connect" for middleware, for a handler of connections, and for the function of of(), whose
   * arguments are the name of the namespace and `auth`. "adapter" for a method of the adapter, whose name is the argument.
   */
  readonly event: string;
  /** Its arguments, without the acknowledgement's callback. */
  readonly args: readonly Untyped[];
}

/**
 * Is told what a handler has thrown or rejected with. What it returns or resolves to is the
 * acknowledgement, as if the handler had.
 */
export type ErrorHandler<S> = (error: unknown, call: HandlerCall<S>) => unknown;

/** A handler on its way to be called. */
export interface Handler {
  readonly call: (...args: Untyped[]) => unknown;
  /** Parameters that it takes of its own, so that it is known whether the callback is among them. */
  readonly length: number;
  /** It acknowledges with what it returns, unless it takes the callback. */
  readonly acknowledges: boolean;
}

/** A class whose methods handle the events of a namespace, as the namespace calls them. */
export interface MethodHandlers<S> {
  /** Middleware that stands behind all other. */
  readonly greet: (socket: S, next: (error?: Error) => void) => unknown;
  /** Returns the method for an event of `socket`, if there is one. */
  find(socket: S, event: string): Handler | undefined;
}

/** The server as the handling of events sees it. */
export interface EventHandlersHost<S> {
  /** Listeners acknowledge with what they return. */
  readonly ackReturnValues: boolean;
  /** Receives errors for which the namespace has no error handler. */
  errorHandler(): ErrorHandler<S> | undefined;
}

/** How the handlers of a namespace are called. */
export class EventHandlers<S> {
  /** Receives what handlers of this namespace throw. */
  errorHandler: ErrorHandler<S> | undefined;
  methods: MethodHandlers<S> | undefined;
  readonly #host: EventHandlersHost<S>;

  constructor(host: EventHandlersHost<S>) {
    this.#host = host;
  }

  get onError(): ErrorHandler<S> | undefined {
    return this.errorHandler ?? this.#host.errorHandler();
  }

  /**
   * Calls a function of the program. What it throws or rejects with reaches the error handler. Without one it surfaces as
   * an uncaught error, and our work goes on.
   */
  guard(socket: S | undefined, event: string, args: readonly Untyped[], call: () => unknown): void {
    const { onError } = this;
    callHandler(call, [], onError && ((error) => onError(error, { socket, event, args })));
  }

  /** There is nothing more to do for an event than to call its listeners. */
  get isPlain(): boolean {
    const { ackReturnValues } = this.#host;
    return this.methods === undefined && !ackReturnValues && this.onError === undefined;
  }

  /**
   * Calls the listeners of an event of `socket`, and the method for it.
   *
   * @param args those of the event, followed by `acknowledge` if the client awaits an acknowledgement
   */
  handle(
    socket: S,
    event: string,
    listeners: readonly Omit<Handler, "acknowledges">[],
    args: readonly unknown[],
    acknowledge: Listener | undefined,
  ): void {
    const acknowledges = this.#host.ackReturnValues;
    const handlers: Handler[] = listeners.map((each) => ({ ...each, acknowledges }));
    const method = this.methods?.find(socket, event);
    if (method !== undefined) handlers.push(method);
    // Middleware may have changed them.
    const answers = acknowledge !== undefined && args.at(-1) === acknowledge;
    const own = answers ? args.slice(0, -1) : args;
    const { onError } = this;
    const tell = onError && ((error: unknown) => onError(error, { socket, event, args: own }));
    callHandlers(handlers, own, answers ? acknowledge : undefined, tell);
  }
}

/**
 * Calls handlers, every one even if one before it throws.
 *
 * @param args the event's, without the callback
 * @param acknowledge sends the acknowledgement that the client waits for
 * @param onError is told of errors; without it they surface as Node surfaces any
 */
function callHandlers(
  handlers: readonly Handler[],
  args: readonly unknown[],
  acknowledge: Listener | undefined,
  onError: ((error: unknown) => unknown) | undefined,
): void {
  const results: unknown[] = [];
  for (const handler of handlers) {
    const takesCallback = acknowledge !== undefined && handler.length > args.length;
    const passes = acknowledge !== undefined && (takesCallback || !handler.acknowledges);
    const given = passes ? [...args, acknowledge] : args;
    const result = callHandler(handler.call, given, onError);
    if (handler.acknowledges && !takesCallback) results.push(result);
  }
  if (acknowledge === undefined || results.includes(FAILED)) return;
  if (results.length > 0) answer(results, acknowledge, onError);
}

/** What callHandler() gives for a handler that has thrown, with nobody to tell. */
const FAILED = Symbol("failed");

/** Calls one handler; gives what it returns, or what `onError` makes of its error. */
export function callHandler(
  handler: Listener,
  args: readonly unknown[],
  onError: ((error: unknown) => unknown) | undefined,
): unknown {
  let result: unknown;
  try {
    result = handler(...args);
  } catch (error) {
    if (onError !== undefined) return callHandler(onError, [error], undefined);
    // It surfaces, and our work goes on.
    callListener(handler, rethrow, [error]);
    return FAILED;
  }
  // Left alone, a rejection surfaces by itself.
  return isThenable(result) && onError !== undefined
    ? Promise.resolve(result).catch(onError)
    : result;
}

function rethrow(error: unknown): never {
  throw error;
}

/** Acknowledges with the first value that is one, when all are known. */
function answer(
  results: readonly unknown[],
  acknowledge: Listener,
  onError: ((error: unknown) => unknown) | undefined,
): void {
  const send = (values: readonly unknown[]): void => {
    const value = values.find((each) => each !== undefined);
    if (value instanceof AckValues) acknowledge(...value.values);
    else if (value === undefined) acknowledge();
    else acknowledge(value);
  };
  // It may be a value that the codec cannot encode, such as a BigInt.
  const sendOrTell = (values: readonly unknown[]): void => {
    let failed = false;
    const fail = (error: unknown): unknown => {
      failed = true;
      return onError?.(error);
    };
    const instead = callHandler(send, [values], onError && fail);
    if (failed) answer([instead], acknowledge, undefined);
  };
  if (results.some(isThenable)) void Promise.all(results).then(sendOrTell);
  else sendOrTell(results);
}
