// What differs between Node and a browser: HTTP requests and WebSockets. Each has its own; the rest
// of the client is the same.

import type { PacketCodec } from "../../lib/events/parser.ts";
import type { EngineOptions } from "../engineio/options.ts";
import type {
  PlatformCall,
  PlatformOptions,
  PlatformOptionTable,
  PlatformWebSocket,
} from "./network.ts";

export interface Platform {
  /** What its own options must be. */
  readonly options: PlatformOptionTable;
  /** How packets travel where the program says nothing of it. */
  codec(options: { readonly maxAttachments?: number }): PacketCodec;
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
