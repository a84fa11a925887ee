// The platform for browsers: fetch() and the browser's WebSocket.

import type { EngineOptions } from "../engineio/options.ts";
import type { PlatformCall, PlatformOptionTable } from "./network.ts";
import type { Platform } from "./platform.ts";

// The globals of a page that this file uses. They are declared here because the sources are compiled with the types of
// Node, which do not declare them. Each of them may be missing in workers, in React Native, and on servers that render
// pages.
declare const addEventListener:
  | ((name: string, listener: () => void, options: { readonly signal: AbortSignal }) => void)
  | undefined;
declare const location: { readonly href: string } | undefined;

/**
 * The check of an option that only Node uses. Accepts any value, so that the same program runs in Node and in
 * browsers.
 */
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
    // fetch() sets "text/plain;charset=UTF-8" as the content type of a text.
    ...(body !== undefined && { method: "POST", body }),
    headers: { ...extraHeaders },
    credentials: withCredentials ? "include" : "same-origin",
    signal: controller.signal,
  })
    .then(async (answer) => ({ status: answer.status, body: await answer.text() }))
    .finally(() => clearTimeout(timer));
  return { response, abort };
}

/** Adds listeners to the window: each key is the name of an event. Returns a function that removes the listeners. */
function listen(listeners: Readonly<Record<string, () => void>>): () => void {
  const controller = new AbortController();
  if (typeof addEventListener === "function") {
    for (const [name, listener] of Object.entries(listeners)) {
      addEventListener(name, listener, controller);
    }
  }
  return () => controller.abort();
}

/**
 * Creates the platform for browsers.
 *
 * @param codec creates the codec for a manager without the option `parser`
 */
export function createBrowserPlatform(codec: Platform["codec"]): Platform {
  return {
    options: OPTIONS,
    codec,
    request,
    // A browser's WebSocket does not accept header fields for the opening handshake, so `extraHeaders` is ignored.
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
