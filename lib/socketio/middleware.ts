// The middleware that a client passes before its socket is connected.

import type { ConnectErrorData } from "../../protocol/socketio/packet.ts";
import { callListener, type Untyped } from "../events/emitter.ts";
import { isThenable } from "../events/thenable.ts";
import { ConnectionRefused, refusalOf } from "./connection-refused.ts";
import type { EventHandlers } from "./event-handlers.ts";
import type { Handshake } from "./handshake.ts";

/** An error with which middleware refuses a client; `data` reaches the client too. */
export interface ExtendedError extends Error {
  data?: Untyped;
}

/** Lets a client in with `next()`, or refuses it with `next(error)`. */
export type Middleware<S> = (socket: S, next: (error?: ExtendedError) => void) => void;

/** A socket on its way through the middleware. */
interface Newcomer {
  readonly handshake: Handshake;
  /** Its client has left. */
  readonly gone: boolean;
  onRefuse(data: ConnectErrorData): void;
}

/**
 * Has a socket pass `middleware` in order, then the handler of a class. Each is called in a later turn
 * than the one before.
 *
 * @param onPassed called when all have let the socket pass
 * @param index where in the list to begin
 */
export function passMiddleware<S extends Newcomer>(
  middleware: readonly Middleware<S>[],
  socket: S,
  handling: EventHandlers<S>,
  onPassed: (socket: S) => void,
  index = 0,
): void {
  // The client may leave while it waits.
  if (socket.gone) return;
  const current =
    middleware[index] ?? (index === middleware.length ? handling.methods?.greet : undefined);
  if (current === undefined) {
    onPassed(socket);
    return;
  }
  let called = false;
  const next = (error?: ExtendedError): void => {
    // A second call means the same as the first.
    if (called || socket.gone) return;
    called = true;
    if (error) socket.onRefuse(refusalOf(error));
    else {
      process.nextTick(() => passMiddleware(middleware, socket, handling, onPassed, index + 1));
    }
  };
  // An error of the middleware surfaces as uncaught, and the client does not wait for ever.
  const fail = (error: unknown): void => {
    if (error instanceof ConnectionRefused) {
      next(error);
      return;
    }
    next(new Error("internal error"));
    const { onError } = handling;
    if (onError === undefined) throw error;
    onError(error, { socket, event: "connect", args: [socket.handshake.auth] });
  };
  try {
    const result: unknown = current(socket, next);
    if (isThenable(result)) Promise.resolve(result).then(undefined, fail);
  } catch (error) {
    callListener(socket, fail, [error]);
  }
}
