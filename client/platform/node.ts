// The platform for Node: requests with node:http and node:https, and the WebSocket client of lib/websocket.

import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from "node:http";
import { Agent as HttpsAgent, type RequestOptions, request as requestHttps } from "node:https";

import type { Socket } from "node:net";
import { WebSocket } from "../../lib/websocket/client.ts";
import {
  type HeaderFields,
  isRedirect,
  MAX_REDIRECTS,
  redirectHeaders,
  redirectTarget,
} from "../../lib/websocket/redirects.ts";
import { type Bytes, concat, decodeUtf8 } from "../../protocol/bytes.ts";
import type { EngineOptions } from "../engineio/options.ts";
import { standardCodec } from "../socketio/codec.ts";
import { CookieJar } from "./cookies.ts";
import type {
  PlatformCall,
  PlatformOptions,
  PlatformResponse,
  PlatformWebSocket,
} from "./network.ts";
import { NODE_OPTIONS } from "./node-options.ts";
import type { Platform } from "./platform.ts";

/** The options that are passed to Node unchanged. */
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

// Each request opens a new connection. A server or a proxy may close a persistent connection while the client sends the
// next request. Then the client does not know whether the server has received the request, and RFC 9110 §9.2.2 forbids
// sending a POST again. The agents resume TLS sessions, so that new connections are cheaper.
const AGENTS = { "http:": new HttpAgent(), "https:": new HttpsAgent() };

const DEFAULT_MAX_PAYLOAD = 100 * 1024 * 1024;

type Options = EngineOptions & PlatformOptions;

/** One request, including its redirects. */
class Call implements PlatformCall {
  readonly response: Promise<PlatformResponse>;
  readonly #body: string | undefined;
  readonly #options: Options;
  readonly #cookies: CookieJar | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #request: ClientRequest | undefined;
  #settle: { resolve(response: PlatformResponse): void; reject(error: Error): void };
  #redirects = 0;

  constructor(
    url: string,
    body: string | undefined,
    options: Options,
    cookies: CookieJar | undefined,
  ) {
    this.#body = body;
    this.#options = options;
    this.#cookies = cookies;
    this.#settle = { resolve: () => {}, reject: () => {} };
    this.response = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const { requestTimeout = 0, extraHeaders = {} } = options;
    if (requestTimeout > 0)
      this.#timer = setTimeout(() => this.#fail(new Error("timeout")), requestTimeout);
    const headers = {
      Accept: "*/*",
      ...(body !== undefined && { "Content-Type": "text/plain;charset=UTF-8" }),
      ...extraHeaders,
    };
    this.#ask(new URL(url), body, headers);
  }

  abort(): void {
    clearTimeout(this.#timer);
    this.#request?.destroy();
    this.#settle.reject(new Error("aborted"));
  }

  #ask(url: URL, body: string | undefined, headers: HeaderFields): void {
    let request: ClientRequest;
    try {
      request = this.#createRequest(url, body, headers);
    } catch (error) {
      // The cause may be an invalid header field, or a redirect to a scheme that the agent does not support.
      this.#fail(error);
      return;
    }
    this.#request = request;
    if (this.#options.autoUnref === true) request.on("socket", unref);
    // The request is not sent again, because the server may have received the POST, or may have answered the GET.
    request.on("error", (error) => this.#settle.reject(error));
    request.on("upgrade", (_, socket) => {
      socket.destroy();
      this.#fail(new Error("the server responded with status 101 to a polling request"));
    });
    request.on("response", (response) => this.#onResponse(url, headers, response));
    request.end(body);
  }

  /** Creates a request. Throws the error of node:http if the URL, the agent or a header field is invalid. */
  #createRequest(url: URL, body: string | undefined, headers: HeaderFields): ClientRequest {
    const secure = url.protocol === "https:";
    return (secure ? requestHttps : requestHttp)(url, {
      agent: AGENTS[secure ? "https:" : "http:"],
      ...connectionOptions(this.#options),
      method: body === undefined ? "GET" : "POST",
      headers: withCookie(headers, this.#cookies?.header(url)),
    });
  }

  #onResponse(url: URL, headers: HeaderFields, response: IncomingMessage): void {
    const { statusCode: status = 0 } = response;
    this.#cookies?.take(url, response.headers["set-cookie"]);
    const target = isRedirect(status) ? redirectTarget(url, response.headers.location) : undefined;
    if (target !== undefined) {
      response.resume();
      if (++this.#redirects > MAX_REDIRECTS)
        this.#fail(new Error(`too many redirections: more than ${MAX_REDIRECTS}`));
      // RFC 9110 §15.4: 307 and 308 keep the method. After other redirects, clients send a GET.
      else if (status === 307 || status === 308) this.#follow(url, target, this.#body, headers);
      else this.#follow(url, target, undefined, headers);
      return;
    }
    const { maxPayload = DEFAULT_MAX_PAYLOAD } = this.#options;
    const chunks: Bytes[] = [];
    let length = 0;
    response
      .on("data", (chunk: Bytes) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > maxPayload)
          this.#fail(
            new Error(
              `the response is longer than maxPayload allows: more than ${maxPayload} bytes`,
            ),
          );
      })
      .on("error", (error) => this.#settle.reject(error))
      .on("end", () => {
        clearTimeout(this.#timer);
        const body = decodeUtf8(concat(chunks));
        if (body === undefined) this.#fail(new Error("the response is not valid UTF-8"));
        else this.#settle.resolve({ status, body });
      });
  }

  #follow(from: URL, to: URL, body: string | undefined, headers: HeaderFields): void {
    this.#ask(to, body, redirectHeaders(from, to, headers));
  }

  #fail(error: unknown): void {
    this.#settle.reject(error instanceof Error ? error : new Error(`${error}`));
    this.abort();
  }
}

function webSocket(
  url: string,
  options: Options,
  cookies: CookieJar | undefined,
): PlatformWebSocket {
  const { protocols, extraHeaders = {}, perMessageDeflate, maxPayload } = options;
  const created = new WebSocket(url, protocols, {
    ...connectionOptions(options),
    headers: withCookie(extraHeaders, cookies?.header(new URL(url))),
    ...(perMessageDeflate !== undefined && { perMessageDeflate }),
    ...(maxPayload !== undefined && { maxPayload }),
    autoUnref: options.autoUnref === true,
    followRedirects: true,
  });
  created.binaryType = "nodebuffer";
  return created;
}

function withCookie(headers: HeaderFields, cookie: string | undefined): HeaderFields {
  return cookie === undefined ? headers : { ...headers, Cookie: cookie };
}

function unref(socket: Socket): void {
  socket.unref();
}

const nothing = (): void => {};

/**
 * Creates the platform of one manager. If the option `withCredentials` is set, the platform keeps cookies for all later
 * connections of the manager.
 */
export function createNodePlatform(): Platform {
  const jar = new CookieJar();
  const cookiesOf = (options: Options): CookieJar | undefined =>
    options.withCredentials === true ? jar : undefined;
  return {
    options: NODE_OPTIONS,
    codec: standardCodec,
    request: (url, body, options) => new Call(url, body, options, cookiesOf(options)),
    webSocket: (url, options) => webSocket(url, options, cookiesOf(options)),
    // Node has no events for the network or for leaving a page.
    onNetwork: () => nothing,
    onLeave: () => nothing,
    unref: (timer) => {
      if (typeof timer === "object") timer.unref();
    },
  };
}
