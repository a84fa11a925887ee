// The options of a server: descriptions, defaults and checks.

import type { AttachOptions } from "../engineio/attach.ts";
import {
  ATTACH_OPTIONS,
  DEFAULTS,
  ENGINE_OPTIONS,
  type EngineOptions,
} from "../engineio/options.ts";
import { ArgumentTypeError } from "../events/errors.ts";
import {
  boolean,
  checkThat,
  isFunction,
  limit,
  milliseconds,
  type OptionTable,
  parser,
} from "../events/options.ts";
import type { Parser } from "../events/parser.ts";
import { nested, positiveMilliseconds, valueOr } from "../node-options.ts";
import { Adapter, type AdapterHost } from "./adapter.ts";
import { type Codec, codecOf, standardCodec } from "./codec.ts";
import type { AdapterFactory } from "./create-adapter.ts";
import type { ClientLimits } from "./dispatcher.ts";
import { RateLimit, type RateLimitOptions, rateLimit } from "./rate-limit.ts";
import { limitsOf, RECOVERY_OPTIONS, RecoveryAdapter, type RecoveryOptions } from "./recovery.ts";
import { RecoveryBounds, type RecoveryLimits } from "./recovery-store.ts";

/** The options of a server. All are optional. */
export interface ServerOptions extends EngineOptions, AttachOptions {
  /** Serve the files of the browser client under `path`. Default: `true`. */
  readonly serveClient?: boolean;
  /**
   * Adapter class, or function that returns an adapter for a namespace. An adapter for several
   * servers connects them into a cluster. Default: an adapter in memory, for a single server.
   */
  readonly adapter?: AdapterFactory;
  /**
   * Encodes and decodes packets, for example the module "barewire/msgpack". Clients must use the
   * same parser. Default: JSON with separate binary attachments.
   */
  readonly parser?: Parser;
  /**
   * Restore the id, the rooms and the data of a client that reconnects after a short disconnection.
   * Default: `false`.
   *
   * @example
   * ```ts
   * const io = new Server(3000, { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } });
   * ```
   */
  readonly connectionStateRecovery?: boolean | RecoveryOptions;
  /**
   * Disconnect a client that has not joined a namespace after this time, in milliseconds. Default:
   * 45,000.
   */
  readonly connectTimeout?: number;
  /**
   * Acknowledge events with the return values of listeners, or with the values of returned
   * promises. A listener that returns `undefined` acknowledges the event without arguments. A
   * listener that returns `acks(a, b)` acknowledges the event with several arguments. A listener
   * that has a parameter for the acknowledgement callback must call the callback instead. Default:
   * `false`.
   *
   * @example
   * ```ts
   * const io = new Server(3000, { ackReturnValues: true });
   * io.on("connection", (socket) => {
   *   socket.on("sum", (a: number, b: number) => a + b);
   * });
   * ```
   */
  readonly ackReturnValues?: boolean;
  /** Largest number of binary attachments in one packet. Default: 10. */
  readonly maxAttachments?: number;
  /**
   * Remove a namespace that was created for a client (by of() with a pattern or function) after its
   * last socket has left. Default: `false`.
   */
  readonly cleanupEmptyChildNamespaces?: boolean;
  /**
   * Largest number of namespaces that exist at the same time because of one connection. A requested
   * name also counts while the function that was passed to of() is deciding about the name. Further
   * requests, and requests for names of more than 1,000 characters, are refused with "Invalid
   * namespace". Default: 100.
   */
  readonly maxCreatedNamespaces?: number;
  /**
   * Largest total size of the packets that contain `auth`, in bytes, for all namespaces that one
   * connection is in. A client that exceeds this limit is refused with "auth is too large".
   * Default: 16,384, which is Node's limit for the headers of a request, where tokens are usually
   * sent.
   */
  readonly maxAuthSize?: number;
  /**
   * Largest number of rooms that one socket may be in. A socket that exceeds this limit emits
   * "error", and its connection is closed. Leaving a million rooms would block the event loop for
   * more than a second. Default: 10,000.
   */
  readonly maxRoomsPerSocket?: number;
  /**
   * Longest time between a message of a packet and the next attachment of the packet, in
   * milliseconds. A client that takes longer is disconnected. Default: 30,000.
   */
  readonly attachmentTimeout?: number;
  /**
   * Limit the events that each socket may send: `events` per `interval` (milliseconds) on average,
   * and `burst` at once (default: `events`). An event above the limit is not delivered. The socket
   * emits "error" with a RateLimitError. If the client expects an acknowledgement, it receives
   * `{ error: { code: "ERR_RATE_LIMIT", message, retryAfter } }`. Acknowledgements from the client
   * do not count as events. Namespace.rateLimit() overrides the limit. Default: no limit.
   *
   * @example
   * ```ts
   * const io = new Server(3000, { rateLimit: { events: 10, interval: 1000, burst: 20 } });
   * ```
   */
  readonly rateLimit?: RateLimitOptions;
}

/** The checks of the server options. */
export const SERVER_OPTIONS: OptionTable<ServerOptions, keyof typeof ENGINE_OPTIONS> = {
  ...ENGINE_OPTIONS,
  ...ATTACH_OPTIONS,
  ackReturnValues: boolean,
  adapter: checkThat("an adapter class or a function that returns an adapter", isFunction),
  attachmentTimeout: positiveMilliseconds,
  cleanupEmptyChildNamespaces: boolean,
  connectionStateRecovery: valueOr([true, false], nested(RECOVERY_OPTIONS)),
  connectTimeout: milliseconds,
  maxAttachments: limit,
  maxAuthSize: limit,
  maxCreatedNamespaces: limit,
  maxRoomsPerSocket: limit,
  parser,
  rateLimit,
  serveClient: boolean,
};

export const DEFAULT_PATH = "/socket.io";
export const DEFAULT_CONNECT_TIMEOUT = 45_000;
const DEFAULT_MAX_CREATED_NAMESPACES = 100;
const DEFAULT_MAX_AUTH_SIZE = 16 * 1024;
const DEFAULT_ATTACHMENT_TIMEOUT = 30_000;
export const DEFAULT_MAX_ROOMS = 10_000;
const DEFAULT_MAX_ATTACHMENTS = 10;

/** The options that only the constructor accepts. attach() cannot change them. */
const OPTIONS_OF_THE_CONSTRUCTOR = [
  "parser",
  "connectionStateRecovery",
  "ackReturnValues",
  "maxAttachments",
  "maxAuthSize",
  "maxRoomsPerSocket",
  "attachmentTimeout",
  "rateLimit",
  "maxCreatedNamespaces",
  "cleanupEmptyChildNamespaces",
] as const satisfies readonly (keyof ServerOptions)[];
/**
 * Returns the options of the constructor, overridden by the options of attach().
 *
 * @throws ArgumentTypeError for an option that only the constructor accepts
 */
export function mergeOptions(first: ServerOptions, later: ServerOptions): ServerOptions {
  for (const name of OPTIONS_OF_THE_CONSTRUCTOR) {
    if (later[name] === undefined || later[name] === first[name]) continue;
    throw new ArgumentTypeError(`the option ${name} can only be passed to the constructor`);
  }
  const all: Record<string, unknown> = { ...first };
  for (const [name, value] of Object.entries(later)) {
    // An explicit `undefined` must not override an option of the constructor, such as allowRequest.
    if (value !== undefined || !(name in all)) all[name] = value;
  }
  return all;
}

/** Returns the options that belong to the engine. */
export function engineOptions(options: ServerOptions): EngineOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => name in ENGINE_OPTIONS));
}

/** Returns the options of connection state recovery, or `undefined` if it is off. */
export function recoveryOf({
  connectionStateRecovery,
}: ServerOptions): RecoveryOptions | undefined {
  return connectionStateRecovery === true ? {} : connectionStateRecovery || undefined;
}

/** Returns the limits that apply to each client. */
export function clientLimits({
  maxCreatedNamespaces = DEFAULT_MAX_CREATED_NAMESPACES,
  maxAuthSize = DEFAULT_MAX_AUTH_SIZE,
  attachmentTimeout = DEFAULT_ATTACHMENT_TIMEOUT,
}: ServerOptions): ClientLimits {
  return { maxCreatedNamespaces, maxAuthSize, attachmentTimeout };
}

/** Returns the rate limit, or `undefined` if there is none. */
export function rateLimitOf({ rateLimit: limit }: ServerOptions): RateLimit | undefined {
  return limit && new RateLimit(limit);
}

/** Returns the codec for the option `parser`. */
export function codecFor({ parser: own, maxAttachments }: ServerOptions): Codec {
  return own === undefined
    ? standardCodec(maxAttachments ?? DEFAULT_MAX_ATTACHMENTS)
    : codecOf(own);
}

/** Returns the limits of connection state recovery, or `undefined` if it is off. */
export function recoveryLimits(options: ServerOptions): RecoveryLimits | undefined {
  const { pingInterval = DEFAULTS.pingInterval, pingTimeout = DEFAULTS.pingTimeout } = options;
  const { maxBackpressure = DEFAULTS.maxBackpressure } = options;
  const recovery = recoveryOf(options);
  return recovery && limitsOf(recovery, pingInterval + pingTimeout, maxBackpressure);
}

/** Returns the option `adapter`. Default: an adapter in memory. */
export function adapterFor(options: ServerOptions): AdapterFactory {
  const limits = recoveryLimits(options);
  if (options.adapter !== undefined) return options.adapter;
  if (limits === undefined) return Adapter;
  return recoveryAdapter(limits);
}

function recoveryAdapter(limits: RecoveryLimits): AdapterFactory {
  const bounds = new RecoveryBounds(limits);
  return class extends RecoveryAdapter {
    constructor(nsp: AdapterHost) {
      super(nsp, bounds);
    }
  };
}
