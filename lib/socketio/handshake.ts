// The data of a client's handshake, available as socket.handshake.

import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { queryOf } from "../engineio/query.ts";
import type { Untyped } from "../events/emitter.ts";

/** Describes the HTTP request that opened the connection, and the data of the CONNECT packet. */
export interface Handshake {
  /** The headers of the request. */
  readonly headers: IncomingHttpHeaders;
  /** When the connection was opened, as readable text. */
  readonly time: string;
  /** When the connection was opened, in milliseconds since 1970. */
  readonly issued: number;
  /** The IP address of the client, or of the proxy in front of it. */
  readonly address: string;
  /** Whether the request has an Origin header. */
  readonly xdomain: boolean;
  /** Whether the connection uses TLS. */
  readonly secure: boolean;
  /** The URL of the request, with path and query. */
  readonly url: string;
  /** The query parameters of the URL. If a name occurs several times, the last value counts. */
  readonly query: Readonly<Record<string, string>>;
  /** The `auth` that the client sent. Default: an empty object. */
  readonly auth: Readonly<Record<string, Untyped>>;
}

/** Creates the handshake of a client that joins a namespace with `auth`. */
export function createHandshake(
  request: IncomingMessage,
  address: string,
  issued: number,
  auth: object,
): Handshake {
  return {
    headers: request.headers,
    time: new Date(issued).toString(),
    issued,
    address,
    xdomain: request.headers.origin !== undefined,
    secure: "encrypted" in request.socket,
    url: request.url ?? "",
    query: Object.fromEntries(queryOf(request)),
    auth: { ...auth },
  };
}
