// Browsers, as a platform: fetch() and their WebSocket.

import type { EngineOptions } from "../engineio/options.ts";
import type { PlatformCall, PlatformOptionTable } from "./network.ts";
import type { Platform } from "./platform.ts";

// What of a page is used here; the sources are compiled for Node. Workers, React Native and servers that render
// pages lack the first, the second, or both.
declare const addEventListener:
  | ((name: string, listener: () => void, options: { readonly signal: AbortSignal }) => void)
  | undefined;
declare const location: { readonly href: string } | undefined;

/** Known, so that one program can run in Node too. */
const known = (): void => {};
const OPTIONS: PlatformOptionTable = {
  agent: known,
  ca: known,
  cert: known,
  checkServerIdentity: known,
  ciphers: known,
  family: known,
  key: known,
  localAddress: known,
  maxPayload: known,
  passphrase: known,
  perMessageDeflate: known,
  pfx: known,
  policyPort: known,
  rejectUnauthorized: known,
  useNativeTimers: known,
};

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

/** Listens to events of the page, by their names; gives what ends that. */
function listen(listeners: Readonly<Record<string, () => void>>): () => void {
  const controller = new AbortController();
  if (typeof addEventListener === "function") {
    for (const [name, listener] of Object.entries(listeners)) {
      addEventListener(name, listener, controller);
    }
  }
  return () => controller.abort();
}

/** @param codec how packets travel where the program says nothing of it */
export function createBrowserPlatform(codec: Platform["codec"]): Platform {
  return {
    options: OPTIONS,
    codec,
    request,
    // Header fields of its opening handshake are the browser's own.
    webSocket: (url, { protocols = [] }) => {
      const socket = new WebSocket(url, [protocols].flat());
      socket.binaryType = "arraybuffer";
      return socket;
    },
    onNetwork: (listener) =>
      listen({ online: () => listener(true), offline: () => listener(false) }),
    onLeave: (listener) => listen({ beforeunload: listener }),
  };
}

/** Returns the page's URL, or `undefined` if there is no page. */
export function page(): string | undefined {
  return typeof location === "undefined" ? undefined : location.href;
}
