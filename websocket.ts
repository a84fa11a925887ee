/**
 * `barewire/websocket`: WebSockets and nothing else, both ends. The client has the interface that
 * browsers have.
 *
 * @module barewire/websocket
 */

export {
  CloseEvent,
  type CloseEventInit,
  ErrorEvent,
  type ErrorEventInit,
  WebSocket,
  type WebSocketOptions,
} from "./lib/websocket/client.ts";
export { createWebSocketStream, type WebSocketDuplexOptions } from "./lib/websocket/duplex.ts";
export { type WebSocketCloseInfo, WebSocketError } from "./lib/websocket/error.ts";
export * from "./lib/websocket/server.ts";
export {
  type WebSocketClosed,
  type WebSocketConnectedStream,
  WebSocketStream,
  type WebSocketStreamChunk,
  type WebSocketStreamOptions,
} from "./lib/websocket/web-stream.ts";
