// The client in browsers: what the bundles begin with.

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

/** The revision of the protocol. */
export const protocol = 5;

export class Manager extends AnyManager {
  /** @param url of the server. Default: the page's, or what the options say. */
  constructor(url?: string | URL, options?: ManagerOptions);
  constructor(options: ManagerOptions);
  constructor(url?: string | URL | ManagerOptions, options?: ManagerOptions) {
    super(BROWSER, page(), url, options);
  }
}

/** The socket of a namespace: the path of the URL. Without a URL, of the page's server. */
export const io: Lookup<typeof Manager> = createLookup(Manager, page);
/** The same as io(). */
export const connect: Lookup<typeof Manager> = io;
export default io;
