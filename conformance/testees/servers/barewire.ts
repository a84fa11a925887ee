// barewire as the server under test, with only the behaviour that docs/conformance.md requires.
//
//   tsx conformance/testees/servers/barewire.ts [port]

import { createServer } from "node:http";

import { Outgoing, textMessage } from "../../../lib/engineio/outgoing.ts";
import { Engine, Server } from "../../../server.ts";
import { WebSocketServer } from "../../../websocket.ts";
import { behave, ENGINE_OPTIONS, SERVER_OPTIONS, WEBSOCKET_MAX_PAYLOAD } from "./behaviour.ts";
import { listen } from "./listen.ts";

export function createTarget(): ReturnType<typeof createServer> {
  const http = createServer();

  const websockets = new WebSocketServer({
    noServer: true,
    origins: "*",
    maxPayload: WEBSOCKET_MAX_PAYLOAD,
    perMessageDeflate: { threshold: 0 },
    protocols: ["echo"],
  });
  websockets.on("connection", (connection) => {
    connection.on("message", (data) => void connection.send(data));
  });

  // An Engine.IO server without Socket.IO echoes each message that it receives.
  const engine = new Engine({ ...ENGINE_OPTIONS, allowEIO3: true, jsonp: true });
  engine.on("connection", (session) => {
    session.on("message", (data) => {
      session.send(new Outgoing([typeof data === "string" ? textMessage(data) : data], true));
    });
  });

  const io = new Server(http, { ...SERVER_OPTIONS, serveClient: false, destroyUpgrade: false });
  behave(io);

  http.on("upgrade", (request, socket, head) => {
    const { url = "" } = request;
    if (url.split("?", 1)[0] === "/websocket") websockets.handleUpgrade(request, socket, head);
    else if (url.startsWith("/engine.io/")) engine.handleUpgrade(request, socket, head);
    else if (!url.startsWith("/socket.io/")) socket.destroy();
  });
  http.on("request", (request, response) => {
    const { url = "" } = request;
    if (url.startsWith("/engine.io/")) engine.handleRequest(request, response);
    else if (!url.startsWith("/socket.io/")) response.writeHead(404).end();
  });
  return http;
}

if (process.argv[1] === import.meta.filename) listen(createTarget());
