// Checks the options that limit the number of clients, for Engine and WebSocketServer.

import type { ConnectionBoundOptions } from "./connection-bounds.ts";
import { limit, number, type OptionTable } from "./events/options.ts";

export const CONNECTION_BOUND_OPTIONS: OptionTable<ConnectionBoundOptions> = {
  maxConnections: limit,
  maxConnectionsPerAddress: limit,
  maxHandshakesPerSecond: number("a positive number, or Infinity", (value) => value > 0),
};
