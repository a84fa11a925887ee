// Node: requests over node:http and node:https, WebSockets of our own.

import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from "node:http";
import { Agent as HttpsAgent, type RequestOptions, request as requestHttps } from "node:https";

import type { Socket } from "node:net";

import { type Bytes, concat, decodeUtf8 } from "../protocol/bytes.ts";
import { standardCodec } from "./codec.ts";
import { CookieJar } from "./cookies.ts";
import type { EngineOptions } from "./engine.ts";
import type {
  Platform,
  PlatformCall,
  PlatformOptions,
  PlatformResponse,
  PlatformWebSocket,
} from "./platform.ts";
import {
  type HeaderFields,
  isRedirect,
  MAX_REDIRECTS,
  redirectHeaders,
  redirectTarget,
} from "./redirects.ts";
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

const DEFAULT_MAX_PAYLOAD = 100 * 1024 * 1024;

type Options = EngineOptions & PlatformOptions;

/** One request and its redirections. */
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
    if (requestTimeout > 0) this.#timer = setTimeout(() => this.#fail("timeout"), requestTimeout);
    const headers = {
      Accept: "*/*",
      ...(body !== undefined && { "Content-Type": "text/plain;charset=UTF-8" }),
      ...extraHeaders,
    };
    try {
      this.#ask(new URL(url), body, headers);
    } catch (error) {
      // A header field that cannot be sent, for one.
      this.#settle.reject(error instanceof Error ? error : new Error(`${error}`));
    }
  }

  abort(): void {
    clearTimeout(this.#timer);
    this.#request?.destroy();
    this.#settle.reject(new Error("aborted"));
  }

  #ask(url: URL, body: string | undefined, headers: HeaderFields): void {
    const { protocol } = url;
    const secure = protocol === "https:";
    const cookie = this.#cookies?.header(url);
    const request = (secure ? requestHttps : requestHttp)(url, {
      agent: AGENTS[secure ? "https:" : "http:"],
      ...connectionOptions(this.#options),
      method: body === undefined ? "GET" : "POST",
      headers: withCookie(headers, cookie),
    });
    this.#request = request;
    if (this.#options.autoUnref === true) request.on("socket", unref);
    // Not asked again, also where only a connection that was kept has ended: a poll whose answer is
    // lost has taken packets with it.
    request.on("error", (error) => this.#settle.reject(error));
    // An answer of another protocol is none.
    request.on("upgrade", (_, socket) => {
      socket.destroy();
      this.#fail("the server has changed the protocol");
    });
    request.on("response", (response) => this.#onResponse(url, headers, response));
    request.end(body);
  }

  #onResponse(url: URL, headers: HeaderFields, response: IncomingMessage): void {
    const { statusCode: status = 0 } = response;
    this.#cookies?.take(url, response.headers["set-cookie"]);
    const target = isRedirect(status) ? redirectTarget(url, response.headers.location) : undefined;
    if (target !== undefined) {
      response.resume();
      if (++this.#redirects > MAX_REDIRECTS) this.#fail("too many redirections");
      // RFC 9110 §15.4: these two keep the method; behind the others a GET is what everybody sends.
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
        if (length > maxPayload) this.#fail("the response is too long");
      })
      .on("error", (error) => this.#settle.reject(error))
      .on("end", () => {
        clearTimeout(this.#timer);
        const body = decodeUtf8(concat(chunks));
        if (body === undefined) this.#fail("the response is not UTF-8");
        else this.#settle.resolve({ status, body });
      });
  }

  #follow(from: URL, to: URL, body: string | undefined, headers: HeaderFields): void {
    this.#ask(to, body, redirectHeaders(from, to, headers));
  }

  #fail(message: string): void {
    this.#settle.reject(new Error(message));
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

/** A platform for one manager: its cookies are kept between its connections, where the option `withCredentials` is set. */
export function createNodePlatform(): Platform {
  const jar = new CookieJar();
  const cookiesOf = (options: Options): CookieJar | undefined =>
    options.withCredentials === true ? jar : undefined;
  return {
    codec: standardCodec,
    request: (url, body, options) => new Call(url, body, options, cookiesOf(options)),
    webSocket: (url, options) => webSocket(url, options, cookiesOf(options)),
    // Node knows nothing of either.
    onNetwork: () => nothing,
    onLeave: () => nothing,
    unref: (timer) => {
      if (typeof timer === "object") timer.unref();
    },
  };
}
