// Browsers, as a platform: fetch() and their WebSocket.

import type { EngineOptions } from "./engine.ts";
import type { Platform, PlatformCall } from "./platform.ts";

// What of a page is used here; the sources are compiled for Node.
declare function addEventListener(name: string, listener: () => void): void;
declare function removeEventListener(name: string, listener: () => void): void;
declare const location: { readonly href: string };

function request(url: string, body: string | undefined, options: EngineOptions): PlatformCall {
  const { requestTimeout, extraHeaders, withCredentials } = options;
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = requestTimeout ? setTimeout(abort, requestTimeout) : undefined;
  const response = fetch(url, {
    // A text is "text/plain;charset=UTF-8" by itself.
    ...(body !== undefined && { method: "POST", body }),
    headers: { ...extraHeaders },
    credentials: withCredentials ? "include" : "same-origin",
    signal: controller.signal,
  })
    .then(async (answer) => ({ status: answer.status, body: await answer.text() }))
    .finally(() => clearTimeout(timer));
  return { response, abort };
}

/** Calls `listener` for events of the page; gives what ends that. */
function listen(name: string, listener: () => void): () => void {
  addEventListener(name, listener);
  return () => removeEventListener(name, listener);
}

/** @param codec how packets travel where the program says nothing of it */
export function createBrowserPlatform(codec: Platform["codec"]): Platform {
  return {
    codec,
    request,
    // Header fields of its opening handshake are the browser's own.
    webSocket: (url, { protocols = [] }) => {
      const socket = new WebSocket(url, [protocols].flat());
      socket.binaryType = "arraybuffer";
      return socket;
    },
    onNetwork: (listener) => {
      const ends = [
        listen("online", () => listener(true)),
        listen("offline", () => listener(false)),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
    onLeave: (listener) => listen("beforeunload", listener),
    unref: () => {},
  };
}

/** Where the page is. */
export function page(): string {
  return location.href;
}
