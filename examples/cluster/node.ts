// One node of the cluster. start.ts runs three nodes. A program of your own only needs the lines down to `listen`.

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Server } from "barewire";
import { createRedisAdapter } from "barewire/redis";
import { createClient } from "redis";

export interface ClientEvents {
  command: (name: unknown, node: unknown) => void;
  say: (text: unknown) => void;
}
export interface ServerEvents {
  welcome: (node: string) => void;
  clients: (node: string, names: string[]) => void;
  running: (nodes: unknown) => void;
  said: (text: string, node: string) => void;
}
type BetweenNodes = { announce: () => void };

const { NODE = "1", PORT = "0", REDIS_URL = "redis://127.0.0.1:6379" } = process.env;
const load = (file: string) => readFileSync(new URL(file, import.meta.url));
const FILES = [
  ["/", "text/html", load("public/index.html")],
  ["/cluster.js", "text/javascript", load("public/cluster.js")],
  // The answer to the health check of the load balancer. The answer is the same if Redis fails, because a node without
  // Redis still serves its own clients.
  ["/health", "text/plain", `node ${NODE}\n`],
] as const;

const http = createServer((request, response) => {
  const file = FILES.find(([path]) => path === request.url?.split("?")[0]);
  const [, type, body] = file ?? ["", "text/plain", "Not found\n"];
  response.writeHead(file ? 200 : 404, { "Content-Type": `${type}; charset=utf-8` }).end(body);
});
const adapter = createRedisAdapter(createClient({ url: REDIS_URL }), {
  onError: (error) => console.error(`node ${NODE}: ${error.message}`),
});
const io = new Server<ClientEvents, ServerEvents, BetweenNodes>(http, { adapter });
// Only the node that created a session can serve it. The load balancer reads the node's number from the session id.
io.engine.generateId = () => `${NODE}-${randomUUID()}`;
// `onError` has printed the error. A program may also start without Redis, and join the other nodes later.
await adapter.ready.catch(() => process.exit(1));
await once(http.listen(Number(PORT), "127.0.0.1"), "listening");

/** Sends the names of the clients of this node to the clients of all nodes. */
function announce(): void {
  const names = [...io.sockets.sockets.values()].map(({ handshake }) => `${handshake.auth.name}`);
  io.emit("clients", NODE, names);
}
io.on("announce", announce);

let running: unknown = [];
io.on("connection", (socket) => {
  socket.emit("welcome", NODE);
  socket.emit("running", running);
  announce();
  // Asks the other nodes for their clients, which the new client does not know yet.
  io.serverSideEmit("announce");
  socket.on("disconnect", announce);
  socket.on("say", (text) => {
    if (typeof text === "string") io.emit("said", text, NODE);
  });
  // start.ts checks the command and executes it.
  socket.on("command", (name, node) => process.send?.({ command: `${name} ${node}` }));
});

// start.ts sends the list of the running nodes.
process.on("message", (nodes) => {
  running = nodes;
  io.local.emit("running", nodes);
});
process.on("disconnect", () => process.exit());
const address = http.address();
process.send?.({ port: typeof address === "object" ? address?.port : undefined });
