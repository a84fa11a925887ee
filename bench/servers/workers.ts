// Runs barewire in one process, or in workers if the option `workers` is set. The program is the
// same for both.

import { Server } from "../../server.ts";
import { SETTINGS } from "./events.ts";

const { workers, ...options } = JSON.parse(process.argv[2] ?? "{}");
const io = new Server({ ...SETTINGS, ...options });
io.on("connection", (socket) => {
  socket.on("echo", (value) => void socket.emit("echo", value));
  socket.on("all", (value) => void io.emit("news", value));
});
await io.run({ port: 0, ...(workers === undefined ? {} : { workers }) });
