// The interfaces of the HTTP requests and WebSockets of a platform, and the options that only Node supports.

import type { OptionTable } from "../../lib/events/options.ts";
import type { Bytes } from "../../protocol/bytes.ts";

/** The members of a WebSocket that the client uses. A browser's WebSocket has them too. */
export interface PlatformWebSocket {
  // The parameters are `never` because Node and browsers have different classes for these events.
  /** Called when the opening handshake has succeeded. */
  onopen: ((event: never) => void) | null;
  /** Called when a message is received. */
  onmessage: ((event: never) => void) | null;
  /** Called when the connection fails. */
  onerror: ((event: never) => void) | null;
  /** Called when the connection is closed. */
  onclose: ((event: never) => void) | null;
  /**
   * Sends a message.
   *
   * @param data a text, or the bytes of a binary message
   */
  send(data: string | Bytes): void;
  /** Closes the connection with the closing handshake. */
  close(): void;
}

/** The response to a request of the polling transport. */
export interface PlatformResponse {
  /** The HTTP status. */
  readonly status: number;
  /** The decoded body. */
  readonly body: string;
}

/** A request of the polling transport. */
export interface PlatformCall {
  /** Resolves to the response. Rejects if there is no valid response. */
  readonly response: Promise<PlatformResponse>;
  /** Aborts the request. Then `response` rejects. */
  abort(): void;
}

/** A certificate or key, or a list of certificates or keys. A string is in PEM format. */
export type Pem = string | Uint8Array | readonly (string | Uint8Array)[];

/** The options of the extension permessage-deflate. RFC 7692. */
export interface PerMessageDeflateOptions {
  /** Compress messages of at least this many bytes. Default: 1024. */
  readonly threshold?: number;
}

/**
 * Options that only Node supports. Browsers ignore them. The options for connections and TLS are passed to Node's
 * http.request(), https.request() and tls.connect().
 */
export interface PlatformOptions {
  /**
   * The agent that creates the connections, for example through a proxy: an agent of node:https for https URLs,
   * otherwise an agent of node:http. Default: a new connection for each request.
   *
   * @example
   * import { Agent } from "node:http";
   *
   * const socket = io("http://localhost:3000", { agent: new Agent({ localAddress: "127.0.0.1" }) });
   */
  readonly agent?: object | false;
  /** The certificates of the authorities to trust. Default: the authorities that Node trusts. */
  readonly ca?: Pem;
  /** The client's certificate. Default: none. */
  readonly cert?: Pem;
  /** The private key of the client's certificate. Default: none. */
  readonly key?: Pem;
  /** The client's certificate and private key in PKCS #12 format. Default: none. */
  readonly pfx?: Pem;
  /** The passphrase of `key` or `pfx`. Default: none. */
  readonly passphrase?: string;
  /** The ciphers to offer, in the syntax of OpenSSL. Default: the ciphers of Node. */
  readonly ciphers?: string;
  /** Fail the connection if the server's certificate is invalid. Default: `true`. */
  readonly rejectUnauthorized?: boolean;
  /**
   * Returns an error if the server's certificate does not belong to the host. Default: Node's
   * tls.checkServerIdentity().
   *
   * @param host the host name of the server
   * @param certificate the server's certificate, a PeerCertificate of node:tls
   */
  readonly checkServerIdentity?: (host: string, certificate: never) => Error | undefined;
  /** The version of IP to use: 4 or 6. 0 means that both versions may be used. Default: 0. */
  readonly family?: number;
  /** The local address from which to connect. Default: chosen by the operating system. */
  readonly localAddress?: string;
  /** Offer the extension permessage-deflate to the server. Default: `{ threshold: 1024 }`. RFC 7692. */
  readonly perMessageDeflate?: boolean | PerMessageDeflateOptions;
  /** The largest WebSocket message or polling response to accept, in bytes. Default: 100 MiB. */
  readonly maxPayload?: number;
}

/** Options of socket.io-client that are accepted and have no effect. */
type Ignored = "policyPort" | "useNativeTimers";

/** The checks of the options that only Node supports. */
export type PlatformOptionTable = OptionTable<PlatformOptions, Ignored>;
