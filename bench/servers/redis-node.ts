// The program that the nodes over Redis run alike: clients in a room, and an asker outside of it.

import type { Server as HttpServer } from "node:http";

import type { Server } from "../../server.ts";
import { NEWS, serveBench } from "./control.ts";

/** The options of a node, as the bench gives them on the command line. */
export interface NodeOptions {
  /** Where Redis is. */
  readonly url: string;
  /** Options of the adapter of barewire. */
  readonly adapter?: { readonly heartbeatInterval?: number };
}

export function nodeOptions(): NodeOptions {
  return JSON.parse(process.argv[2] ?? "{}");
}

/** What the bench asks a node besides. */
export interface NodeState {
  /** The number of nodes that this one knows, itself counted. */
  nodes(): number | Promise<number>;
  /** Messages that it has published. */
  published(): number;
}

/** Serves clients that join the room of their query, and broadcasts to a room when one asks for it. */
export function serveNode(io: Server, http: HttpServer, state: NodeState): void {
  io.on("connection", async (socket) => {
    const { room } = socket.handshake.query;
    socket.on("burst", (to, count) => {
      for (let n = 0; n < count; n++) io.to(to).emit("news", NEWS);
    });
    if (typeof room !== "string") return;
    // With Redis it takes a moment, and the client must not count before.
    await socket.join(room);
    socket.emit("joined");
  });
  serveBench(http, { nodes: () => state.nodes(), published: () => state.published() });
}
