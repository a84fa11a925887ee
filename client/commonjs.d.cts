// The declarations of commonjs.cjs. TypeScript has no shorter form for a function that has types as members.

import {
  AckTimeoutError,
  ClientOptions,
  ConnectError,
  connect,
  DefaultEventsMap,
  DisconnectDescription,
  DisconnectDetails,
  DisconnectedError,
  DisconnectReason,
  Engine,
  ExtendedError,
  Fetch,
  io,
  Link,
  Manager,
  ManagerEvents,
  ManagerOptions,
  ManagerReservedEvents,
  NodeWebSocket,
  NodeXHR,
  protocol,
  RefusedError,
  Socket,
  SocketOptions,
  SocketReservedEvents,
  Transport,
  TransportClass,
  TransportSink,
  WebSocket,
  XHR,
} from "./index.ts";

/** Returns the socket of a namespace, which is the path of the URL. */
declare function client<ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
  url?: string | URL,
  options?: ClientOptions,
): Socket<ListenEvents, EmitEvents>;
/** Returns the main socket of the page's server. */
declare function client<ListenEvents = DefaultEventsMap, EmitEvents = ListenEvents>(
  options: ClientOptions,
): Socket<ListenEvents, EmitEvents>;

declare namespace client {
  export {
    AckTimeoutError,
    type ClientOptions,
    ConnectError,
    connect,
    type DefaultEventsMap,
    type DisconnectDescription,
    type DisconnectDetails,
    DisconnectedError,
    type DisconnectReason,
    type Engine,
    type ExtendedError,
    Fetch,
    io,
    io as default,
    type Link,
    Manager,
    type ManagerEvents,
    type ManagerOptions,
    type ManagerReservedEvents,
    NodeWebSocket,
    NodeXHR,
    protocol,
    RefusedError,
    Socket,
    type SocketOptions,
    type SocketReservedEvents,
    type Transport,
    type TransportClass,
    type TransportSink,
    WebSocket,
    XHR,
  };
}

export = client;
