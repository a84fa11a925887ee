// Our WebSocket servers on loopback.

import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import type { TestContext } from "node:test";

import {
  type WebSocketConnection,
  WebSocketServer,
  type WebSocketServerOptions,
} from "../../websocket.ts";
import { listen, TcpClient, upgradeRequest } from "./net.ts";

/** Starts a server on a free port. The server is closed when the test ends. */
export async function serveWebSocket(
  context: TestContext,
  options: Omit<WebSocketServerOptions, "server" | "port" | "noServer"> = {},
): Promise<{ server: WebSocketServer; port: number }> {
  const http = createServer();
  const server = new WebSocketServer({ ...options, server: http });
  const port = await listen(http);
  context.after(async () => {
    for (const connection of server.clients) connection.terminate();
    await server.close();
    http.close();
  });
  return { server, port };
}

/** Resolves to the next connection. */
export function connection(server: WebSocketServer): Promise<WebSocketConnection> {
  return new Promise((resolve) => server.once("connection", resolve));
}

/** Sends a valid opening handshake to a server, which then uses `stream` instead of the connection of the client. */
export async function acceptOver(
  context: TestContext,
  server: WebSocketServer,
  stream: Duplex,
): Promise<void> {
  const http = createServer().on("upgrade", (request, socket, head) => {
    server.handleUpgrade(request, stream, head);
    socket.destroy();
  });
  const port = await listen(http);
  context.after(() => http.close());
  await new TcpClient(port).write(upgradeRequest("/")).closed;
}
