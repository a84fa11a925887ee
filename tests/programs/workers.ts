// A program that runs in workers, for the tests in tests/lib/cluster. The clients of a test control it with events.

import cluster from "node:cluster";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";

import { Server, type ServerOptions } from "../../server.ts";
import { CERTIFICATE } from "../support/certificate.ts";

interface Options extends ServerOptions {
  readonly workers?: number;
  readonly port?: number;
  readonly tls?: boolean;
  /** When each worker exits with an error: when it starts, or when it listens. */
  readonly fails?: "at once" | "when ready";
}

const given: Options = JSON.parse(process.env.OPTIONS ?? "{}");
const { workers = 2, port = 0, tls = false, fails, ...options } = given;
if (fails === "at once" && cluster.isWorker) process.exit(3);
const onRequest: RequestListener = (request, response) => {
  response.end(`${process.pid} ${request.socket.remoteAddress}`);
};
const io = new Server(
  tls ? createHttpsServer(CERTIFICATE, onRequest) : createHttpServer(onRequest),
  options,
);

io.engine.use((request, _response, next) => {
  // Prints what the worker that owns the session knows about a request that another worker has received.
  if (request.headers["x-tell"] === undefined) {
    next();
    return;
  }
  const { remoteAddress } = request.socket;
  process.stdout.write(
    `${JSON.stringify({ pid: process.pid, remoteAddress, headers: request.headers })}\n`,
  );
  next();
});
io.use((socket, next) => {
  if (socket.handshake.auth.refuse === true) next(new Error("refused"));
  else next();
});
io.on("connection", (socket) => {
  socket.on("where", (answer) => {
    const { address, headers, secure } = socket.handshake;
    answer({
      pid: process.pid,
      sid: socket.client.id,
      address,
      secure,
      headers,
      rooms: [...socket.rooms],
    });
  });
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer();
  });
  socket.on("data", (data, answer) => {
    Object.assign(socket.data, data);
    answer(socket.data);
  });
  socket.on("echo", (value, answer) => answer(value));
  socket.on("to", (room, ...args) => io.to(room).emit("event", ...args));
  socket.on("all", (...args) => io.emit("event", ...args));
  socket.on("others", (...args) => socket.broadcast.emit("event", ...args));
  socket.on("back", (...args) => socket.emit("event", ...args));
  socket.on("ask", async (room, answer) => {
    answer(await io.in(room).timeout(5000).emitWithAck("question"));
  });
  socket.on("fetch", async (room, answer) => {
    const sockets = await io.in(room).fetchSockets();
    answer(sockets.map(({ id, rooms, data }) => ({ id, rooms: [...rooms], data })));
  });
  socket.on("servers", async (answer) => answer(await io.serverSideEmitWithAck("pid")));
  socket.on("join-all", async (from, room, answer) => {
    await io.in(from).socketsJoin(room);
    answer();
  });
  socket.on("kick", (room) => io.in(room).disconnectSockets());
  socket.on("health", async (answer) => answer(await running.health()));
  socket.on("restart", () => void running.restart());
  socket.on("stop", () => void running.stop());
  // Emits this number of megabytes to a room without clients, one megabyte every 5 ms.
  socket.on("flood", (megabytes) => {
    const bytes = Buffer.alloc(1024 * 1024);
    const timer = setInterval(() => {
      io.to("nobody").emit("event", bytes);
      if (--megabytes === 0) clearInterval(timer);
    }, 5);
  });
  socket.on("die", () => process.kill(process.pid, "SIGKILL"));
});
io.on("pid", (answer: (pid: number) => void) => answer(process.pid));

const running = await io.run({ port, workers, drainTimeout: 2000 });

if (fails === "when ready" && cluster.isWorker) {
  // When the primary process has answered, it knows that this worker listens.
  await running.health();
  process.exit(3);
}
