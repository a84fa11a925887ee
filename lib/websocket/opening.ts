// The opening handshake of a client over node:http. RFC 6455 §4.1. Follows redirections (RFC 6455 §4.1: "…MAY redirect the
// client").

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

/** The options of an opening handshake. */
export interface OpeningOptions {
  /** The subprotocols to offer. */
  readonly protocols: readonly string[];
  /** The offer of permessage-deflate. `undefined`: permessage-deflate is not offered. */
  readonly deflate: DeflatePreferences | undefined;
  /** How long the handshake may take, including redirections, in milliseconds. */
  readonly handshakeTimeout: number;
  readonly followRedirects: boolean;
  /** Additional header fields of the request. */
  readonly headers: HeaderFields;
  /** Options of node:http and node:https, such as `agent` and the options of TLS. */
  readonly request: RequestOptions;
}

/** Receives the result of an opening handshake. Exactly one of the two methods is called once, unless abort() is called. */
export interface OpeningSink {
  /**
   * The handshake has succeeded.
   *
   * @param head the bytes after the header of the response
   */
  onOpened(socket: Duplex, head: Uint8Array, agreed: Agreement): void;
  /** The handshake has failed. */
  onFailed(error: Error): void;
}

/** The result of the negotiation. */
export interface Agreement {
  /** The subprotocol that the server chose, or "". */
  readonly protocol: string;
  /** The header field Sec-WebSocket-Extensions of the response, or "". */
  readonly extensions: string;
  /** The parameters of permessage-deflate. `undefined`: the server declined the offer. */
  readonly deflate: DeflateParameters | undefined;
}

/** One opening handshake of a client. */
export class Opening {
  readonly #options: OpeningOptions;
  readonly #sink: OpeningSink;
  readonly #timer: NodeJS.Timeout;
  #request: ClientRequest | undefined;
  #redirects = 0;
  #over = false;

  /** Sends the request. @throws TypeError if a header field is invalid */
  constructor(url: URL, options: OpeningOptions, sink: OpeningSink) {
    this.#options = options;
    this.#sink = sink;
    // The user and password become a header field, so that redirectHeaders() can remove the field when the server redirects
    // to another host.
    this.#ask(url, { ...authorization(url, options.request.auth), ...options.headers });
    this.#timer = setTimeout(
      () => this.#fail(new Error("the opening handshake has timed out")),
      options.handshakeTimeout,
    );
  }

  /** Aborts the handshake. No method of the sink is called any more. */
  abort(): void {
    this.#end();
    this.#request?.destroy();
  }

  #ask(url: URL, headers: HeaderFields): void {
    const { protocols, deflate, request: more } = this.#options;
    // RFC 6455 §4.1, item 7: each connection has a new random key.
    const offer: HandshakeOffer = { key: randomBytes(16).toString("base64"), protocols, deflate };
    // RFC 6455 §10.6, and RFC 6455 §4.1, item 5: with TLS, the TLS handshake contains the name of the server, and precedes
    // the request.
    const secure = url.protocol === "wss:" || url.protocol === "https:";
    const request = (secure ? requestHttps : requestHttp)({
      ...more,
      // By default, the client does not use an idle connection of an earlier request. With an agent, node:http ignores
      // createConnection().
      agent: more.agent ?? (more.createConnection === undefined ? false : undefined),
      // Without an agent, node:http does not know which port to omit from Host.
      defaultPort: more.defaultPort ?? (secure ? 443 : 80),
      // The constructor has made `auth` a header field, which redirectHeaders() can remove.
      auth: undefined,
      method: "GET",
      protocol: secure ? "https:" : "http:",
      hostname: undefined,
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
        // For example, the agent does not support the scheme of the target.
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

/**
 * Returns the user and password of a URL, or else `auth`, as a header field (RFC 7617 §2).
 *
 * @param auth the user and password, with a colon in between, for a URL that has neither. Default: no header field
 */
function authorization({ username, password }: URL, auth?: string | null): HeaderFields {
  if (username === "" && password === "") return auth ? basic(Buffer.from(auth)) : {};
  const bytes = `${username}:${password}`.replace(/%([0-9a-f]{2})/gi, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return basic(Buffer.from(bytes, "latin1"));
}

function basic(credentials: Buffer): HeaderFields {
  return { Authorization: `Basic ${credentials.toString("base64")}` };
}
