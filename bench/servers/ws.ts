// Runs a server of the installed version of `ws`. The server echoes each message unchanged, and ignores the protocols
// above WebSocket.

import { createServer } from "node:http";

import { WebSocketServer } from "ws";

import { NEWS, serveBench } from "./control.ts";
import { BURST_PREFIX, CONNECT_PACKET, OPEN_PACKET } from "./session.ts";

const { hello = true, perMessageDeflate = false } = JSON.parse(process.argv[2] ?? "{}");

const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate });
server.on("connection", (socket) => {
  if (hello) socket.send(OPEN_PACKET);
  socket.on("message", (data, isBinary) => {
    const text = isBinary ? data : data.toString();
    if (text === "40") {
      socket.send(CONNECT_PACKET);
    } else if (typeof text === "string" && text.startsWith(BURST_PREFIX)) {
      const count = Number.parseInt(text.slice(BURST_PREFIX.length), 10);
      for (let n = 0; n < count; n++) {
        for (const client of server.clients) client.send(`42["news","${NEWS}"]`);
      }
    } else {
      socket.send(text);
    }
  });
});
serveBench(http);
