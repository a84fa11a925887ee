// How a program says that a client may not come in.

import type { ConnectErrorData } from "../../protocol/socketio/packet.ts";
import type { Untyped } from "../events/emitter.ts";

const DEFAULT_MESSAGE = "Connection rejected by server";

/**
 * Thrown by middleware or by a handler of connections, or what they reject with: the client is
 * refused with this message and data, and nothing surfaces.
 */
export class ConnectionRefused extends Error {
  override readonly name = "ConnectionRefused";
  readonly data?: Untyped;

  /** @param data reaches the client, as `error.data` of its "connect_error" */
  constructor(message = DEFAULT_MESSAGE, data?: unknown) {
    super(message);
    if (data !== undefined) this.data = data;
  }
}

/**
 * Returns what the client is told when middleware calls `next(error)`. Programs without types call it with
 * other values than errors. Clients take a refusal without a text as its message for a broken packet, and
 * reconnect for ever, so there is always one.
 */
export function refusalOf(error: unknown): ConnectErrorData {
  if (typeof error === "string") return { message: error };
  const { message, data }: Untyped = Object(error);
  const told = typeof message === "string" ? message : DEFAULT_MESSAGE;
  // JSON leaves functions and symbols out.
  const hasData = data !== undefined && typeof data !== "function" && typeof data !== "symbol";
  return hasData ? { message: told, data } : { message: told };
}
