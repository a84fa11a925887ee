// What differs between Node and a browser: HTTP requests and WebSockets. Each has its own; the rest
// of the client is the same.

import type { Bytes } from "../protocol/bytes.ts";

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

export interface PlatformRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly body: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Cookies go with requests to another origin. */
  readonly withCredentials: boolean;
  /** Milliseconds that it may take; 0 for as long as it likes. */
  readonly timeout: number;
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
  webSocket(
    url: string,
    protocols: readonly string[],
    headers: Readonly<Record<string, string>>,
    options: PlatformOptions,
  ): PlatformWebSocket;
  request(request: PlatformRequest, options: PlatformOptions): PlatformCall;
  /** Calls back when the network comes or goes; gives what ends that. */
  onNetwork(listener: (online: boolean) => void): () => void;
  /** Calls back when the page is left for good; gives what ends that. */
  onLeave(listener: () => void): () => void;
  /** A timer that does not keep the process alive. */
  unref(timer: ReturnType<typeof setTimeout>): void;
}
