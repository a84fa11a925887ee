// The error with which an application refuses a client.

import type { ConnectErrorData } from "../../protocol/socketio/packet.ts";
import type { Untyped } from "../events/emitter.ts";

const DEFAULT_MESSAGE = "Connection rejected by server";

/**
 * Refuses a client. Throw this error, or reject with it, in middleware or in a connection handler.
 * The client receives the message and the data in its "connect_error" event. The error handler is
 * not called.
 *
 * @example
 * ```ts
 * io.use((socket) => {
 *   if (socket.handshake.auth.token !== "secret") throw new ConnectionRefused("wrong token");
 * });
 * ```
 */
export class ConnectionRefused extends Error {
  /** The name of the error class. */
  override readonly name = "ConnectionRefused";
  /** Sent to the client as `error.data` of its "connect_error" event. */
  readonly data?: Untyped;

  /**
   * Creates an error that refuses a client.
   *
   * @param message sent to the client. Default: "Connection rejected by server"
   * @param data sent to the client as `error.data` of its "connect_error" event
   */
  constructor(message = DEFAULT_MESSAGE, data?: unknown) {
    super(message);
    if (data !== undefined) this.data = data;
  }
}

/**
 * Returns the refusal that the client receives when middleware calls `next(error)`. JavaScript
 * programs may pass values that are not errors. The refusal always has a message,
 * because clients consider a packet without a message invalid and reconnect forever.
 */
export function refusalOf(error: unknown): ConnectErrorData {
  if (typeof error === "string") return { message: error };
  const { message, data }: Untyped = Object(error);
  const told = typeof message === "string" ? message : DEFAULT_MESSAGE;
  // JSON omits functions and symbols, so they count as missing data.
  const hasData = data !== undefined && typeof data !== "function" && typeof data !== "symbol";
  return hasData ? { message: told, data } : { message: told };
}
