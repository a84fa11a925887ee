// HTTP requests and WebSockets as the client uses them, and the options that a platform has for them.

import type { OptionTable } from "../../lib/events/options.ts";
import type { Bytes } from "../../protocol/bytes.ts";

/** A WebSocket as far as the client uses it. */
export interface PlatformWebSocket {
  // Each platform has classes of its own for these events.
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: string | Bytes): void;
  close(): void;
}

export interface PlatformResponse {
  readonly status: number;
  readonly body: string;
}

export interface PlatformCall {
  /** Rejects where there is no response. */
  readonly response: Promise<PlatformResponse>;
  /** Ends it; the response rejects. */
  abort(): void;
}

type Pem = string | Uint8Array | readonly (string | Uint8Array)[];

/** What only Node can do; browsers pass it over. Where Node has an option of that name, it is that. */
export interface PlatformOptions {
  /** Makes the connections: a proxy's, for one. Of node:http, or of node:https for https URLs. */
  readonly agent?: object | false;
  readonly ca?: Pem;
  readonly cert?: Pem;
  readonly key?: Pem;
  readonly pfx?: Pem;
  readonly passphrase?: string;
  readonly ciphers?: string;
  /** `false`: whatever the certificate. Default `true`. */
  readonly rejectUnauthorized?: boolean;
  readonly checkServerIdentity?: (host: string, certificate: never) => Error | undefined;
  /** 4 or 6. */
  readonly family?: number;
  readonly localAddress?: string;
  /** permessage-deflate is offered to the server. Default `{ threshold: 1024 }`, in bytes. */
  readonly perMessageDeflate?: boolean | { readonly threshold?: number };
  /** Bytes in one message, or in one response to polling. Default 100 MiB. */
  readonly maxPayload?: number;
}

/** Options of socket.io-client that are known and do nothing. */
type Ignored = "policyPort" | "useNativeTimers";

/** The options that only one platform uses. */
export type PlatformOptionTable = OptionTable<PlatformOptions, Ignored>;
