// The options of an engine, their default values and their checks.

import type { IncomingMessage } from "node:http";

import type { TransportName } from "../../protocol/engineio/handshake.ts";
import { CONNECTION_BOUND_OPTIONS } from "../connection-bound-options.ts";
import type { ConnectionBoundOptions } from "../connection-bounds.ts";
import {
  boolean,
  type Check,
  checkThat,
  isFunction,
  isObject,
  isString,
  limit,
  milliseconds,
  number,
  type OptionTable,
  urlPath,
} from "../events/options.ts";
import {
  bytes,
  callback,
  nested,
  neverUndefined,
  oneOf,
  perMessageDeflate,
  positiveMilliseconds,
  valueOr,
  ZLIB_OPTIONS,
} from "../node-options.ts";
import { origins, trustedProxies } from "../origin-options.ts";
import type { DeflateOptions } from "../websocket/upgrade.ts";
import type { AttachOptions } from "./attach.ts";
import type { CompressionOptions } from "./compression.ts";
import { type CookieOptions, isCookieAttribute, isCookieName } from "./cookie.ts";
import { checkCors } from "./cors.ts";
import type { Logger } from "./log.ts";
import type { OriginOptions } from "./origin-gate.ts";
import { BACKPRESSURE_POLICIES, type BackpressurePolicy } from "./waiting-messages.ts";

/**
 * Decides whether a client may connect. Calls `callback` with a message and the decision. A refused client receives the message.
 *
 * @param request the HTTP request of the client
 * @param callback receives the message, and whether the client may connect
 *
 * @example
 * const io = new Server(3000, {
 *   allowRequest: (request, callback) => callback(null, request.headers.origin !== undefined),
 * });
 */
export type AllowRequest = (
  request: IncomingMessage,
  callback: (message: string | null | undefined, allowed: boolean) => void,
) => void;

/** The options of an engine. */
export interface EngineOptions extends OriginOptions, ConnectionBoundOptions {
  /** How long to wait after a pong before the next ping is sent, in milliseconds. Default: 25,000. */
  readonly pingInterval?: number;
  /**
   * How long a client may take to answer a ping, in milliseconds. If the client does not answer in this time, the session
   * ends. Default: 20,000.
   */
  readonly pingTimeout?: number;
  /** How long the upgrade from polling to WebSocket may take, in milliseconds. Default: 10,000. */
  readonly upgradeTimeout?: number;
  /**
   * Largest message or body of a POST request that is accepted, in bytes. The handshake sends the value to clients as
   * `maxPayload`. Default: 1,000,000.
   */
  readonly maxHttpBufferSize?: number;
  /**
   * How many bytes may wait in this process for a client that reads too slowly. When more bytes would wait, `backpressurePolicy`
   * decides what happens. Default: 16 MiB.
   */
  readonly maxBackpressure?: number;
  /**
   * What happens when more than `maxBackpressure` bytes would wait for a client: "close" ends the session, "drop-volatile" queues
   * volatile events and drops the oldest of them, "drop-oldest" drops the oldest events. Acknowledgements, events with an
   * acknowledgement, and all other packets are never dropped. The session ends if such packets alone exceed the limit.
   * `io.stats().dropped` counts the dropped events. Default: "close".
   */
  readonly backpressurePolicy?: BackpressurePolicy;
  /**
   * How many bytes may wait in this process for all clients together, including unread polling responses. When more bytes wait,
   * the session for which the most bytes wait is ended. Default: 256 MiB.
   */
  readonly maxTotalBackpressure?: number;
  /** Decides whether a client may connect. Called before a session is opened. Default: every client may connect. */
  readonly allowRequest?: AllowRequest;
  /** The supported transports. Default: `["polling", "websocket"]`. */
  readonly transports?: readonly TransportName[];
  /** Allow the upgrade of sessions from polling to WebSocket. Default: `true`. */
  readonly allowUpgrades?: boolean;
  /** Accept clients of Socket.IO 1.x and 2.x, which use revision 3 of Engine.IO. Default: `false`. */
  readonly allowEIO3?: boolean;
  /**
   * Accept permessage-deflate (RFC 7692) on WebSockets. `true` uses the default options, and an object sets options. Default:
   * `false`.
   */
  readonly perMessageDeflate?: boolean | DeflateOptions;
  /**
   * Compress polling responses. `true` compresses responses of at least 1,024 bytes, and an object sets options. Default:
   * `true`.
   */
  readonly httpCompression?: boolean | CompressionOptions;
  /** Set a cookie with the session id. `true` uses the default options, and an object sets options. Default: `false`. */
  readonly cookie?: boolean | CookieOptions;
  /**
   * A logger for connections, refusals and failures, such as `console`. For each reason, `warn` is called at most 10 times a
   * second, and then once with the number of further incidents. `io.stats().errors` counts the errors that the logger throws.
   * Default: none.
   */
  readonly logger?: Logger;
}

/** The default values of the options. */
export const DEFAULTS = {
  pingInterval: 25_000,
  pingTimeout: 20_000,
  upgradeTimeout: 10_000,
  maxHttpBufferSize: 1_000_000,
  maxBackpressure: 16 * 1024 * 1024,
  backpressurePolicy: "close",
  maxTotalBackpressure: 256 * 1024 * 1024,
  maxConnections: Number.POSITIVE_INFINITY,
  maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
  maxHandshakesPerSecond: Number.POSITIVE_INFINITY,
  transports: ["polling", "websocket"],
  allowUpgrades: true,
} as const;

const attribute = checkThat("a string that a cookie can hold", isString, isCookieAttribute);

const COOKIE_OPTIONS: OptionTable<CookieOptions> = {
  domain: attribute,
  encode: callback,
  expires: checkThat(
    "a valid Date",
    (value): value is Date => value instanceof Date,
    (value) => !Number.isNaN(value.getTime()),
  ),
  httpOnly: boolean,
  maxAge: number("a finite number of seconds", Number.isFinite),
  name: checkThat("a string that can name a cookie", isString, isCookieName),
  partitioned: boolean,
  path: valueOr([false], attribute),
  priority: oneOf("low", "medium", "high"),
  sameSite: (value, name) =>
    valueOr([true, false], oneOf("lax", "strict", "none"))(
      isString(value) ? value.toLowerCase() : value,
      name,
    ),
  secure: boolean,
};

const COMPRESSION_OPTIONS: OptionTable<CompressionOptions, "rejectGarbageAfterEnd"> = {
  ...ZLIB_OPTIONS,
  threshold: limit,
};

// Clients start one timer for the sum of pingInterval and pingTimeout. The delay of a timer is at most 2^31 - 1 milliseconds.
const MAX_HEARTBEAT = 0x3fffffff;
const heartbeat: Check = (value, name) => {
  positiveMilliseconds(value, name);
  number(`at most ${MAX_HEARTBEAT} milliseconds`, (given) => given <= MAX_HEARTBEAT)(value, name);
};

const TRANSPORTS: readonly unknown[] = ["polling", "websocket"];

/** The checks of the options. `wsEngine` and `initialPacket` are options of engine.io that have no effect here. */
export const ENGINE_OPTIONS: OptionTable<EngineOptions, "wsEngine" | "initialPacket"> = {
  allowEIO3: boolean,
  allowRequest: neverUndefined(callback),
  allowUpgrades: boolean,
  backpressurePolicy: oneOf(...BACKPRESSURE_POLICIES),
  cookie: valueOr([true, false], nested(COOKIE_OPTIONS)),
  cors: valueOr([true, false, undefined], (value) => {
    if (!isFunction(value)) checkCors(value);
  }),
  httpCompression: valueOr([true, false], nested(COMPRESSION_OPTIONS)),
  initialPacket: () => {},
  jsonp: boolean,
  logger: checkThat("an object with the methods of a logger", isObject),
  maxBackpressure: limit,
  maxHttpBufferSize: bytes,
  maxTotalBackpressure: limit,
  origins: neverUndefined(origins),
  perMessageDeflate,
  pingInterval: heartbeat,
  pingTimeout: heartbeat,
  transports: checkThat(
    'a list of "polling" and "websocket"',
    (value): value is readonly unknown[] => Array.isArray(value),
    (value) =>
      value.some((each) => TRANSPORTS.includes(each)) &&
      value.every((each) => TRANSPORTS.includes(each) || each === "webtransport"),
  ),
  trustedProxies,
  upgradeTimeout: positiveMilliseconds,
  wsEngine: () => {},
  ...CONNECTION_BOUND_OPTIONS,
};

export const ATTACH_OPTIONS: OptionTable<AttachOptions> = {
  addTrailingSlash: boolean,
  destroyUpgrade: boolean,
  destroyUpgradeTimeout: milliseconds,
  path: urlPath,
};
