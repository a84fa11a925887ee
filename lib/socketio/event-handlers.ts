// Calls event handlers and processes what they return, throw or reject with. Implements two
// features that socket.io does not have: acknowledgements by return value, and error handlers.

import { callListener, type Listener, type Untyped } from "../events/emitter.ts";
import { isThenable } from "../events/thenable.ts";

/** Several values for one acknowledgement. An array would be a single value. Created by acks(). */
export class AckValues {
  /** The arguments of the acknowledgement. */
  readonly values: readonly unknown[];

  /**
   * Creates the result of acks().
   *
   * @internal
   */
  constructor(values: readonly unknown[]) {
    this.values = values;
  }
}

/**
 * Creates a return value that acknowledges an event with several values.
 *
 * @param values the arguments of the acknowledgement
 *
 * @example
 * ```ts
 * const io = new Server(3000, { ackReturnValues: true });
 * io.on("connection", (socket) => {
 *   socket.on("save", () => acks("saved", 7));
 * });
 * ```
 */
export function acks(...values: readonly unknown[]): AckValues {
  return new AckValues(values);
}

/** Describes a failed call of a handler. */
export interface HandlerCall<S> {
  /**
   * The socket. `undefined` if the call does not concern a connected client, such as the callback
   * of a broadcast.
   */
  readonly socket: S | undefined;
  /**
   * The name of the event. There are two special names:
   *
   * - "connect" for middleware, for a connection handler, and for the function passed to of(). That
   * function's arguments are the name of the namespace and `auth`.
   * - "adapter" for a method of the adapter. The argument is the name of the method.
   */
  readonly event: string;
  /** The arguments of the event, without the acknowledgement callback. */
  readonly args: readonly Untyped[];
}

/**
 * Receives the errors that handlers throw or reject with. The return value of the error handler, or
 * the value of the promise that it returns, acknowledges the event as if the failed handler had
 * returned this value.
 *
 * @param error what the handler threw or rejected with
 * @param call the socket, the event and the arguments with which the handler was called
 */
export type ErrorHandler<S> = (error: unknown, call: HandlerCall<S>) => unknown;

/** A handler that is about to be called. */
export interface Handler {
  /** Calls the handler. */
  readonly call: (...args: Untyped[]) => unknown;
  /**
   * Number of parameters that the handler declares. The number shows whether the handler expects
   * the acknowledgement callback.
   */
  readonly length: number;
  /** Whether the return value acknowledges the event, unless the handler expects the callback. */
  readonly acknowledges: boolean;
}

/** An object whose methods handle the events of a namespace. */
export interface MethodHandlers<S> {
  /** Middleware that runs after all other middleware. */
  readonly greet: (socket: S, next: (error?: Error) => void) => unknown;
  /** Returns the method that handles an event of `socket`, if there is one. */
  find(socket: S, event: string): Handler | undefined;
}

/** The part of the server that the event handling uses. */
export interface EventHandlersHost<S> {
  /** Whether the return values of listeners acknowledge events. */
  readonly ackReturnValues: boolean;
  /** Returns the error handler of the server, for namespaces without their own error handler. */
  errorHandler(): ErrorHandler<S> | undefined;
}

/** Calls the event handlers of a namespace. */
export class EventHandlers<S> {
  /** Receives errors of this namespace's handlers. */
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
   * Calls a function of the application. If the function throws or rejects, the error handler
   * receives the error. Without an error handler, the error becomes an uncaught exception, and the
   * caller continues.
   */
  guard(socket: S | undefined, event: string, args: readonly Untyped[], call: () => unknown): void {
    const { onError } = this;
    callHandler(call, [], onError && ((error) => onError(error, { socket, event, args })));
  }

  /** Whether events need no processing besides calling their listeners. */
  get isPlain(): boolean {
    const { ackReturnValues } = this.#host;
    return this.methods === undefined && !ackReturnValues && this.onError === undefined;
  }

  /**
   * Calls the listeners of an event of `socket`, and the method that handles the event.
   *
   * @param args the arguments of the event. The last argument is `acknowledge` if the client
   * expects an acknowledgement
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
    // Middleware may have removed the callback from the arguments.
    const answers = acknowledge !== undefined && args.at(-1) === acknowledge;
    const own = answers ? args.slice(0, -1) : args;
    const { onError } = this;
    const tell = onError && ((error: unknown) => onError(error, { socket, event, args: own }));
    callHandlers(handlers, own, answers ? acknowledge : undefined, tell);
  }
}

/**
 * Calls handlers. After an error in one handler, the other handlers are still called.
 *
 * @param args the arguments of the event, without the callback
 * @param acknowledge sends the acknowledgement that the client expects
 * @param onError receives errors. Default: errors become uncaught exceptions
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

/** Returned by callHandler() if the handler throws and there is no error handler. */
const FAILED = Symbol("failed");

/**
 * Calls one handler. Returns the handler's result, or the result of `onError` if the handler
 * throws.
 */
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
    // The error becomes an uncaught exception, and the caller continues.
    callListener(handler, rethrow, [error]);
    return FAILED;
  }
  // Without an error handler, Node reports the rejection as unhandled.
  return isThenable(result) && onError !== undefined
    ? Promise.resolve(result).catch(onError)
    : result;
}

function rethrow(error: unknown): never {
  throw error;
}

/**
 * Acknowledges the event with the first result that is not `undefined`, after all promises among
 * the results have resolved.
 */
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
  // The codec may be unable to encode the value, for example a BigInt.
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
