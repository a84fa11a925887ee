// A WebSocket server that a test writes byte by byte.

import { createServer as createTcpServer, type Socket as TcpSocket } from "node:net";
import type { TestContext } from "node:test";

import { acceptKey } from "../../protocol/websocket/handshake.ts";
import { listen } from "./net.ts";

/** A server that answers the opening handshake as `answer` says, and then does what `then` does. */
export async function byHand(
  context: TestContext,
  answer: (key: string) => string | Uint8Array | undefined,
  then: (socket: TcpSocket) => void = () => {},
): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (request) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(request.toString())?.[1] ?? "";
      const text = answer(key);
      if (text === undefined) return;
      socket.write(text);
      then(socket);
    });
    context.after(() => socket.destroy());
  });
  const port = await listen(server);
  context.after(() => server.close());
  return `ws://127.0.0.1:${port}/`;
}

/** The answer that opens a WebSocket, with `more` lines. */
export const SWITCH = (key: string, more = ""): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n${more}\r\n`;
