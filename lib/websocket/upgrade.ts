// An HTTP upgrade: to a Connection, or to an HTTP error. RFC 6455 §4.2.2.

import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { ZlibOptions } from "node:zlib";

import { encodeUtf8 } from "../../protocol/bytes.ts";
import type { DeflatePreferences } from "../../protocol/websocket/deflate-negotiation.ts";
import {
  decideHandshake,
  HANDSHAKE_RULES,
  type HandshakeDecision,
  VERSION,
} from "../../protocol/websocket/handshake.ts";
import { debugWebSocket } from "../debug.ts";
import { Connection } from "./connection.ts";

/** How permessage-deflate is done (RFC 7692): what is agreed with the client, and what is compressed. */
export interface DeflateOptions extends DeflatePreferences {
  /** Messages of fewer bytes are sent uncompressed. Default 1024. */
  readonly threshold?: number;
  /** zlib's settings for what is sent, such as `level` and `memLevel`. */
  readonly zlibDeflateOptions?: ZlibOptions;
}

export interface UpgradeOptions {
  /** Bytes in one message, also after inflating. */
  readonly maxPayload: number;
  /** `undefined`: permessage-deflate is declined. */
  readonly deflate?: DeflateOptions | undefined;
  /** Lists the sockets whose closing handshake has started and that are not closed. Default: nowhere. */
  readonly closing?: Set<Duplex>;
  /** Chooses one of the subprotocols offered. Default: the first. */
  readonly selectProtocol?: ((offered: readonly string[]) => string | undefined) | undefined;
}

const DEFAULT_THRESHOLD = 1024;
const ZLIB_DEFAULTS: ZlibOptions = {};

/** An opening handshake that was found good, and a connection not yet made of it. */
export type AcceptedHandshake = Extract<HandshakeDecision, { accepted: true }>;

/** Checks an upgrade request. One that is no good is answered with an HTTP error, and the result is `undefined`. @internal */
export function checkUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  options: UpgradeOptions,
): AcceptedHandshake | undefined {
  const decision = decideHandshake(
    {
      method: request.method,
      httpVersion: request.httpVersion,
      headers: request.headers,
    },
    options,
  );
  if (decision.accepted) return decision;
  const { status, text } = HANDSHAKE_RULES[decision.rule];
  if (debugWebSocket.enabled) debugWebSocket("refuses %s: %s", request.url, text);
  // RFC 6455 §4.4: "…with a |Sec-WebSocket-Version| header … indicating the version(s) the server is capable of".
  const headers = decision.rule === "VERSION" ? [`Sec-WebSocket-Version: ${VERSION}`] : [];
  refuseUpgrade(socket, status, text, "text/html", headers);
  return undefined;
}

/**
 * Answers an accepted handshake with "101 Switching Protocols"; from here on the socket is a
 * WebSocket. Nothing is read before the connection's start().
 *
 * @param head what came behind the request in the same chunk
 * @param headers more lines for the response
 * @internal
 */
export function completeUpgrade(
  handshake: AcceptedHandshake,
  socket: Duplex,
  head: Uint8Array,
  options: UpgradeOptions,
  headers: readonly string[] = [],
): Connection {
  if (head.length > 0) socket.unshift(head);
  const { maxPayload, deflate, closing } = options;
  const connection = new Connection(socket, {
    role: "server",
    maxPayload,
    closing,
    threshold: deflate?.threshold ?? DEFAULT_THRESHOLD,
    deflate: handshake.deflate && {
      role: "server",
      parameters: handshake.deflate,
      maxPayload,
      zlib: deflate?.zlibDeflateOptions ?? ZLIB_DEFAULTS,
    },
  });
  const lines = ["HTTP/1.1 101 Switching Protocols"];
  for (const [name, value] of handshake.headers) lines.push(`${name}: ${value}`);
  // It leaves together with the first frames, if there are any in this turn.
  connection.write(encodeUtf8([...lines, ...headers, "\r\n"].join("\r\n")));
  return connection;
}

/** Answers an upgrade request with an HTTP error instead, and closes. @internal */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  body: string,
  contentType = "text/html",
  headers: readonly string[] = [],
): void {
  // The client may be gone already; then there is nobody to tell.
  socket.on("error", () => socket.destroy());
  socket.once("finish", () => socket.destroy());
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
      "Connection: close",
      `Content-Type: ${contentType}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...headers,
      "",
      body,
    ].join("\r\n"),
  );
}
