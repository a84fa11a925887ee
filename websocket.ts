/**
 * `barewire/websocket`: a WebSocket client and a WebSocket server, without Engine.IO and Socket.IO. The client has the
 * interface of a browser's `WebSocket`.
 *
 * @module barewire/websocket
 */

export {
  CloseEvent,
  type CloseEventInit,
  ErrorEvent,
  type ErrorEventInit,
  type Handler,
  WebSocket,
  type WebSocketDeflateOptions,
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
