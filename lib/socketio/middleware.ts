// Runs the middleware that a client must pass before its socket is connected.

import type { ConnectErrorData } from "../../protocol/socketio/packet.ts";
import { callListener, type Untyped } from "../events/emitter.ts";
import { isThenable } from "../events/thenable.ts";
import { ConnectionRefused, refusalOf } from "./connection-refused.ts";
import type { EventHandlers } from "./event-handlers.ts";
import type { Handshake } from "./handshake.ts";

/** An error that refuses a client. The client receives its message and `data`. */
export interface ExtendedError extends Error {
  /** Sent to the client as `error.data` of its "connect_error" event. */
  data?: Untyped;
}

/**
 * Accepts a client with `next()`, or refuses it with `next(error)`.
 *
 * @param socket the socket of the client, which is not connected yet
 * @param next accepts the client, or refuses it if called with an error
 */
export type Middleware<S> = (socket: S, next: (error?: ExtendedError) => void) => void;

/** A socket that is passing the middleware. */
interface Newcomer {
  readonly handshake: Handshake;
  /** Whether the client has disconnected. */
  readonly gone: boolean;
  onRefuse(data: ConnectErrorData): void;
}

/**
 * Runs `middleware` in order for a socket, then the connect method of a registered handler. Each
 * function runs in a later tick than the previous function.
 *
 * @param onPassed called when all functions have accepted the socket
 * @param index position of the next function to run
 */
export function passMiddleware<S extends Newcomer>(
  middleware: readonly Middleware<S>[],
  socket: S,
  handling: EventHandlers<S>,
  onPassed: (socket: S) => void,
  index = 0,
): void {
  // This function runs in a later tick, in which the client may already have disconnected.
  if (socket.gone) return;
  const current =
    middleware[index] ?? (index === middleware.length ? handling.methods?.greet : undefined);
  if (current === undefined) {
    onPassed(socket);
    return;
  }
  let called = false;
  const next = (error?: ExtendedError): void => {
    // Only the first call of next() counts.
    if (called || socket.gone) return;
    called = true;
    if (error) socket.onRefuse(refusalOf(error));
    else {
      process.nextTick(() => passMiddleware(middleware, socket, handling, onPassed, index + 1));
    }
  };
  // An error in middleware goes to the error handler or becomes an uncaught exception. The client
  // is refused, so that it does not wait forever.
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
