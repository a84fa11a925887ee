// `barewire/websocket`, with the same behaviour as the server of `ws`.

import { createServer } from "node:http";

import { type WebSocketConnection, WebSocketServer } from "../../websocket.ts";
import { NEWS, serveBench } from "./control.ts";
import { BURST_PREFIX, CONNECT_PACKET, OPEN_PACKET } from "./session.ts";

const { hello = true, perMessageDeflate = false } = JSON.parse(process.argv[2] ?? "{}");

const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate });
const clients = new Set<WebSocketConnection>();
server.on("connection", (connection) => {
  clients.add(connection);
  connection.on("close", () => clients.delete(connection));
  if (hello) connection.send(OPEN_PACKET);
  connection.on("message", (data) => {
    if (data === "40") {
      connection.send(CONNECT_PACKET);
    } else if (typeof data === "string" && data.startsWith(BURST_PREFIX)) {
      const count = Number.parseInt(data.slice(BURST_PREFIX.length), 10);
      for (let n = 0; n < count; n++) {
        for (const client of clients) client.send(`42["news","${NEWS}"]`);
      }
    } else {
      connection.send(data);
    }
  });
});
serveBench(http);
