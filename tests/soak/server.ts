// The server of the soak test, in its own process. It numbers the events that it sends, so that clients detect lost
// and reordered events, and counts the events that it receives.
//
// The events. Each event contains the next number of its stream, starting at 0:
//
//   n      from the server to one client      all    from the server to all clients
//   room   from the server to a room          up     from a client to the server

import { createServer } from "node:http";

import { type Json, obey } from "../../bench/ipc.ts";
import { Server, type Socket } from "../../server.ts";
import { held } from "../support/memory.ts";
import { listen } from "../support/net.ts";
import { programBytes } from "./program-heap.ts";

const http = createServer((_request, response) => response.end());
// These timeouts are shorter than the defaults, so that half-open connections time out within a run of a few minutes.
const io = new Server(http, {
  allowEIO3: true,
  pingInterval: 5000,
  pingTimeout: 10_000,
  connectTimeout: 5000,
});
const port = await listen(http);

/** How many numbered events the server has sent to one client, and received from it. */
interface Tally {
  sent: number;
  received: number;
}

const tallies = new Map<Socket, Tally>();
const faults: string[] = [];
/** The next number of each room. */
const rooms = new Map<string, number>();
let broadcasts = 0;
let connections = 0;

const nextOf = (room: string): number => rooms.get(room) ?? 0;

io.on("connection", (socket) => {
  connections++;
  const tally: Tally = { sent: 0, received: 0 };
  socket.on("start", (reply) => {
    tallies.set(socket, tally);
    socket.join("all");
    reply(broadcasts);
  });
  socket.on("up", (n) => {
    if (n !== tally.received) faults.push(`from a client: ${n} instead of ${tally.received}`);
    tally.received++;
  });
  socket.on("echo", (value, reply) => reply(value));
  socket.on("join", (room, reply) => {
    socket.join(room);
    reply(nextOf(room));
  });
  socket.on("leave", (room, reply) => {
    socket.leave(room);
    reply(nextOf(room));
  });
  socket.on("slow", () => socket.join("slow"));
  socket.on("bye", (reply) => {
    tallies.delete(socket);
    const left: Record<string, number> = {};
    for (const room of socket.rooms) if (rooms.has(room)) left[room] = nextOf(room);
    for (const room of socket.rooms) if (room !== socket.id) socket.leave(room);
    reply({ sent: tally.sent, received: tally.received, broadcasts, rooms: left });
  });
  socket.on("disconnect", () => tallies.delete(socket));
});

const NUMBERS_EVERY_MS = 200;
const ROOMS_EVERY_MS = 500;
const BROADCAST_EVERY_MS = 1000;
const FLOOD_EVERY_MS = 50;
const ROOMS = Array.from({ length: 10 }, (_, i) => `room ${i}`);
const FLOOD = "x".repeat(20_000);

setInterval(() => {
  for (const [socket, tally] of tallies) socket.emit("n", tally.sent++);
}, NUMBERS_EVERY_MS);
setInterval(() => {
  for (const room of ROOMS) {
    const n = nextOf(room);
    rooms.set(room, n + 1);
    io.to(room).emit("room", room, n);
  }
}, ROOMS_EVERY_MS);
setInterval(() => io.to("all").emit("all", broadcasts++), BROADCAST_EVERY_MS);
setInterval(() => io.to("slow").emit("flood", FLOOD), FLOOD_EVERY_MS);

const escaped: string[] = [];
process.on("uncaughtException", (error) => escaped.push(`uncaught: ${error.stack}`));

obey({
  port: () => port,
  sample: (): Json => ({
    heap: held(),
    resident: process.memoryUsage().rss,
    sessions: io.engine.clientsCount,
    waiting: io.stats().bytes.waiting,
  }),
  programBytes,
  report: (): Json => {
    const { bounds, breaches, closes, errors, eventLoopDelay, packets, refusals } = io.stats();
    return {
      connections,
      faults: [...faults, ...escaped],
      sent: packets.sent,
      received: packets.received,
      bounds,
      breaches,
      closes,
      errors,
      refusals,
      eventLoopDelay: { ...eventLoopDelay },
    };
  },
});
io.stats();
