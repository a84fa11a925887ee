// A WebSocket server whose bytes a test writes itself.

import { createServer as createTcpServer, type Socket as TcpSocket } from "node:net";
import type { TestContext } from "node:test";

import { acceptKey } from "../../protocol/websocket/handshake.ts";
import { listen } from "./net.ts";

/** Starts a server that sends the result of `answer` as its handshake response, and then calls `then`. */
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

/** Returns the response that accepts a WebSocket handshake, with `more` header lines. */
export const SWITCH = (key: string, more = ""): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n${more}\r\n`;
