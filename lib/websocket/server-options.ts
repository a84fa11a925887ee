// The options of a WebSocketServer, and what each must be.

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

/** Why verify() turns a client away. */
export interface Refusal {
  /** HTTP status, 400 to 599. Default 403. */
  readonly status?: number;
  /** Body of the response. Default: none. */
  readonly message?: string;
}

export interface WebSocketServerOptions extends ConnectionBoundOptions {
  /** An HTTP or HTTPS server whose upgrade requests are answered. One of `server`, `port` and `noServer` is given. */
  readonly server?: HttpServer;
  /** The port of an HTTP server made for this alone, which answers everything else with 426. 0 takes a free one. */
  readonly port?: number;
  /** The address for `port`. Default: all. */
  readonly host?: string;
  /** Nothing is listened to; the caller passes upgrade requests to handleUpgrade(). */
  readonly noServer?: boolean;
  /**
   * Accept upgrade requests for this path only. With `server`, others are left to the HTTP server's other listeners, and
   * answered with 404 if none answers within a second. Default: every path.
   */
  readonly path?: string;
  /** Bytes in one message, also after inflating. Default 1 MiB. A larger one fails the connection with 1009. */
  readonly maxPayload?: number;
  /**
   * Bytes that may wait for one client that does not read as fast as messages are sent to it, beyond what the operating
   * system holds. The next message ends its connection: code 1006, and a BoundExceededError for listeners of "close". A program that waits for "drain"
   * when send() returns `false` does not get there. Default 16 MiB.
   */
  readonly maxBackpressure?: number;
  /**
   * Bytes that may wait for all clients together. More ends the connection for which the most waits, as `maxBackpressure` does.
   * Default 256 MiB.
   */
  readonly maxTotalBackpressure?: number;
  /** Milliseconds in which `origins` and `verify` must decide about a client. Then it gets 503. Default 30,000. */
  readonly handshakeTimeout?: number;
  /** permessage-deflate (RFC 7692): on with `true` or with its options. Default `false`. */
  readonly perMessageDeflate?: boolean | DeflateOptions;
  /**
   * The subprotocols spoken here, or a function that chooses one of those offered (RFC 6455 §1.9). A client that offers
   * some and gets none fails the connection. Default: the first that the client offers.
   */
  readonly protocols?:
    | readonly string[]
    | ((offered: readonly string[], request: IncomingMessage) => string | undefined);
  /**
   * Which pages may connect (RFC 6455 §10.2): "same" those of this server's own origin, "*" all, a list
   * exactly these origins ("https://example.com"), a function those for which it returns or resolves to
   * `true`. Others get 403, also if the function throws. Clients that send no Origin header, which no page can, always may.
   * Default "same".
   */
  readonly origins?: Origins;
  /**
   * Proxies whose X-Forwarded-Proto, X-Forwarded-Host and Forwarded headers name this server's own
   * origin, and whose X-Forwarded-For or Forwarded names the client for `maxConnectionsPerAddress`: "none", "loopback", or IP addresses and CIDR ranges. Default "loopback".
   */
  readonly trustedProxies?: TrustedProxies;
  /** Whether a client may connect, by anything in its request; asked before the 101, and after `origins`. `false` or a Refusal turns it away. */
  readonly verify?: (request: IncomingMessage) => Verdict | PromiseLike<Verdict>;
}

/** What verify() answers. */
export type Verdict = boolean | Refusal;

/** Options of ws's server. */
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

  // Those of ws. What a message may cost is bounded by other means here, whatever its parts.
  allowSynchronousEvents: boolean,
  autoPong: valueOr([true], unsupported("pings are always answered")),
  backlog: unsupported('listen with an HTTP server of your own, and give it as "server"'),
  clientTracking: valueOr([true], unsupported("the server always knows its clients")),
  closeTimeout: unsupported("the closing handshake may take 30 seconds"),
  handleProtocols: unsupported('use "protocols"'),
  maxBufferedChunks: limit,
  maxFragments: limit,
  maxPendingAutoPongs: limit,
  skipUTF8Validation: valueOr([false], unsupported("UTF-8 is always validated")),
  verifyClient: unsupported('use "verify"'),
  WebSocket: unsupported("connections are of the class WebSocketConnection"),
};
