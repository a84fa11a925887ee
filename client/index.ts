/**
 * `barewire/client` in Node: a client for Socket.IO servers, ours and all others since 3.0.
 *
 * ```ts
 * const socket = io("http://localhost:3000", { auth: { token } });
 * socket.on("chat", (text) => …);
 * const delivered = await socket.emitWithAck("chat", "hello");
 * ```
 *
 * @module barewire/client
 */

import { createNodePlatform } from "./platform/node.ts";
import { createLookup, type Lookup } from "./socketio/lookup.ts";
import { AnyManager, type ManagerEvents } from "./socketio/manager.ts";
import type { ManagerOptions } from "./socketio/options.ts";

export type { DefaultEventsMap } from "../lib/events/emitter.ts";
export { AckTimeoutError, DisconnectedError } from "../lib/events/errors.ts";
export { ConnectError, type Engine } from "./engineio/engine.ts";
/** Transports, for the option `transports`: over HTTP requests, and over a WebSocket. */
export {
  PollingTransport as Fetch,
  PollingTransport as NodeXHR,
  PollingTransport as XHR,
} from "./engineio/polling.ts";
export type {
  DisconnectDetails,
  Link,
  Transport,
  TransportClass,
  TransportSink,
} from "./engineio/transport.ts";
export {
  WebSocketTransport as NodeWebSocket,
  WebSocketTransport as WebSocket,
} from "./engineio/websocket.ts";
export type { ClientOptions, SocketOptions } from "./socketio/options.ts";
export {
  type DisconnectDescription,
  type DisconnectReason,
  type ExtendedError,
  RefusedError,
  Socket,
  type SocketReservedEvents,
} from "./socketio/socket.ts";
export type { ManagerEvents, ManagerEvents as ManagerReservedEvents, ManagerOptions };

/** The revision of the protocol. */
export const protocol = 5;

export class Manager extends AnyManager {
  /** @param url of the server. Default: `http://localhost`, or what the options say. */
  constructor(url?: string | URL, options?: ManagerOptions);
  constructor(options: ManagerOptions);
  constructor(url?: string | URL | ManagerOptions, options?: ManagerOptions) {
    super(createNodePlatform(), HERE, url, options);
  }
}

/** Where a URL without a host leads. */
const HERE = "http://localhost";

/** The socket of a namespace: the path of the URL. Connections to the same server are shared. */
export const io: Lookup<typeof Manager> = createLookup(Manager, () => HERE);
/** The same as io(). */
export const connect: Lookup<typeof Manager> = io;
export default io;
