// The options of io() and Manager, and what each must be. A platform adds its own.

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

/** What a client says of itself when it joins: the same each time, or asked for each time. */
export type Auth =
  | Readonly<Record<string, unknown>>
  | ((callback: (data: Readonly<Record<string, unknown>>) => void) => void);

export interface SocketOptions {
  /** Says to the server who this is; the server finds it in `socket.handshake.auth`. */
  readonly auth?: Auth;
  /** Events are sent again until they are acknowledged, so many times; one after the other. */
  readonly retries?: number;
  /** Milliseconds that acknowledgements are awaited for. */
  readonly ackTimeout?: number;
}

export interface ManagerOptions extends EngineOptions, PlatformOptions, AddressOptions {
  /** Of io(): use a connection of its own. Default: `false`. */
  readonly forceNew?: boolean;
  /** Of io(): `false` is the same as `forceNew`. Default: `true`. */
  readonly multiplex?: boolean;
  /** Connects again when the connection is lost. Default `true`. */
  readonly reconnection?: boolean;
  /** Attempts before it gives up. Default: it does not. */
  readonly reconnectionAttempts?: number;
  /** Milliseconds before the first attempt. Default 1,000. */
  readonly reconnectionDelay?: number;
  /** Milliseconds before an attempt at most. Default 5,000. */
  readonly reconnectionDelayMax?: number;
  /** How much of a wait may be taken off or put on, from 0 to 1. Default 0.5. */
  readonly randomizationFactor?: number;
  /** Milliseconds that a connection may take to be made. Default 20,000; `false` for as long as it likes. */
  readonly timeout?: number | false;
  /** Connects at once. Default `true`. */
  readonly autoConnect?: boolean;
  /** How packets travel; the server must have the same. */
  readonly parser?: Parser;
  /** Attachments that one packet of the server may have. Default: 100. */
  readonly maxAttachments?: number;
  /** Events that wait for the connection, for each socket; more are dropped, the oldest first. Default 10,000. */
  readonly maxOfflineBuffer?: number;
}

/** The options of io(). */
export interface ClientOptions extends ManagerOptions, SocketOptions {}

/** One transport that a client has, or a class. */
const isTransport = (value: unknown): boolean =>
  isFunction(value) || value === "polling" || value === "websocket";

/** For io(), Manager and its sockets alike: each passes on what it was given. */
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

/** Checks what io(), a Manager or its socket() was given. */
export function checkClientOptions(options: unknown, platform: PlatformOptionTable): void {
  const table = { ...CLIENT_OPTIONS, ...platform };
  checkOptions(options, table);
  const { transportOptions }: { transportOptions?: object } = Object(options);
  for (const [name, each] of Object.entries(transportOptions ?? {})) {
    checkOptions(each, table, `transportOptions.${name}`);
  }
}
