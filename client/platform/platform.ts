// Defines the interface that hides the differences between Node and browsers, mainly in HTTP requests and WebSockets.
// node.ts and browser.ts implement the interface. The rest of the client is the same in Node and in browsers.

import type { PacketCodec } from "../../lib/events/parser.ts";
import type { EngineOptions } from "../engineio/options.ts";
import type {
  PlatformCall,
  PlatformOptions,
  PlatformOptionTable,
  PlatformWebSocket,
} from "./network.ts";

/** The functions that Node and browsers provide in different ways. */
export interface Platform {
  /** The checks of the options that only Node supports. */
  readonly options: PlatformOptionTable;
  /** Creates the codec for a manager without the option `parser`. */
  codec(options: { readonly maxAttachments?: number }): PacketCodec;
  /** Opens a WebSocket. */
  webSocket(url: string, options: EngineOptions & PlatformOptions): PlatformWebSocket;
  /**
   * Sends an HTTP request.
   *
   * @param body the body of a POST. `undefined` for a GET
   */
  request(
    url: string,
    body: string | undefined,
    options: EngineOptions & PlatformOptions,
  ): PlatformCall;
  /**
   * Calls `listener` when the network becomes available or unavailable. Returns a function that removes the
   * listener.
   */
  onNetwork(listener: (online: boolean) => void): () => void;
  /** Calls `listener` when the user leaves the page. Returns a function that removes the listener. */
  onLeave(listener: () => void): () => void;
  /** Lets the process exit while the timer is pending. Missing in browsers. */
  unref?(timer: ReturnType<typeof setTimeout>): void;
}
