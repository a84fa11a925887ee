// A WebSocket server that gives back what it gets:
//
//   npx tsx examples/echo/server.ts

import { WebSocketServer } from "../../lib/websocket/server.ts";

const server = new WebSocketServer({ port: Number(process.env.PORT ?? 8080) });

server.on("listening", () => console.log("listening on", server.address()));
server.on("connection", (connection) => {
  connection.on("message", (data) => connection.send(data));
  connection.on("close", (code, reason) => console.log("closed with", code, reason));
});
