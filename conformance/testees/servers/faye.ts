// The npm package faye-websocket as the server under test: the WebSocket layer only.
//
//   tsx conformance/testees/servers/faye.ts [port] [folder with node_modules/faye-websocket]

import { createServer, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

import { WEBSOCKET_MAX_PAYLOAD } from "./behaviour.ts";
import { listen, requireFrom } from "./listen.ts";

/** The parts of faye-websocket that are used here. The package has no types. */
interface FayeWebSocket {
  on(event: "message", listener: (event: { readonly data: string | Uint8Array }) => void): void;
  send(data: string | Uint8Array): void;
}

type Constructor = new (
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  protocols: readonly string[],
  options: { readonly maxLength: number },
) => FayeWebSocket;

const WebSocket: Constructor = requireFrom(process.argv[3])("faye-websocket");

const http = createServer((_request, response) => {
  response.writeHead(404).end();
});
http.on("upgrade", (request, socket, head) => {
  if (request.url?.split("?", 1)[0] !== "/websocket") {
    socket.destroy();
    return;
  }
  socket.on("error", () => {});
  const options = { maxLength: WEBSOCKET_MAX_PAYLOAD };
  const connection = new WebSocket(request, socket, head, ["echo"], options);
  connection.on("message", ({ data }) => connection.send(data));
});
listen(http);
