// Implements the behaviour that docs/conformance.md requires of a Socket.IO server, with the API that socket.io and
// barewire share.

import type { Server } from "../../../server.ts";

/**
 * Short timeouts, so that the cases about timeouts are short, and small limits. The kit reads the values from the open
 * packet.
 */
export const ENGINE_OPTIONS = {
  pingInterval: 300,
  pingTimeout: 200,
  upgradeTimeout: 1000,
  maxHttpBufferSize: 100_000,
  cors: { origin: true, credentials: true },
} as const;

/** The timeouts and limits of Socket.IO. */
export const SERVER_OPTIONS = { ...ENGINE_OPTIONS, connectTimeout: 1000 } as const;

/** Largest message of the plain WebSocket, in bytes. */
export const WEBSOCKET_MAX_PAYLOAD = 16 * 1024 * 1024;

export function behave(io: Server): void {
  for (const namespace of [io.of("/"), io.of("/custom")]) {
    namespace.on("connection", (socket) => {
      // Sends the `auth` of the client's CONNECT packet back to the client.
      socket.emit("auth", socket.handshake.auth);
      socket.on("message", (...args) => void socket.emit("message-back", ...args));
      socket.on("message-with-ack", (...args) => args.pop()(...args));
      // The opposite direction: the server asks the client, and sends the client's answer back.
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
  // This namespace refuses every client.
  io.of("/refusing").use((_socket, next) => {
    next(Object.assign(new Error("not here"), { data: { code: 7 } }));
  });
}
