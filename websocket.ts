// `barewire/websocket`: WebSockets and nothing else, both ends. The client has the interface that
// browsers have.

export {
  CloseEvent,
  type CloseEventInit,
  ErrorEvent,
  type ErrorEventInit,
  WebSocket,
  type WebSocketOptions,
} from "./lib/websocket/client.ts";
export * from "./lib/websocket/server.ts";
