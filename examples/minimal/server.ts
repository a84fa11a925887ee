// A Socket.IO server in ten lines, for one file that holds all of it: docs/minimal-deployment.md.
//
//   npx tsx build/single-file.ts examples/minimal/server.ts server.cjs

import { createServer } from "node:http";
import { Server } from "../../server.ts";

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
