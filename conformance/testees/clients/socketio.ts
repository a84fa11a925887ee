// Implements the behaviour that the kit requires of a Socket.IO client, with the API that socket.io-client and barewire
// share.

/** The members of a client's socket that are used here. */
export interface EchoingSocket {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  disconnect(): unknown;
  readonly io: { on(event: "close" | "error", listener: () => void): unknown };
}

const TRANSPORTS: "websocket"[] = ["websocket"];

/** Options of one connection, which does not reconnect by itself. */
export const OPTIONS = {
  transports: TRANSPORTS,
  auth: { token: "123" },
  forceNew: true,
  reconnection: false,
};

/** Echoes events over one connection. Resolves when the connection has ended. */
export function echo(connect: (options: typeof OPTIONS) => EchoingSocket): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(OPTIONS);
    let over = false;
    const end = (): void => {
      // disconnect() emits "disconnect", which calls this function again.
      if (over) return;
      over = true;
      socket.disconnect();
      resolve();
    };
    socket.on("message", (...args) => void socket.emit("message-back", ...args));
    socket.on("message-with-ack", (...args) => {
      const acknowledge = args.pop();
      if (typeof acknowledge === "function") acknowledge(...args);
    });
    socket.on("connect_error", end);
    socket.on("disconnect", end);
    socket.io.on("close", end);
    socket.io.on("error", end);
  });
}
