// The options of a WebSocketServer, and their checks.

import type { Server as HttpServer, IncomingMessage } from "node:http";

import { isToken } from "../../protocol/websocket/extensions.ts";
import { CONNECTION_BOUND_OPTIONS } from "../connection-bound-options.ts";
import type { ConnectionBoundOptions } from "../connection-bounds.ts";
import {
  boolean,
  checkThat,
  isFunction,
  isString,
  limit,
  type OptionTable,
  string,
  urlPath,
} from "../events/options.ts";
import {
  bytes,
  callback,
  neverUndefined,
  perMessageDeflate,
  port,
  positiveMilliseconds,
  unsupported,
  valueOr,
} from "../node-options.ts";
import { isServer } from "../node-server.ts";
import { origins, trustedProxies } from "../origin-options.ts";
import type { Origins } from "../origins.ts";
import type { TrustedProxies } from "../trusted-proxies.ts";
import type { DeflateOptions } from "./upgrade.ts";

/** The response to a client that `verify` rejects. */
export interface Refusal {
  /** The HTTP status of the response, 400 to 599. Default: 403. */
  readonly status?: number;
  /** The body of the response. Default: empty. */
  readonly message?: string;
}

/**
 * The options of a WebSocketServer. Exactly one of `server`, `port` and `noServer` is required.
 *
 * @example
 * const server = new WebSocketServer({ port: 8080, path: "/chat", maxPayload: 65_536 });
 */
export interface WebSocketServerOptions extends ConnectionBoundOptions {
  /** Answer the upgrade requests of this HTTP or HTTPS server. */
  readonly server?: HttpServer;
  /**
   * Create an HTTP server that listens on this port. The server answers requests without an upgrade with 426. 0 selects a
   * free port.
   */
  readonly port?: number;
  /** The address to listen on, with `port`. Default: all addresses. */
  readonly host?: string;
  /** Do not listen. The program passes upgrade requests to handleUpgrade(). Default: `false`. */
  readonly noServer?: boolean;
  /**
   * Accept upgrade requests for this path only. With `server`, the HTTP server's other listeners receive the requests for
   * other paths. If no listener answers such a request within a second, the client receives 404. Default: every path.
   */
  readonly path?: string;
  /**
   * Largest message that is accepted, in bytes. The limit also applies to an inflated message. A larger message fails the
   * connection with 1009. Default: 1 MiB.
   */
  readonly maxPayload?: number;
  /**
   * How many bytes may wait in this process for a client that reads too slowly. When more bytes wait, the next send() ends
   * the connection: listeners for "close" receive the code 1006 and a BoundExceededError. A program that waits for "drain"
   * whenever send() returns `false` does not reach this limit. Default: 16 MiB.
   */
  readonly maxBackpressure?: number;
  /**
   * How many bytes may wait in this process for all clients together. When more bytes wait, the connection for which the
   * most bytes wait is ended, as with `maxBackpressure`. The bytes that wait for a client are only counted if send() has
   * returned `false`. Default: 256 MiB.
   */
  readonly maxTotalBackpressure?: number;
  /**
   * How long `origins` and `verify` may take to decide about a client, in milliseconds. After this time the client receives 503.
   * Default: 30,000.
   */
  readonly handshakeTimeout?: number;
  /** Accept permessage-deflate (RFC 7692). `true` uses the default options, and an object sets options. Default: `false`. */
  readonly perMessageDeflate?: boolean | DeflateOptions;
  /**
   * The supported subprotocols, or a function that chooses one of the offered subprotocols (RFC 6455 §1.9). If no
   * subprotocol is chosen, a client that has offered subprotocols fails the connection. Default: the first offered
   * subprotocol.
   *
   * @example
   * const server = new WebSocketServer({ port: 8080, protocols: ["chat.v2", "chat.v1"] });
   */
  readonly protocols?:
    | readonly string[]
    | ((offered: readonly string[], request: IncomingMessage) => string | undefined);
  /**
   * The origins whose pages may connect (RFC 6455 §10.2): "same" for the origin of this server, "*" for every origin, a list
   * of origins such as "https://example.com", or a function that returns or resolves to `true` for an allowed origin. Pages
   * of other origins receive 403. If the function throws or rejects, the page receives 403 as well. Clients without an
   * Origin header may always connect, since browsers always send the header. Default: "same".
   *
   * @example
   * const server = new WebSocketServer({ port: 8080, origins: ["https://example.com"] });
   */
  readonly origins?: Origins;
  /**
   * The proxies whose header fields are trusted: "none", "loopback", or a list of IP addresses and CIDR ranges. The origin of
   * this server is read from X-Forwarded-Proto, X-Forwarded-Host and Forwarded, and the address of the client, for
   * `maxConnectionsPerAddress`, from X-Forwarded-For and Forwarded. Default: "loopback".
   */
  readonly trustedProxies?: TrustedProxies;
  /**
   * Decides by the request whether a client may connect. Called if `origins` allows the client to connect. `false` or a
   * Refusal rejects the client. Default: every client may connect.
   *
   * @example
   * const server = new WebSocketServer({
   *   port: 8080,
   *   verify: (request) => request.headers.authorization === "Bearer abc" || { status: 401 },
   * });
   */
  readonly verify?: (request: IncomingMessage) => Verdict | PromiseLike<Verdict>;
}

/** The decision of `verify` about a client: `true` accepts the client, `false` or a Refusal rejects it. */
export type Verdict = boolean | Refusal;

/** Options that the server of the package ws has. */
type Ws =
  | "allowSynchronousEvents"
  | "autoPong"
  | "backlog"
  | "clientTracking"
  | "closeTimeout"
  | "handleProtocols"
  | "maxBufferedChunks"
  | "maxFragments"
  | "maxPendingAutoPongs"
  | "skipUTF8Validation"
  | "verifyClient"
  | "WebSocket";

export const WEBSOCKET_SERVER_OPTIONS: OptionTable<WebSocketServerOptions, Ws> = {
  handshakeTimeout: positiveMilliseconds,
  host: string,
  maxBackpressure: limit,
  maxPayload: bytes,
  maxTotalBackpressure: limit,
  noServer: boolean,
  origins: neverUndefined(origins),
  path: urlPath,
  perMessageDeflate,
  port,
  protocols: checkThat(
    "a function or a list of the names of subprotocols",
    (value): value is unknown =>
      isFunction(value) ||
      (Array.isArray(value) && value.every((each) => isString(each) && isToken(each))),
  ),
  server: checkThat("an HTTP or HTTPS server", isServer),
  trustedProxies,
  verify: neverUndefined(callback),
  ...CONNECTION_BOUND_OPTIONS,

  // Options of the package ws. If such an option is accepted, it has no effect. Limits on the number of fragments are not
  // necessary, because `maxPayload` limits the memory of a message, however the message is fragmented.
  allowSynchronousEvents: boolean,
  autoPong: valueOr([true], unsupported("pings are always answered")),
  backlog: unsupported('call listen() of your own HTTP server, and pass the server as "server"'),
  clientTracking: valueOr([true], unsupported('the server always tracks its "clients"')),
  closeTimeout: unsupported("the closing handshake may take 30 seconds"),
  handleProtocols: unsupported('use "protocols"'),
  maxBufferedChunks: limit,
  maxFragments: limit,
  maxPendingAutoPongs: limit,
  skipUTF8Validation: valueOr([false], unsupported("UTF-8 is always validated")),
  verifyClient: unsupported('use "verify"'),
  WebSocket: unsupported("connections are of the class WebSocketConnection"),
};
