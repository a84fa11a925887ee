// `barewire/websocket`: WebSockets and nothing else, both ends. The client has the interface that
// browsers have.

export {
  CloseEvent,
  ErrorEvent,
  WebSocket,
  type WebSocketOptions,
} from "./client/websocket.ts";
export * from "./lib/websocket/server.ts";
