// Accepts an HTTP upgrade request and creates a Connection, or answers the request with an HTTP error. RFC 6455 §4.2.2.

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

/** The options of permessage-deflate (RFC 7692) of a WebSocket server. */
export interface DeflateOptions extends DeflatePreferences {
  /** Compress messages of at least this many bytes. Default: 1024. */
  readonly threshold?: number;
  /**
   * Options of node:zlib for the compression of sent messages, such as `level` and `memLevel`. Default: the defaults of
   * node:zlib.
   */
  readonly zlibDeflateOptions?: ZlibOptions;
}

/** The options of a WebSocket connection of a server. */
export interface UpgradeOptions {
  /** Largest message that is accepted, in bytes. The limit also applies to an inflated message. */
  readonly maxPayload: number;
  /** The options of permessage-deflate. Default: none, and permessage-deflate is declined. */
  readonly deflate?: DeflateOptions | undefined;
  /** A set that contains the sockets from the start of the closing handshake until they are closed. Default: none. */
  readonly closing?: Set<Duplex>;
  /** Chooses one of the offered subprotocols. Default: the first offered subprotocol. */
  readonly selectProtocol?: ((offered: readonly string[]) => string | undefined) | undefined;
}

const DEFAULT_THRESHOLD = 1024;
const ZLIB_DEFAULTS: ZlibOptions = {};

/** A valid opening handshake that is not answered yet. */
export type AcceptedHandshake = Extract<HandshakeDecision, { accepted: true }>;

/** Checks an upgrade request. Answers an invalid request with an HTTP error, and returns `undefined`. @internal */
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
 * Answers a valid handshake with "101 Switching Protocols", and returns the WebSocket connection. The connection reads
 * nothing before start() is called.
 *
 * @param head the bytes after the header of the request
 * @param headers additional header lines of the response
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
  // The response is sent together with the frames that are written in the same iteration of the event loop.
  connection.write(encodeUtf8([...lines, ...headers, "\r\n"].join("\r\n")));
  return connection;
}

/** Answers an upgrade request with an HTTP error, and closes the TCP connection. @internal */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  body: string,
  contentType = "text/html",
  headers: readonly string[] = [],
): void {
  // The client may already have disconnected. The error of its socket is then ignored.
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
