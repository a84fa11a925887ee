// What differs between Node and a browser: HTTP requests and WebSockets. Each has its own; the rest
// of the client is the same.

import type { Bytes } from "../protocol/bytes.ts";
import type { Codec } from "./codec.ts";
import type { EngineOptions } from "./engine.ts";

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

export interface Platform {
  /** How packets travel where the program says nothing of it. */
  codec(options: { readonly maxAttachments?: number }): Codec;
  webSocket(url: string, options: EngineOptions & PlatformOptions): PlatformWebSocket;
  /** @param body of a POST, as text in UTF-8; without one it is a GET */
  request(
    url: string,
    body: string | undefined,
    options: EngineOptions & PlatformOptions,
  ): PlatformCall;
  /** Calls back when the network comes or goes; gives what ends that. */
  onNetwork(listener: (online: boolean) => void): () => void;
  /** Calls back when the page is left for good; gives what ends that. */
  onLeave(listener: () => void): () => void;
  /** A timer that does not keep the process alive. */
  unref?(timer: ReturnType<typeof setTimeout>): void;
}
