// The npm packages socket.io, engine.io and ws, the reference implementations, as the server under test.
//
//   tsx conformance/testees/servers/socketio.ts [port]

import { createServer } from "node:http";
import { createRequire } from "node:module";

import { WebSocketServer } from "ws";

import type { Server } from "../../../server.ts";
import { behave, SERVER_OPTIONS, WEBSOCKET_MAX_PAYLOAD } from "./behaviour.ts";
import { listen } from "./listen.ts";

/** The parts of engine.io that are used here. */
interface ReferenceEngine {
  on(event: "connection", listener: (session: ReferenceSession) => void): void;
  handleRequest(request: unknown, response: unknown): void;
  handleUpgrade(request: unknown, socket: unknown, head: unknown): void;
}

interface ReferenceSession {
  on(event: "message", listener: (data: string | Uint8Array) => void): void;
  send(data: string | Uint8Array): void;
}

interface ReferenceModules {
  readonly socketio: { readonly Server: new (http: unknown, options: object) => Server };
  readonly engineio: { readonly Server: new (options: object) => ReferenceEngine };
}

/** Loads the packages. engine.io is a dependency of socket.io, not of this project. */
function load(): ReferenceModules {
  const require = createRequire(import.meta.url);
  const socketio: ReferenceModules["socketio"] = require("socket.io");
  const engineio: ReferenceModules["engineio"] = createRequire(require.resolve("socket.io"))(
    "engine.io",
  );
  return { socketio, engineio };
}

export function createTarget(): ReturnType<typeof createServer> {
  const http = createServer();
  const { socketio, engineio } = load();

  const websockets = new WebSocketServer({
    noServer: true,
    maxPayload: WEBSOCKET_MAX_PAYLOAD,
    perMessageDeflate: { threshold: 0 },
    handleProtocols: (offered) => (offered.has("echo") ? "echo" : false),
  });
  websockets.on("connection", (connection) => {
    connection.on("error", () => {});
    connection.on("message", (data, isBinary) => connection.send(data, { binary: isBinary }));
  });

  const options = { ...SERVER_OPTIONS, allowEIO3: true };
  const engine = new engineio.Server(options);
  engine.on("connection", (session) => {
    session.on("message", (data) => session.send(data));
  });

  const io = new socketio.Server(http, { ...options, serveClient: false, destroyUpgrade: false });
  behave(io);

  http.on("upgrade", (request, socket, head) => {
    const { url = "" } = request;
    if (url.split("?", 1)[0] === "/websocket") {
      websockets.handleUpgrade(request, socket, head, (connection) => {
        websockets.emit("connection", connection, request);
      });
    } else if (url.startsWith("/engine.io/")) engine.handleUpgrade(request, socket, head);
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
