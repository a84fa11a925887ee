// The options of a server: what each does, its default, and the values that it may have.

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

export interface ServerOptions extends EngineOptions, AttachOptions {
  /** The client's files are served under the path. Default `true`. */
  readonly serveClient?: boolean;
  /** Who is in which room; one that works over a network makes several servers one. Default: in memory. */
  readonly adapter?: AdapterFactory;
  /** Encodes and decodes packets, such as the module "barewire/msgpack". Clients need the same. Default: JSON, with bytes beside it. */
  readonly parser?: Parser;
  /** Clients that come back in time are the same sockets again. Default: they are not. */
  readonly connectionStateRecovery?: boolean | RecoveryOptions;
  /** Milliseconds that a client may be connected without having joined a namespace. Default 45,000. */
  readonly connectTimeout?: number;
  /**
   * A listener that does not take the callback of an acknowledgement acknowledges with what it
   * returns or resolves to: nothing with no arguments, `acks(a, b)` with several. One takes the
   * callback that has a parameter for it. Default `false`.
   */
  readonly ackReturnValues?: boolean;
  /** Binary attachments that one packet may have. Default 10. */
  readonly maxAttachments?: number;
  /** Namespaces that were made for a client, by of() with a pattern or function, end with their last socket. Default `false`. */
  readonly cleanupEmptyChildNamespaces?: boolean;
  /**
   * Namespaces that one connection may cause to exist at the same time, those about which the function of of() has not
   * decided yet among them. Further ones are refused with "Invalid namespace", as are names of more than 1,000
   * characters. Default: 100.
   */
  readonly maxCreatedNamespaces?: number;
  /**
   * Bytes that the `auth` of one connection may take, in all namespaces that it is in together: those of the packets
   * that bring it. A client with more is refused with "auth is too large". Default: 16,384, as much as Node allows for
   * the head of a request, where tokens are sent otherwise.
   */
  readonly maxAuthSize?: number;
  /**
   * Rooms that one socket may be in. A socket that would be in more has an "error" event, and its connection ends: to leave
   * a million rooms blocks the event loop for more than a second. Default: 10,000.
   */
  readonly maxRoomsPerSocket?: number;
  /**
   * Milliseconds that each attachment of a packet may take after the message before it. A client that takes longer is
   * disconnected. Default: 30,000.
   */
  readonly attachmentTimeout?: number;
  /**
   * Events that each socket may send: `events` in each `interval` (milliseconds) over time, and `burst` (default: `events`)
   * at once. One more is not delivered: the socket has an "error" event with a `RateLimitError`, and a client that awaits an
   * acknowledgement receives `{ error: { code: "ERR_RATE_LIMIT", message, retryAfter } }`. Acknowledgements of the client
   * do not count. `namespace.rateLimit()` sets another one. Default: no limit.
   */
  readonly rateLimit?: RateLimitOptions;
}

/** The checks of the options. */
export const SERVER_OPTIONS: OptionTable<ServerOptions, keyof typeof ENGINE_OPTIONS> = {
  ...ENGINE_OPTIONS,
  ...ATTACH_OPTIONS,
  ackReturnValues: boolean,
  adapter: checkThat("a class or a function that makes one", isFunction),
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

/** The options with which the namespaces are created, before attach(). */
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
 * Returns the options of the constructor, replaced by those of attach().
 *
 * @throws ArgumentTypeError for an option that only the constructor takes
 */
export function mergeOptions(first: ServerOptions, later: ServerOptions): ServerOptions {
  for (const name of OPTIONS_OF_THE_CONSTRUCTOR) {
    if (later[name] === undefined || later[name] === first[name]) continue;
    throw new ArgumentTypeError(`the option ${name} can only be given to the constructor`);
  }
  const all: Record<string, unknown> = { ...first };
  for (const [name, value] of Object.entries(later)) {
    // An explicit `undefined` must not remove an option of the constructor, such as allowRequest.
    if (value !== undefined || !(name in all)) all[name] = value;
  }
  return all;
}

/** Returns those options that are the engine's. */
export function engineOptions(options: ServerOptions): EngineOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => name in ENGINE_OPTIONS));
}

/** Returns the options of connection state recovery, or `undefined` where it is off. */
export function recoveryOf({
  connectionStateRecovery,
}: ServerOptions): RecoveryOptions | undefined {
  return connectionStateRecovery === true ? {} : connectionStateRecovery || undefined;
}

/** Returns the limits of each client. */
export function clientLimits({
  maxCreatedNamespaces = DEFAULT_MAX_CREATED_NAMESPACES,
  maxAuthSize = DEFAULT_MAX_AUTH_SIZE,
  attachmentTimeout = DEFAULT_ATTACHMENT_TIMEOUT,
}: ServerOptions): ClientLimits {
  return { maxCreatedNamespaces, maxAuthSize, attachmentTimeout };
}

/** Returns the option `rateLimit`, or `undefined` where there is no limit. */
export function rateLimitOf({ rateLimit: limit }: ServerOptions): RateLimit | undefined {
  return limit && new RateLimit(limit);
}

/** Returns the codec for the option `parser`. */
export function codecFor({ parser: own, maxAttachments }: ServerOptions): Codec {
  return own === undefined
    ? standardCodec(maxAttachments ?? DEFAULT_MAX_ATTACHMENTS)
    : codecOf(own);
}

/** Returns the limits of connection state recovery, or `undefined` where it is off. */
export function recoveryLimits(options: ServerOptions): RecoveryLimits | undefined {
  const { pingInterval = DEFAULTS.pingInterval, pingTimeout = DEFAULTS.pingTimeout } = options;
  const { maxBackpressure = DEFAULTS.maxBackpressure } = options;
  const recovery = recoveryOf(options);
  return recovery && limitsOf(recovery, pingInterval + pingTimeout, maxBackpressure);
}

/** Returns the option `adapter`. Default: rooms in memory. */
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
