// `barewire/client` in Node: a client for Socket.IO servers, ours and all others since 3.0.
//
//   const socket = io("http://localhost:3000", { auth: { token } });
//   socket.on("chat", (text) => …);
//   const delivered = await socket.emitWithAck("chat", "hello");

import { createLookup, type Lookup } from "./lookup.ts";
import { AnyManager, type ManagerEvents, type ManagerOptions } from "./manager.ts";
import { createNodePlatform } from "./node.ts";

export { AckTimeoutError, DisconnectedError } from "../protocol/errors.ts";
export { ConnectError, type Engine } from "./engine.ts";
export type { ClientOptions } from "./lookup.ts";
/** Transports, for the option `transports`: over HTTP requests, and over a WebSocket. */
export {
  PollingTransport as Fetch,
  PollingTransport as NodeXHR,
  PollingTransport as XHR,
} from "./polling.ts";
export {
  type DisconnectReason,
  RefusedError,
  Socket,
  type SocketOptions,
  type SocketReservedEvents,
} from "./socket.ts";
export type {
  DisconnectDetails,
  Link,
  Transport,
  TransportClass,
  TransportSink,
} from "./transport.ts";
export {
  WebSocketTransport as NodeWebSocket,
  WebSocketTransport as WebSocket,
} from "./websocket-transport.ts";
export type { ManagerEvents, ManagerOptions };

/** The revision of the protocol. */
export const protocol = 5;

export class Manager extends AnyManager {
  /** @param url of the server */
  constructor(url: string | URL, options?: ManagerOptions) {
    super(createNodePlatform(), new URL(url), options);
  }
}

/** The socket of a namespace: the path of the URL. Connections to the same server are shared. */
export const io: Lookup = createLookup(
  (url, options) => new Manager(url, options),
  () => "http://localhost",
);
/** The same as io(). */
export const connect: Lookup = io;
export default io;
