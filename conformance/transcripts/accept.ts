// Parses the lines "accept" of a transcript. In a transcript with such a line, the harness is the
// server, and waits for a client.

import { acceptFor } from "../peers/websocket.ts";
import { HttpExchange } from "./http.ts";
import type { Kind } from "./levels.ts";
import type { Action } from "./play.ts";
import { type Scanner, scanConnection } from "./scanner.ts";
import { scanNamespace } from "./socketio.ts";
import { openSocketio, SOCKETIO_CLIENT } from "./socketio-client.ts";

export interface Accepting {
  /** The connection's name. */
  readonly name: string;
  /** What the connection carries after the response to the client. */
  readonly kind: Kind;
  readonly action: Action;
}

/**
 * Parses the end of a line "accept":
 *
 *     accept tcp              waits for the request of a client, and sends no response
 *     accept websocket as B   also accepts the handshake (RFC 6455 §4.2.2)
 *     accept socketio         also accepts the handshake, and reads the messages as packets
 *     accept socketio in /    also accepts the client into this namespace
 */
export function scanAccept(scanner: Scanner): Accepting {
  scanner.need("accept");
  const level = scanner.oneOf(["tcp", "websocket", "socketio"]);
  const isJoining = level === "socketio" && scanner.take("in");
  const namespace = isJoining ? scanNamespace(scanner) : undefined;
  const name = scanConnection(scanner);
  scanner.end();
  const action: Action = async (play) => {
    const { request, tcp } = await play.request();
    const { method, url, httpVersion, headers, socket } = request;
    const key = headers["sec-websocket-key"] ?? "";
    const fields = new Map(Object.entries(headers).map(([field, value]) => [field, `${value}`]));
    const line = `${method} ${url} HTTP/${httpVersion}`;
    play.variables.set("accept", acceptFor(key));
    play.variables.set("port", `${socket.localPort}`);
    const asked = { status: Number.NaN, line, headers: fields, key };
    const exchange = new HttpExchange(tcp, play.context, asked);
    play.http.set(name, exchange);
    if (level === "tcp") return;
    const websocket = await exchange.accept(play.variables);
    play.websockets.set(name, websocket);
    if (level === "socketio") await openSocketio(play, name, websocket, namespace);
  };
  const kind = level === "tcp" ? "http" : level === "socketio" ? SOCKETIO_CLIENT : level;
  return { name, kind, action };
}
