// The opening handshake over node:http, a client's side (RFC 6455 §4.1), with redirections (RFC 6455 §4.1:
// "…MAY redirect the client").

import { randomBytes } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { type RequestOptions, request as requestHttps } from "node:https";
import type { Duplex } from "node:stream";

import type {
  DeflateParameters,
  DeflatePreferences,
} from "../../protocol/websocket/deflate-negotiation.ts";
import {
  type HandshakeOffer,
  judgeHandshake,
  offerHandshake,
} from "../../protocol/websocket/handshake.ts";
import {
  type HeaderFields,
  isRedirect,
  MAX_REDIRECTS,
  redirectHeaders,
  redirectTarget,
} from "./redirects.ts";

export interface OpeningOptions {
  readonly protocols: readonly string[];
  /** permessage-deflate is offered, on these terms. */
  readonly deflate: DeflatePreferences | undefined;
  /** Milliseconds that all of it may take. */
  readonly handshakeTimeout: number;
  readonly followRedirects: boolean;
  readonly headers: HeaderFields;
  /** For node:http and node:https: `agent`, TLS. */
  readonly request: RequestOptions;
}

export interface OpeningSink {
  /** @param head what came behind the header of the response */
  onOpened(socket: Duplex, head: Uint8Array, agreed: Agreement): void;
  onFailed(error: Error): void;
}

/** What both ends have agreed on. */
export interface Agreement {
  readonly protocol: string;
  /** The field Sec-WebSocket-Extensions of the response. */
  readonly extensions: string;
  readonly deflate: DeflateParameters | undefined;
}

export class Opening {
  readonly #options: OpeningOptions;
  readonly #sink: OpeningSink;
  readonly #timer: NodeJS.Timeout;
  #request: ClientRequest | undefined;
  #redirects = 0;
  #over = false;

  /** @throws TypeError for header fields that cannot be sent */
  constructor(url: URL, options: OpeningOptions, sink: OpeningSink) {
    this.#options = options;
    this.#sink = sink;
    // A field, since fields that say who this is do not go to another host with a redirection.
    this.#ask(url, { ...authorization(url), ...options.headers });
    this.#timer = setTimeout(
      () => this.#fail(new Error("the opening handshake has timed out")),
      options.handshakeTimeout,
    );
  }

  /** Nothing is reported any more. */
  abort(): void {
    this.#end();
    this.#request?.destroy();
  }

  #ask(url: URL, headers: HeaderFields): void {
    const { protocols, deflate, request: more } = this.#options;
    // RFC 6455 §4.1, item 7: a new one for each connection.
    const offer: HandshakeOffer = { key: randomBytes(16).toString("base64"), protocols, deflate };
    // RFC 6455 §10.6, and RFC 6455 §4.1, item 5: TLS first, with the name of the server in it.
    const secure = url.protocol === "wss:" || url.protocol === "https:";
    const request = (secure ? requestHttps : requestHttp)({
      // A connection that is to be upgraded is no other request's.
      agent: false,
      ...more,
      method: "GET",
      protocol: secure ? "https:" : "http:",
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: url.port || (secure ? 443 : 80),
      path: url.pathname + url.search,
      headers: { ...headers, ...Object.fromEntries(offerHandshake(offer)) },
    });
    this.#request = request;
    request.on("upgrade", (response, socket, head) => {
      this.#onUpgrade(offer, response, socket, head);
    });
    request.on("response", (response) => {
      response.resume();
      this.#onRefused(url, headers, response);
    });
    request.on("error", (error) => this.#fail(error));
    request.end();
  }

  #onUpgrade(
    offer: HandshakeOffer,
    { statusCode = 0, headers }: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
  ): void {
    const verdict = judgeHandshake(offer, statusCode, headers);
    if (this.#over || !verdict.accepted) {
      socket.on("error", () => {}).destroy();
      if (!verdict.accepted) this.#fail(new Error(verdict.reason));
      return;
    }
    this.#end();
    const extensions = headers["sec-websocket-extensions"] ?? "";
    const { protocol, deflate } = verdict;
    this.#sink.onOpened(socket, head, { protocol, extensions, deflate });
  }

  #onRefused(
    url: URL,
    headers: HeaderFields,
    { statusCode, headers: said }: IncomingMessage,
  ): void {
    if (this.#over) return;
    const follow = this.#options.followRedirects && isRedirect(statusCode);
    const target = follow ? redirectTarget(url, said.location) : undefined;
    if (target === undefined) {
      this.#fail(new Error(`the server answered with status ${statusCode}`));
    } else if (++this.#redirects > MAX_REDIRECTS) {
      this.#fail(new Error("too many redirections"));
    } else {
      this.#request?.destroy();
      try {
        this.#ask(target, redirectHeaders(url, target, headers));
      } catch (error) {
        // Such as an agent that does not have the scheme.
        this.#fail(error instanceof Error ? error : new Error(`${error}`));
      }
    }
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.abort();
    this.#sink.onFailed(error);
  }

  #end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }
}

/** The user and password of a URL, as a header field (RFC 7617 §2). */
function authorization({ username, password }: URL): HeaderFields {
  if (username === "" && password === "") return {};
  const bytes = `${username}:${password}`.replace(/%([0-9a-f]{2})/gi, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return { Authorization: `Basic ${Buffer.from(bytes, "latin1").toString("base64")}` };
}
