// Browsers: fetch() and their WebSocket. What a bundle begins with.

import { createLookup, type Lookup } from "./lookup.ts";
import { Manager as AnyManager, type ManagerOptions } from "./manager.ts";
import type { Platform, PlatformCall, PlatformRequest } from "./platform.ts";

export { AckTimeoutError, DisconnectedError } from "../protocol/errors.ts";
export {
  PollingTransport as Fetch,
  PollingTransport as NodeXHR,
  PollingTransport as XHR,
} from "./polling.ts";
export { RefusedError, Socket } from "./socket.ts";
export {
  WebSocketTransport as NodeWebSocket,
  WebSocketTransport as WebSocket,
} from "./websocket-transport.ts";

// What of a page is used here; the sources are compiled for Node.
declare function addEventListener(name: string, listener: () => void): void;
declare function removeEventListener(name: string, listener: () => void): void;
declare const location: { readonly href: string };

/** The revision of the protocol. */
export const protocol = 5;

function request(asked: PlatformRequest): PlatformCall {
  const { method, url, body, headers, withCredentials, timeout } = asked;
  const controller = new AbortController();
  const timer = timeout > 0 ? setTimeout(() => controller.abort(), timeout) : undefined;
  const ask = async () => {
    try {
      const response = await fetch(url, {
        method,
        headers,
        ...(body !== undefined && { body }),
        credentials: withCredentials ? "include" : "same-origin",
        signal: controller.signal,
      });
      return { status: response.status, body: await response.text() };
    } finally {
      clearTimeout(timer);
    }
  };
  return { response: ask(), abort: () => controller.abort() };
}

/** Calls `listener` for events of the page; gives what ends that. */
function listen(name: string, listener: () => void): () => void {
  addEventListener(name, listener);
  return () => removeEventListener(name, listener);
}

const BROWSER: Platform = {
  request,
  // Header fields of its opening handshake are the browser's own.
  webSocket: (url, protocols) => {
    const socket = new WebSocket(url, [...protocols]);
    socket.binaryType = "arraybuffer";
    return socket;
  },
  onNetwork: (listener) => {
    const ends = [listen("online", () => listener(true)), listen("offline", () => listener(false))];
    return () => {
      for (const end of ends) end();
    };
  },
  onLeave: (listener) => listen("beforeunload", listener),
  unref: () => {},
};

const page = (): string => location.href;

export class Manager extends AnyManager {
  /** @param url of the server; of the page's if it says no more than a path */
  constructor(url: string | URL = page(), options?: ManagerOptions) {
    super(BROWSER, new URL(url, page()), options);
  }
}

/** The socket of a namespace: the path of the URL. Without a URL, of the page's server. */
export const io: Lookup = createLookup(BROWSER, page);
/** The same as io(). */
export const connect: Lookup = io;
export default io;
