// Node: requests over node:http and node:https, WebSockets of our own.

import { Agent as HttpAgent, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, type RequestOptions, request as requestHttps } from "node:https";

import type { Bytes } from "../protocol/bytes.ts";
import { standardCodec } from "./codec.ts";
import type { EngineOptions } from "./engine.ts";
import type {
  Platform,
  PlatformCall,
  PlatformOptions,
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

function request(
  url: string,
  body: string | undefined,
  options: EngineOptions & PlatformOptions,
): PlatformCall {
  const { requestTimeout = 0, extraHeaders } = options;
  const { protocol } = new URL(url);
  const secure = protocol === "https:";
  const call = (secure ? requestHttps : requestHttp)(url, {
    agent: AGENTS[secure ? "https:" : "http:"],
    ...connectionOptions(options),
    method: body === undefined ? "GET" : "POST",
    headers: {
      Accept: "*/*",
      ...(body !== undefined && { "Content-Type": "text/plain;charset=UTF-8" }),
      ...extraHeaders,
    },
  });
  if (requestTimeout > 0) call.setTimeout(requestTimeout, () => call.destroy(new Error("timeout")));
  const response = new Promise<PlatformResponse>((resolve, reject) => {
    call.on("error", reject).on("response", (answer) => {
      const chunks: Bytes[] = [];
      answer
        .on("data", (chunk: Bytes) => chunks.push(chunk))
        .on("error", reject)
        .on("end", () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: answer.statusCode ?? 0, body: text });
        });
    });
  });
  call.end(body);
  return { response, abort: () => call.destroy() };
}

function webSocket(url: string, options: EngineOptions & PlatformOptions): PlatformWebSocket {
  const { protocols, extraHeaders: headers = {} } = options;
  const created = new WebSocket(url, protocols, { ...connectionOptions(options), headers });
  created.binaryType = "nodebuffer";
  return created;
}

const nothing = (): void => {};

export const NODE: Platform = {
  codec: standardCodec,
  request,
  webSocket,
  // Node knows nothing of either.
  onNetwork: () => nothing,
  onLeave: () => nothing,
  unref: (timer) => {
    if (typeof timer === "object") timer.unref();
  },
};
