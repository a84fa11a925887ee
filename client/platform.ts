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

/** What a connection has of its own: TLS, proxies. Only Node can do that. */
export type PlatformOptions = Readonly<Record<string, unknown>>;

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
  unref(timer: ReturnType<typeof setTimeout>): void;
}
