// The program that the servers of barewire and socket.io both run. It echoes events, and broadcasts an event to all
// clients when a client requests it.

import type { Server as HttpServer } from "node:http";

import type { Server } from "../../server.ts";
import type { Commands } from "../ipc.ts";
import { NEWS, serveBench } from "./control.ts";

export const SETTINGS = { serveClient: false, pingInterval: 600_000, pingTimeout: 600_000 };

/** The options of the server under test, from the command line. */
export function settings(): Record<string, unknown> {
  return { ...SETTINGS, ...JSON.parse(process.argv[2] ?? "{}") };
}

export function serveEvents(io: Server, http: HttpServer, more: Commands = {}): void {
  io.on("connection", (socket) => {
    socket.on("echo", (value) => void socket.emit("echo", value));
    // Sends `count` broadcasts in one turn of the event loop.
    socket.on("burst", (count) => {
      for (let n = 0; n < count; n++) io.emit("news", NEWS);
    });
  });
  serveBench(http, more);
}
