// The options of the WebSocket client, and their checks.

import type { RequestOptions } from "node:https";
import type { ZlibOptions } from "node:zlib";

import type { DeflatePreferences } from "../../protocol/websocket/deflate-negotiation.ts";
import {
  boolean,
  type Check,
  checkThat,
  headerFields,
  isNumber,
  isString,
  limit,
  milliseconds,
  type OptionTable,
  object,
  string,
} from "../events/options.ts";
import {
  bytes,
  callback,
  duration,
  integer,
  pem,
  perMessageDeflate,
  positiveMilliseconds,
  unsupported,
  valueOr,
} from "../node-options.ts";

/** The options of permessage-deflate (RFC 7692) of a WebSocket client. */
export interface WebSocketDeflateOptions extends DeflatePreferences {
  /** Compress messages of at least this many bytes. Default: 1024. */
  readonly threshold?: number;
  /** Options of node:zlib for the compression of sent messages, such as `level`. Default: the defaults of node:zlib. */
  readonly zlibDeflateOptions?: ZlibOptions;
}

/**
 * The options of the WebSocket client, in addition to those of `https.request()`. Of these, `host`, `hostname`, `method`,
 * `path`, `port` and `protocol` have no effect, because the URL replaces them. For a URL with the scheme wss or https,
 * `createConnection` must return a connection with TLS. A browser's `WebSocket` has no options.
 *
 * @example
 * const socket = new WebSocket("ws://localhost:8080", [], {
 *   headers: { Authorization: "Bearer abc" },
 *   handshakeTimeout: 5_000,
 * });
 */
export interface WebSocketOptions extends RequestOptions {
  /** How long the opening handshake may take, including redirections, in milliseconds. Default: 30,000. */
  readonly handshakeTimeout?: number;
  /**
   * Largest message that is accepted, in bytes. The limit also applies to an inflated message. A larger message fails the
   * connection with 1009. Default: 100 MiB.
   */
  readonly maxPayload?: number;
  /** Offer permessage-deflate (RFC 7692). `true` uses the default options, and an object sets options. Default: `true`. */
  readonly perMessageDeflate?: boolean | WebSocketDeflateOptions;
  /** Follow up to ten redirections. Default: `false`. */
  readonly followRedirects?: boolean;
  /** Let the process exit while the connection is open. Default: `false`. */
  readonly autoUnref?: boolean;
  /**
   * Header fields of the request. Authorization, Cookie and Proxy-Authorization are removed when the request is redirected
   * to another host, or from TLS to plain TCP. This includes the field for the option `auth`. Default: none.
   */
  readonly headers?: Readonly<Record<string, string>>;
}

export const port: Check = checkThat("a number or a string", (v) => isNumber(v) || isString(v));
/** Accepts every value, since node:http checks the option itself. */
const anything: Check = () => {};

/** The options of node:tls about certificates and the verification of the peer. */
export const TLS_OPTIONS = {
  ca: pem,
  cert: pem,
  checkServerIdentity: callback,
  ciphers: string,
  key: pem,
  passphrase: string,
  pfx: pem,
  rejectUnauthorized: boolean,
};

/** Options that the client of the package ws has. */
type Ws =
  | "allowSynchronousEvents"
  | "autoPong"
  | "closeTimeout"
  | "finishRequest"
  | "generateMask"
  | "maxBufferedChunks"
  | "maxFragments"
  | "maxPendingAutoPongs"
  | "maxRedirects"
  | "origin"
  | "protocolVersion"
  | "skipUTF8Validation";

export const WEBSOCKET_OPTIONS: OptionTable<WebSocketOptions, Ws> = {
  ...TLS_OPTIONS,
  autoUnref: boolean,
  followRedirects: boolean,
  handshakeTimeout: positiveMilliseconds,
  headers: headerFields,
  maxPayload: bytes,
  perMessageDeflate,

  // Options of node:http, node:net and node:tls.
  _defaultAgent: object,
  agent: valueOr([false], object),
  ALPNCallback: callback,
  allowPartialTrustChain: boolean,
  auth: string,
  clientCertEngine: string,
  createConnection: callback,
  crl: pem,
  defaultPort: port,
  dhparam: pem,
  ecdhCurve: string,
  family: integer(0, 6),
  hints: limit,
  honorCipherOrder: boolean,
  host: string,
  hostname: string,
  insecureHTTPParser: boolean,
  joinDuplicateHeaders: boolean,
  localAddress: string,
  localPort: integer(0, 65_535),
  lookup: callback,
  maxHeaderSize: bytes,
  maxVersion: string,
  method: string,
  minVersion: string,
  path: string,
  port,
  privateKeyEngine: string,
  privateKeyIdentifier: string,
  protocol: string,
  secureOptions: limit,
  secureProtocol: string,
  servername: string,
  sessionIdContext: string,
  sessionTimeout: duration,
  setHost: boolean,
  sigalgs: string,
  signal: object,
  socketPath: string,
  ticketKeys: object,
  timeout: milliseconds,
  uniqueHeaders: anything,

  // Options of the package ws. If such an option is accepted, it has no effect. Limits on the number of fragments are not
  // necessary, because `maxPayload` limits the memory of a message, however the message is fragmented.
  allowSynchronousEvents: boolean,
  autoPong: valueOr([true], unsupported("pings are always answered")),
  closeTimeout: unsupported("the closing handshake may take 30 seconds"),
  finishRequest: unsupported('use "headers"'),
  generateMask: unsupported("masking keys are random"),
  maxBufferedChunks: limit,
  maxFragments: limit,
  maxPendingAutoPongs: limit,
  maxRedirects: unsupported("ten redirections are followed"),
  origin: unsupported('put "Origin" into "headers"'),
  protocolVersion: valueOr([13], unsupported("the version is 13")),
  skipUTF8Validation: valueOr([false], unsupported("UTF-8 is always validated")),
};
