// Node: requests over node:http and node:https, WebSockets of our own.

import { Agent as HttpAgent, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, type RequestOptions, request as requestHttps } from "node:https";

import type { Bytes } from "../protocol/bytes.ts";
import type {
  Platform,
  PlatformCall,
  PlatformOptions,
  PlatformRequest,
  PlatformResponse,
  PlatformWebSocket,
} from "./platform.ts";
import { WebSocket } from "./websocket.ts";

/** Options of a connection that are handed to Node as they are. */
const CONNECTION_OPTIONS = [
  "agent",
  "ca",
  "cert",
  "checkServerIdentity",
  "ciphers",
  "family",
  "key",
  "localAddress",
  "passphrase",
  "pfx",
  "rejectUnauthorized",
] as const;

function connectionOptions(options: PlatformOptions): RequestOptions {
  const given = CONNECTION_OPTIONS.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}

// Of their own, so that polling does not wait behind a program's other requests.
const AGENTS = {
  "http:": new HttpAgent({ keepAlive: true }),
  "https:": new HttpsAgent({ keepAlive: true }),
};

function request(asked: PlatformRequest, options: PlatformOptions): PlatformCall {
  const { protocol } = new URL(asked.url);
  const secure = protocol === "https:";
  const call = (secure ? requestHttps : requestHttp)(asked.url, {
    agent: AGENTS[secure ? "https:" : "http:"],
    ...connectionOptions(options),
    method: asked.method,
    headers: { ...asked.headers },
  });
  if (asked.timeout > 0) call.setTimeout(asked.timeout, () => call.destroy(new Error("timeout")));
  const response = new Promise<PlatformResponse>((resolve, reject) => {
    call.on("error", reject).on("response", (answer) => {
      const chunks: Bytes[] = [];
      answer
        .on("data", (chunk: Bytes) => chunks.push(chunk))
        .on("error", reject)
        .on("end", () => {
          const body = Buffer.concat(chunks).toString();
          resolve({ status: answer.statusCode ?? 0, body });
        });
    });
  });
  call.end(asked.body);
  return { response, abort: () => call.destroy() };
}

function webSocket(
  url: string,
  protocols: readonly string[],
  headers: Readonly<Record<string, string>>,
  options: PlatformOptions,
): PlatformWebSocket {
  const created = new WebSocket(url, protocols, { ...connectionOptions(options), headers });
  created.binaryType = "nodebuffer";
  return created;
}

const nothing = (): void => {};

export const NODE: Platform = {
  request,
  webSocket,
  // Node knows nothing of either.
  onNetwork: () => nothing,
  onLeave: () => nothing,
  unref: (timer) => {
    if (typeof timer === "object") timer.unref();
  },
};
