// The npm package ws as the server under test: the WebSocket layer only.
//
//   tsx conformance/testees/servers/ws.ts [port]

import { createServer } from "node:http";

import { WebSocketServer } from "ws";

import { WEBSOCKET_MAX_PAYLOAD } from "./behaviour.ts";
import { listen } from "./listen.ts";

export function createTarget(): ReturnType<typeof createServer> {
  const http = createServer((_request, response) => {
    response.writeHead(404).end();
  });
  const websockets = new WebSocketServer({
    noServer: true,
    maxPayload: WEBSOCKET_MAX_PAYLOAD,
    perMessageDeflate: { threshold: 0 },
    handleProtocols: (offered) => (offered.has("echo") ? "echo" : false),
  });
  websockets.on("connection", (connection) => {
    // ws has already closed the connection when it emits "error", so the listener does nothing.
    connection.on("error", () => {});
    connection.on("message", (data, binary) => connection.send(data, { binary }));
  });
  http.on("upgrade", (request, socket, head) => {
    const { url = "" } = request;
    if (url.split("?", 1)[0] !== "/websocket") {
      socket.destroy();
      return;
    }
    websockets.handleUpgrade(request, socket, head, (connection) => {
      websockets.emit("connection", connection, request);
    });
  });
  return http;
}

if (process.argv[1] === import.meta.filename) listen(createTarget());
