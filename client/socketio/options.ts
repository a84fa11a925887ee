// The options of io() and Manager, and their checks. Each platform adds the checks of the options that only Node
// supports.

import {
  boolean,
  checkOptions,
  checkThat,
  headerFields,
  isFunction,
  isObject,
  isString,
  limit,
  milliseconds,
  number,
  type OptionTable,
  object,
  parser,
  string,
  urlPath,
} from "../../lib/events/options.ts";
import type { Parser } from "../../lib/events/parser.ts";
import type { EngineOptions } from "../engineio/options.ts";
import type { PlatformOptions, PlatformOptionTable } from "../platform/network.ts";
import type { AddressOptions } from "./address.ts";

/**
 * Data that a client sends when it joins a namespace, or a function that passes the data to its callback. The function
 * is called for each attempt to join.
 */
export type Auth =
  | Readonly<Record<string, unknown>>
  | ((callback: (data: Readonly<Record<string, unknown>>) => void) => void);

/** The options of one socket. */
export interface SocketOptions {
  /**
   * Data that authenticates the client. The server receives the data as `socket.handshake.auth`. Default: none.
   *
   * @example
   * const socket = io("http://localhost:3000", { auth: { token: "secret" } });
   */
  readonly auth?: Auth;
  /**
   * How many times to send an event again if the server does not acknowledge it. The next event is sent after the
   * previous event was acknowledged or has failed. Default: 0.
   *
   * @example
   * const socket = io("http://localhost:3000", { retries: 3, ackTimeout: 5000 });
   */
  readonly retries?: number;
  /**
   * How long to wait for each acknowledgement, in milliseconds, as if timeout() were called for each event. Default: no
   * limit.
   */
  readonly ackTimeout?: number;
}

/** The options of a connection. */
export interface ManagerOptions extends EngineOptions, PlatformOptions, AddressOptions {
  /**
   * Only for io(): open a separate connection for the socket. Default: `false`.
   *
   * @example
   * const socket = io("http://localhost:3000", { forceNew: true });
   */
  readonly forceNew?: boolean;
  /**
   * Only for io(): share the connection with other sockets. `false` is the same as `forceNew: true`. Default:
   * `true`.
   */
  readonly multiplex?: boolean;
  /** Reconnect if the connection is lost or cannot be opened. Default: `true`. */
  readonly reconnection?: boolean;
  /** The largest number of attempts to reconnect. 0 means the default. Default: `Infinity`. */
  readonly reconnectionAttempts?: number;
  /**
   * The delay before the first attempt to reconnect, in milliseconds. The delay doubles with each attempt. 0 means the
   * default. Default: 1,000.
   *
   * @example
   * const socket = io("http://localhost:3000", { reconnectionDelay: 500, reconnectionDelayMax: 10_000 });
   */
  readonly reconnectionDelay?: number;
  /** The longest delay before an attempt to reconnect, in milliseconds. 0 means the default. Default: 5,000. */
  readonly reconnectionDelayMax?: number;
  /** The largest random change of a delay, as a fraction of the delay, from 0 to 1. Default: 0.5. */
  readonly randomizationFactor?: number;
  /**
   * How long a connection may take to open, in milliseconds. `false` means no limit, and 0 means the default. Default:
   * 20,000.
   */
  readonly timeout?: number | false;
  /**
   * Connect when the manager or socket is created. Otherwise the program calls connect(). Default: `true`.
   *
   * @example
   * const socket = io("http://localhost:3000", { autoConnect: false });
   * socket.connect();
   */
  readonly autoConnect?: boolean;
  /**
   * Encodes and decodes packets. The server must use the same parser. Default: the encoding of the Socket.IO protocol.
   *
   * @example
   * import * as parser from "barewire/msgpack";
   *
   * const socket = io("http://localhost:3000", { parser });
   */
  readonly parser?: Parser;
  /** The largest number of binary attachments to accept in one packet. Default: 100. */
  readonly maxAttachments?: number;
  /**
   * The largest number of events that each socket buffers while it is not connected. If the buffer is full, the oldest
   * event is dropped. Default: 10,000.
   */
  readonly maxOfflineBuffer?: number;
}

/** The options of io(): those of a connection and those of a socket. */
export interface ClientOptions extends ManagerOptions, SocketOptions {}

/** Returns whether a value is a class, or the name of a supported transport. */
const isTransport = (value: unknown): boolean =>
  isFunction(value) || value === "polling" || value === "websocket";

/**
 * The checks for io(), Manager and socket(). One table is enough, because io() passes all its options to Manager and to
 * socket().
 */
export const CLIENT_OPTIONS: OptionTable<Omit<ClientOptions, keyof PlatformOptions>> = {
  ackTimeout: milliseconds,
  addTrailingSlash: boolean,
  auth: checkThat("an object or a function", (value) => isObject(value) || isFunction(value)),
  autoConnect: boolean,
  autoUnref: boolean,
  closeOnBeforeunload: boolean,
  extraHeaders: headerFields,
  forceBase64: boolean,
  forceNew: boolean,
  host: string,
  hostname: string,
  maxAttachments: limit,
  maxOfflineBuffer: limit,
  multiplex: boolean,
  parser,
  path: urlPath,
  port: checkThat(
    "a port number or a string of digits",
    (value): value is string | number => typeof value === "number" || isString(value),
    (value) => value === "" || (/^\d+$/.test(`${value}`) && Number(value) <= 65_535),
  ),
  protocols: checkThat("a string or a list of strings", (value): value is unknown =>
    [value].flat().every(isString),
  ),
  query: checkThat("an object or a string", (value) => isObject(value) || isString(value)),
  randomizationFactor: number("a number from 0 to 1", (value) => value >= 0 && value <= 1),
  reconnection: boolean,
  reconnectionAttempts: limit,
  reconnectionDelay: milliseconds,
  reconnectionDelayMax: milliseconds,
  rememberUpgrade: boolean,
  requestTimeout: milliseconds,
  retries: limit,
  secure: boolean,
  timeout: (value, name) => {
    if (value !== false) milliseconds(value, name);
  },
  timestampParam: string,
  timestampRequests: boolean,
  transportOptions: object,
  transports: checkThat(
    'a list of "polling", "websocket" or classes',
    (value): value is readonly unknown[] => Array.isArray(value),
    (value) =>
      value.some(isTransport) &&
      value.every((each) => each === "webtransport" || isTransport(each)),
  ),
  transportTimeout: milliseconds,
  tryAllTransports: boolean,
  upgrade: boolean,
  withCredentials: boolean,
};

/**
 * Checks the options of io(), Manager or socket().
 *
 * @param platform the platform's checks of the options that only Node supports
 * @throws ArgumentTypeError if an option is unknown, or its value has the wrong type
 * @throws ArgumentRangeError if a value is out of range
 */
export function checkClientOptions(options: unknown, platform: PlatformOptionTable): void {
  const table = { ...CLIENT_OPTIONS, ...platform };
  checkOptions(options, table);
  const { transportOptions }: { transportOptions?: object } = Object(options);
  for (const [name, each] of Object.entries(transportOptions ?? {})) {
    checkOptions(each, table, `transportOptions.${name}`);
  }
}
