// Our WebSocket servers on loopback.

import { createServer } from "node:http";
import type { TestContext } from "node:test";

import {
  type WebSocketConnection,
  WebSocketServer,
  type WebSocketServerOptions,
} from "../../websocket.ts";
import { listen } from "./net.ts";

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
