// How a program says that a client may not come in.

import type { Untyped } from "../../protocol/events.ts";

/**
 * Thrown by middleware or by a handler of connections, or what they reject with: the client is
 * refused with this message and data, and nothing surfaces.
 */
export class ConnectionRefused extends Error {
  override readonly name = "ConnectionRefused";
  readonly data?: Untyped;

  /** @param data reaches the client, as `error.data` of its "connect_error" */
  constructor(message = "Connection rejected by server", data?: unknown) {
    super(message);
    if (data !== undefined) this.data = data;
  }
}
