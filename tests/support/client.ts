// Our client, connected over a network.

import { type ClientOptions, io as connect, type Socket } from "../../client/index.ts";
import type { Cleanup } from "./installed.ts";

/** Connects a client over a new connection. The client is disconnected when the test ends. */
export function connectTo(context: Cleanup, url: string, options: ClientOptions = {}): Socket {
  const client = connect(url, { forceNew: true, reconnectionDelay: 1, ...options });
  context.after(() => client.disconnect());
  return client;
}
