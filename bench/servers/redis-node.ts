// The program of each node that is connected to Redis. It adds clients to rooms, and broadcasts to a room when a client
// requests it.

import type { Server as HttpServer } from "node:http";

import type { Server } from "../../server.ts";
import { NEWS, serveBench } from "./control.ts";

/** The options of a node, from the command line. */
export interface NodeOptions {
  /** The URL of Redis. */
  readonly url: string;
  /** Options of barewire's adapter. */
  readonly adapter?: { readonly heartbeatInterval?: number };
}

export function nodeOptions(): NodeOptions {
  return JSON.parse(process.argv[2] ?? "{}");
}

/** Additional commands that a node answers. */
export interface NodeState {
  /** The number of nodes that this node knows, including itself. */
  nodes(): number | Promise<number>;
  /** Messages that this node has published. */
  published(): number;
}

/** Makes each client join the room that its query names, and broadcasts to a room when a client requests it. */
export function serveNode(io: Server, http: HttpServer, state: NodeState): void {
  io.on("connection", async (socket) => {
    const { room } = socket.handshake.query;
    socket.on("burst", (to, count) => {
      for (let n = 0; n < count; n++) io.to(to).emit("news", NEWS);
    });
    if (typeof room !== "string") return;
    // join() takes time over Redis. The load generator counts a client as connected when the client receives "joined",
    // so this event is sent after the client has joined.
    await socket.join(room);
    socket.emit("joined");
  });
  serveBench(http, { nodes: () => state.nodes(), published: () => state.published() });
}
