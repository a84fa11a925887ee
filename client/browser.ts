// The client in browsers: what the bundles begin with.

import { standardCodec } from "./codec.ts";
import { createLookup, type Lookup } from "./lookup.ts";
import { AnyManager, type ManagerOptions } from "./manager.ts";
import { createBrowserPlatform, page } from "./web.ts";

export { AckTimeoutError, DisconnectedError } from "../protocol/errors.ts";
export { PollingTransport as Fetch, PollingTransport as XHR } from "./polling.ts";
export { RefusedError, Socket } from "./socket.ts";
export { WebSocketTransport as WebSocket } from "./websocket-transport.ts";

const BROWSER = createBrowserPlatform(standardCodec);

/** The revision of the protocol. */
export const protocol = 5;

export class Manager extends AnyManager {
  /** @param url of the server; of the page's if it says no more than a path */
  constructor(url: string | URL = page(), options?: ManagerOptions) {
    super(BROWSER, new URL(url, page()), options);
  }
}

/** The socket of a namespace: the path of the URL. Without a URL, of the page's server. */
export const io: Lookup = createLookup((url, options) => new Manager(url, options), page);
/** The same as io(). */
export const connect: Lookup = io;
export default io;
