// The options of one Engine.IO connection.

import type { PlatformOptions } from "../platform/network.ts";
import type { Query } from "./query.ts";
import type { TransportClass } from "./transport.ts";

/**
 * The name of a transport. "webtransport" is accepted and ignored, because this client does not support
 * WebTransport.
 */
export type TransportName = "polling" | "websocket" | "webtransport";

/** The options of one Engine.IO connection. */
export interface EngineOptions {
  /**
   * The transports to use, in order of preference, as names or classes. Default: `["polling", "websocket"]`.
   *
   * @example
   * const socket = io("http://localhost:3000", { transports: ["websocket"] });
   */
  readonly transports?: readonly (TransportName | TransportClass)[];
  /** Try the next transport if a transport cannot be opened. Default: `false`. */
  readonly tryAllTransports?: boolean;
  /**
   * How long one transport may take to open, in milliseconds. Default: 10,000 if `tryAllTransports` is set and another
   * transport remains to be tried, otherwise no limit.
   */
  readonly transportTimeout?: number;
  /** Upgrade a connection from polling to WebSocket if the server supports WebSockets. Default: `true`. */
  readonly upgrade?: boolean;
  /** Open the next connection with a WebSocket if the previous connection used a WebSocket. Default: `false`. */
  readonly rememberUpgrade?: boolean;
  /**
   * The path of all requests. Must be the same as the server's option `path`. Default: `"/socket.io"`.
   *
   * @example
   * const socket = io("http://localhost:3000", { path: "/realtime" });
   */
  readonly path?: string;
  /** Add "/" to the end of the path. Default: `true`. */
  readonly addTrailingSlash?: boolean;
  /**
   * Fields to add to the query of each request, as an object or as text. Ignored if the URL has a query. Default: none.
   *
   * @example
   * const socket = io("http://localhost:3000", { query: { room: "lobby" } });
   */
  readonly query?: Query;
  /** Send bytes as base64 text, also over a WebSocket. Default: `false`. */
  readonly forceBase64?: boolean;
  /**
   * Options for single transports, by the name of the transport. An option of a transport replaces the option of the
   * same name for all transports. Default: none.
   *
   * @example
   * const socket = io("http://localhost:3000", {
   *   transportOptions: { polling: { extraHeaders: { "X-Token": "secret" } } },
   * });
   */
  readonly transportOptions?: Readonly<Record<string, EngineOptions & PlatformOptions>>;
  /**
   * Header fields to add to each request. Browsers do not send these fields with the request of a WebSocket. Default:
   * none.
   *
   * @example
   * const socket = io("http://localhost:3000", { extraHeaders: { Authorization: "Bearer secret" } });
   */
  readonly extraHeaders?: Readonly<Record<string, string>>;
  /**
   * In browsers, send cookies with requests to another origin. In Node, keep the cookies of responses and send them
   * with later requests. Default: `false`.
   */
  readonly withCredentials?: boolean;
  /**
   * Add a random field to the query of each request, so that no cache answers the request. Default: `true` for polling
   * only.
   */
  readonly timestampRequests?: boolean;
  /** The name of the random field that `timestampRequests` adds. Default: `"t"`. */
  readonly timestampParam?: string;
  /** How long an HTTP request of the polling transport may take, in milliseconds. 0 means no limit. Default: 0. */
  readonly requestTimeout?: number;
  /** The subprotocols that the WebSocket offers to the server. Default: none. */
  readonly protocols?: string | readonly string[];
  /**
   * Close the connection on the "beforeunload" event of the page. Otherwise the browser closes the connection when
   * the page is unloaded. Default: `false`.
   */
  readonly closeOnBeforeunload?: boolean;
  /** Let a Node process exit while the connection is open. Default: `false`. */
  readonly autoUnref?: boolean;
}
