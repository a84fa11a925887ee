// The options of one connection.

import type { PlatformOptions } from "../platform/network.ts";
import type { Query } from "./query.ts";
import type { TransportClass } from "./transport.ts";

/** Unknown names, such as "webtransport", are ignored. */
export type TransportName = "polling" | "websocket" | "webtransport";

export interface EngineOptions {
  /** In this order: names, or classes. Default polling, then WebSocket. */
  readonly transports?: readonly (TransportName | TransportClass)[];
  /** The next transport is tried when one fails. Default `false`. */
  readonly tryAllTransports?: boolean;
  /** Milliseconds that one transport may take to open. Default 10,000 where another is left to try. */
  readonly transportTimeout?: number;
  /** From polling to WebSocket. Default `true`. */
  readonly upgrade?: boolean;
  /** A connection that was upgraded is next tried over WebSocket. Default `false`. */
  readonly rememberUpgrade?: boolean;
  /** Default "/socket.io". */
  readonly path?: string;
  /** The path ends with "/". Default `true`. */
  readonly addTrailingSlash?: boolean;
  /** Fields in the query of each request. The query of the URL replaces them. */
  readonly query?: Query;
  /** Bytes travel as text, over WebSockets too. Default `false`. */
  readonly forceBase64?: boolean;
  /** Options that are others for one transport, by its name. */
  readonly transportOptions?: Readonly<Record<string, EngineOptions & PlatformOptions>>;
  /** Header fields of each request; of a WebSocket in Node only. */
  readonly extraHeaders?: Readonly<Record<string, string>>;
  /** Cookies go with requests to another origin. Default `false`. */
  readonly withCredentials?: boolean;
  /** Requests carry a name that no other has, against caches. Default: those of polling. */
  readonly timestampRequests?: boolean;
  /** Of that name. Default "t". */
  readonly timestampParam?: string;
  /** Milliseconds that a request may take; 0, the default, for as long as it likes. */
  readonly requestTimeout?: number;
  /** Subprotocols of the WebSocket. */
  readonly protocols?: string | readonly string[];
  /** The connection is closed when the page is left. Default `false`: the browser does. */
  readonly closeOnBeforeunload?: boolean;
  /** Timers do not keep a process of Node alive. Default `false`. */
  readonly autoUnref?: boolean;
}
