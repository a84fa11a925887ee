// The lines "accept": the harness is the server, and waits for a client.

import { acceptFor } from "../peers/websocket.ts";
import { HttpExchange } from "./http.ts";
import type { Action } from "./play.ts";
import { type Scanner, scanConnection } from "./scanner.ts";

export interface Accepting {
  /** The connection's name. */
  readonly name: string;
  /** The client has its answer already. */
  readonly isWebSocket: boolean;
  readonly action: Action;
}

/**
 * Takes how a client is waited for:
 *
 *     accept tcp              its request has come, and has no answer
 *     accept websocket as B   and is answered as RFC 6455 §4.2.2 has it
 */
export function scanAccept(scanner: Scanner): Accepting {
  scanner.need("accept");
  const isWebSocket = scanner.oneOf(["tcp", "websocket"]) === "websocket";
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
    if (isWebSocket) play.websockets.set(name, await exchange.accept(play.variables));
  };
  return { name, isWebSocket, action };
}
