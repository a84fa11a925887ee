// What a client said when it connected, as socket.handshake shows it.

import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { queryOf } from "../engineio/query.ts";
import type { Untyped } from "../events/emitter.ts";

/** The client's first HTTP request, and what it said with CONNECT. */
export interface Handshake {
  readonly headers: IncomingHttpHeaders;
  /** When it connected, as a text for people. */
  readonly time: string;
  /** When it connected, in milliseconds since 1970. */
  readonly issued: number;
  /** Its IP address, or that of the proxy in front of it. */
  readonly address: string;
  /** The page is of another origin, or says where it is from. */
  readonly xdomain: boolean;
  /** Over TLS. */
  readonly secure: boolean;
  readonly url: string;
  /** The query of the URL; of a name that comes twice the last. */
  readonly query: Readonly<Record<string, string>>;
  /** What the client gave as `auth`; an empty object for nothing. */
  readonly auth: Readonly<Record<string, Untyped>>;
}

/** The handshake of a client that joins a namespace with `auth`. */
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
