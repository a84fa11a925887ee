// What becomes of a handler that returns, throws or rejects, where the program has asked for more
// than socket.io does: acknowledgements by return value, and error handlers.

import { callListener, isListener, type Listener, type Untyped } from "../../protocol/events.ts";

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
  readonly socket: S;
  /** The name of the event; "connect" for middleware and for a handler of connections. */
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

/**
 * Calls handlers, every one even if one before it throws.
 *
 * @param args the event's, without the callback
 * @param acknowledge sends the acknowledgement that the client waits for
 * @param onError is told of errors; without it they surface as Node surfaces any
 */
export function callHandlers(
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
  if (results.length > 0) answer(results, acknowledge);
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

/** A promise, of whatever library. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && isListener(value.then);
}

function rethrow(error: unknown): never {
  throw error;
}

/** Acknowledges with the first value that is one, when all are known. */
function answer(results: readonly unknown[], acknowledge: Listener): void {
  const send = (values: readonly unknown[]): void => {
    const value = values.find((each) => each !== undefined);
    if (value instanceof AckValues) acknowledge(...value.values);
    else if (value === undefined) acknowledge();
    else acknowledge(value);
  };
  if (results.some(isThenable)) void Promise.all(results).then(send);
  else send(results);
}
