// The entry point of the client for browsers.

import { createBrowserPlatform, page } from "./platform/browser.ts";
import { standardCodec } from "./socketio/codec.ts";
import { createLookup, type Lookup } from "./socketio/lookup.ts";
import { AnyManager } from "./socketio/manager.ts";
import type { ManagerOptions } from "./socketio/options.ts";

export { AckTimeoutError, DisconnectedError } from "../lib/events/errors.ts";
export {
  PollingTransport as Fetch,
  PollingTransport as NodeXHR,
  PollingTransport as XHR,
} from "./engineio/polling.ts";
export {
  WebSocketTransport as NodeWebSocket,
  WebSocketTransport as WebSocket,
} from "./engineio/websocket.ts";
export { RefusedError, Socket } from "./socketio/socket.ts";

const BROWSER = createBrowserPlatform(standardCodec);

/** The version of the Socket.IO protocol that the client implements. */
export const protocol = 5;

/**
 * Manages the connection to a server. Opens the connection, reconnects if the connection is lost, and shares it among
 * the sockets of several namespaces.
 */
export class Manager extends AnyManager {
  /** @param url the URL of the server. Default: the server that the options name, or the server of the page */
  constructor(url?: string | URL, options?: ManagerOptions);
  constructor(options: ManagerOptions);
  constructor(url?: string | URL | ManagerOptions, options?: ManagerOptions) {
    super(BROWSER, page(), url, options);
  }
}

/**
 * Returns the socket of a namespace. The path of the URL is the name of the namespace. Without a URL, returns the
 * socket of the main namespace of the page's server.
 */
export const io: Lookup<typeof Manager> = createLookup(Manager, page);
/** The same as io(). */
export const connect: Lookup<typeof Manager> = io;
export default io;
