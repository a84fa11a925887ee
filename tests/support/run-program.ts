// A program that only tests/lib/run.test.ts starts. It runs until it receives a signal.

import { Server } from "../../server.ts";

const io = new Server({ pingInterval: 1_000_000 });
io.on("connection", (socket) => {
  socket.on("disconnecting", () => {
    // Packets that are sent while the server closes must still arrive.
    io.emit("late", "x".repeat(100_000));
  });
});
// This timer would keep the process alive, so run() must end the process.
setInterval(() => {}, 1_000_000);
await io.run({ port: 0 });
