/**
 * `barewire/client` is a client for Socket.IO servers of version 3.0 or later. It runs in Node and in browsers.
 *
 * ```ts
 * import { io } from "barewire/client";
 *
 * const socket = io("http://localhost:3000", { auth: { token: "secret" } });
 * socket.on("chat", (text) => console.log(text));
 * const delivered = await socket.emitWithAck("chat", "hello");
 * ```
 *
 * @module barewire/client
 */

import { createNodePlatform } from "./platform/node.ts";
import { createLookup, type Lookup } from "./socketio/lookup.ts";
import { AnyManager, type ManagerEvents } from "./socketio/manager.ts";
import type { ManagerOptions } from "./socketio/options.ts";

export type { AnyListener } from "../lib/events/catch-all.ts";
export type {
  AckValue,
  AllButLast,
  DefaultEventsMap,
  EventArguments,
  EventNames,
  LastArgument,
  Listener,
  ListenerOf,
  MessageArguments,
  Untyped,
  WithTimeout,
} from "../lib/events/emitter.ts";
export { AckTimeoutError, DisconnectedError } from "../lib/events/errors.ts";
export type { Parser, ParserDecoder, ParserEncoder } from "../lib/events/parser.ts";
export type { EmitFlags } from "../lib/events/socket-emitter.ts";
export {
  type CloseReason,
  ConnectError,
  type Engine,
  type EngineEvents,
  type EnginePacket,
} from "./engineio/engine.ts";
export type { EngineOptions, TransportName } from "./engineio/options.ts";
// The transports are exported under the names that socket.io-client uses.
export {
  PollingTransport as Fetch,
  PollingTransport as NodeXHR,
  PollingTransport as XHR,
} from "./engineio/polling.ts";
export type { Query } from "./engineio/query.ts";
export type { ReadyState } from "./engineio/states.ts";
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
export type {
  Pem,
  PerMessageDeflateOptions,
  PlatformCall,
  PlatformOptions,
  PlatformResponse,
  PlatformWebSocket,
} from "./platform/network.ts";
export type { AddressOptions } from "./socketio/address.ts";
export type { Lookup, LookupClasses, LookupFunction } from "./socketio/lookup.ts";
export type { AnyManager, Changeable } from "./socketio/manager.ts";
export type { Auth, ClientOptions, SocketOptions } from "./socketio/options.ts";
export {
  type DisconnectDescription,
  type DisconnectReason,
  type ExtendedError,
  RefusedError,
  Socket,
  type SocketReservedEvents,
} from "./socketio/socket.ts";
export type { SocketEmitter } from "./socketio/socket-emitter.ts";
export type { ManagerEvents, ManagerEvents as ManagerReservedEvents, ManagerOptions };

/** The version of the Socket.IO protocol that the client implements. */
export const protocol = 5;

/**
 * Manages the connection to a server. Opens the connection, reconnects if the connection is lost, and shares it among
 * the sockets of several namespaces.
 */
export class Manager extends AnyManager {
  /**
   * Creates a manager, and connects unless the option `autoConnect` is `false`.
   *
   * @param url the URL of the server. Default: the server that the options name, or `http://localhost`
   * @param options the options of the connection. Default: none
   * @throws TypeError if the URL or an option is invalid
   *
   * @example
   * const manager = new Manager("http://localhost:3000", { reconnectionAttempts: 10 });
   * const chat = manager.socket("/chat");
   */
  constructor(url?: string | URL, options?: ManagerOptions);
  /**
   * Creates a manager for the server that the options name.
   *
   * @param options the options of the connection
   * @throws TypeError if an option is invalid
   *
   * @example
   * const manager = new Manager({ host: "localhost", port: 3000 });
   */
  constructor(options: ManagerOptions);
  constructor(url?: string | URL | ManagerOptions, options?: ManagerOptions) {
    super(createNodePlatform(), HERE, url, options);
  }
}

/** Completes a URL without a host or a scheme. */
const HERE = "http://localhost";

/**
 * Returns the socket of a namespace, and connects to the server if necessary. The path of the URL is the name of the
 * namespace. Sockets for different namespaces of a server share one connection.
 *
 * @example
 * const socket = io("http://localhost:3000/chat", { auth: { token: "secret" } });
 */
export const io: Lookup<typeof Manager> = createLookup(Manager, () => HERE);
/** The same as io(). */
export const connect: Lookup<typeof Manager> = io;
export default io;
