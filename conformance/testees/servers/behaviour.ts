// What a Socket.IO server under test does, in the API that socket.io and barewire share
// (docs/conformance.md).

import type { Server } from "../../../server.ts";

/** Short waits, so that cases about them are short, and small limits. The kit reads them from the open packet. */
export const ENGINE_OPTIONS = {
  pingInterval: 300,
  pingTimeout: 200,
  upgradeTimeout: 1000,
  maxHttpBufferSize: 100_000,
  cors: { origin: true, credentials: true },
} as const;

/** The same for Socket.IO. */
export const SERVER_OPTIONS = { ...ENGINE_OPTIONS, connectTimeout: 1000 } as const;

/** Bytes in one message of the plain WebSocket. */
export const WEBSOCKET_MAX_PAYLOAD = 16 * 1024 * 1024;

export function behave(io: Server): void {
  for (const namespace of [io.of("/"), io.of("/custom")]) {
    namespace.on("connection", (socket) => {
      // What the client gave when it connected.
      socket.emit("auth", socket.handshake.auth);
      socket.on("message", (...args) => void socket.emit("message-back", ...args));
      socket.on("message-with-ack", (...args) => args.pop()(...args));
      // The other way round: the client is asked, and what it answers is told.
      socket.on("ask-me", (...args) => {
        socket.emit("question", ...args, (...answer: unknown[]) => {
          socket.emit("answered", ...answer);
        });
      });
      socket.on("join", (room) => socket.join(room));
      socket.on("to-room", (room, ...args) => void namespace.to(room).emit("news", ...args));
      socket.on("disconnect-me", () => socket.disconnect());
      socket.on("close-me", () => socket.disconnect(true));
    });
  }
  // Nobody comes in here.
  io.of("/refusing").use((_socket, next) => {
    next(Object.assign(new Error("not here"), { data: { code: 7 } }));
  });
}
