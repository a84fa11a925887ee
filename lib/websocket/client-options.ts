// The options of the WebSocket client, and what each must be.

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

export interface WebSocketDeflateOptions extends DeflatePreferences {
  /** Bytes from which a message is compressed. Default 1024. */
  readonly threshold?: number;
  /** zlib's own settings for what is sent, such as `level`. */
  readonly zlibDeflateOptions?: ZlibOptions;
}

/** What a browser's WebSocket does not have. */
export interface WebSocketOptions extends RequestOptions {
  /** Milliseconds that the opening handshake may take. Default 30,000. */
  readonly handshakeTimeout?: number;
  /** Bytes in one message. Default 100 MiB. */
  readonly maxPayload?: number;
  /** permessage-deflate is offered. Default `true`. */
  readonly perMessageDeflate?: boolean | WebSocketDeflateOptions;
  /** A response that sends the client elsewhere is followed, up to ten times. Default `false`. */
  readonly followRedirects?: boolean;
  /** The connection does not keep a process alive. Default `false`. */
  readonly autoUnref?: boolean;
  /** Header fields of the request; to another host those that say who this is do not go along. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Node itself checks what these hold. */
export const port: Check = checkThat("a number or a string", (v) => isNumber(v) || isString(v));
const anything: Check = () => {};

/** What node:tls knows of certificates and of the other end. */
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

/** Options of ws's client. */
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

  // For node:http, node:net and node:tls.
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

  // Those of ws. What a message may cost is bounded by other means here, whatever its parts.
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
