// A Socket.IO server in ten lines. docs/minimal-deployment.md explains how to bundle it into one file.

import { createServer } from "node:http";
import { Server } from "barewire";

const http = createServer((_request, response) => response.writeHead(404).end());
const io = new Server(http, { serveClient: false });
io.on("connection", (socket) => {
  socket.on("echo", (value, reply) => {
    if (typeof reply === "function") reply(value);
  });
});
http.on("listening", () => console.log("listening on", http.address()));
http.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? "127.0.0.1");
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => io.close());
