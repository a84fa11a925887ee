// A WebSocket server that sends every message back:
//
//   npx tsx examples/echo/server.ts

import { WebSocketServer } from "barewire/websocket";

const port = Number(process.env.PORT ?? 8080);
const server = new WebSocketServer({ port, host: process.env.HOST ?? "127.0.0.1" });

server.on("listening", () => console.log("listening on", server.address()));
server.on("connection", (connection) => {
  connection.on("message", (data) => connection.send(data));
  connection.on("close", (code, reason) => console.log("closed with", code, reason));
});
