// The options of an engine: what each does, its default, and the values that it may have.

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

/** Calls back with whether a client may connect, and what a client that may not is told. */
export type AllowRequest = (
  request: IncomingMessage,
  callback: (message: string | null | undefined, allowed: boolean) => void,
) => void;

export interface EngineOptions extends OriginOptions, ConnectionBoundOptions {
  /** Milliseconds from a pong to the next ping. Default 25,000. */
  readonly pingInterval?: number;
  /** Milliseconds that a client may take to answer a ping. Default 20,000. */
  readonly pingTimeout?: number;
  /** Milliseconds that an upgrade may take. Default 10,000. */
  readonly upgradeTimeout?: number;
  /** Bytes in one message or request body; told to clients as `maxPayload`. Default 1,000,000. */
  readonly maxHttpBufferSize?: number;
  /**
   * Bytes that may wait for one client that does not take them as fast as they are sent, beyond
   * what the operating system holds. More ends its session, or has events dropped: `backpressurePolicy`. Default 16 MiB.
   */
  readonly maxBackpressure?: number;
  /**
   * What is done when more than `maxBackpressure` would wait for a client: "close" ends its session, "drop-volatile"
   * has volatile events wait and drops the oldest of them, "drop-oldest" drops the oldest events. Acknowledgements, events
   * that ask for one, and all other packets are never dropped: if these alone are too much, the session ends.
   * `io.stats().dropped` counts the events. Default "close".
   */
  readonly backpressurePolicy?: BackpressurePolicy;
  /**
   * Bytes that may wait for all clients together, those of answers that clients do not read among them. More ends the session
   * for which the most waits. Default: 256 MiB.
   */
  readonly maxTotalBackpressure?: number;
  /** Asked before a session is made. Default: every client may. */
  readonly allowRequest?: AllowRequest;
  /** Default both. */
  readonly transports?: readonly TransportName[];
  /** A session may go from polling to WebSocket. Default `true`. */
  readonly allowUpgrades?: boolean;
  /**
   * Clients of Socket.IO 1.x and 2.x, which speak revision 3 of Engine.IO, may connect too. Default
   * `false`.
   */
  readonly allowEIO3?: boolean;
  /** permessage-deflate for WebSocket. Default `false`. */
  readonly perMessageDeflate?: boolean | DeflateOptions;
  /** Compression of the answers to polling requests. Default `true`, from 1024 bytes on. */
  readonly httpCompression?: boolean | CompressionOptions;
  /** A cookie with the session's id is set. Default `false`. */
  readonly cookie?: boolean | CookieOptions;
  /**
   * Is told of connections, refusals and failures; `console` or any library's. A flood of refused or failing clients
   * does not flood the log: for each reason, `warn` is called at most 10 times a second, and then once with the number of
   * the others. What the logger throws is counted in `io.stats().errors`. Default: nobody is told.
   */
  readonly logger?: Logger;
}

/** The defaults of the options. */
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

// Clients wait with one timer for both together.
const MAX_HEARTBEAT = 0x3fffffff;
const heartbeat: Check = (value, name) => {
  positiveMilliseconds(value, name);
  number(`at most ${MAX_HEARTBEAT} milliseconds`, (given) => given <= MAX_HEARTBEAT)(value, name);
};

const TRANSPORTS: readonly unknown[] = ["polling", "websocket"];

/** `wsEngine` and `initialPacket` are known from engine.io, and do nothing here. */
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
