// A program that nobody but tests/lib/run.test.ts starts: it runs until it is told to go.

import { Server } from "../../server.ts";

const io = new Server({ pingInterval: 1_000_000 });
io.on("connection", (socket) => {
  socket.on("disconnecting", () => {
    // What is sent at the end is still delivered.
    io.emit("late", "x".repeat(100_000));
  });
});
// Something that would keep the process alive.
setInterval(() => {}, 1_000_000);
await io.run({ port: 0 });
