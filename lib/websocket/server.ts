// `barewire/websocket`: a WebSocket server and nothing else.
//
//   const server = new WebSocketServer({ port: 8080 });
//   server.on("connection", (connection) => {
//     connection.on("message", (data) => connection.send(data));
//   });

import { createServer, type Server as HttpServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

import type { Bytes } from "../../protocol/bytes.ts";
import { GOING_AWAY } from "../../protocol/websocket/close.ts";
import type { ProtocolError } from "../../protocol/websocket/rules.ts";
import { NodeEmitter } from "../events.ts";
import { type Connection, type ConnectionSink, destroyOnError } from "./connection.ts";
import { checkUpgrade, completeUpgrade, type DeflateOptions, refuseUpgrade } from "./upgrade.ts";

export { NotOpenError } from "../../protocol/websocket/endpoint.ts";
export { ProtocolError, type RuleName } from "../../protocol/websocket/rules.ts";
export type { DeflateOptions } from "./upgrade.ts";

/** Why verify() turns a client away. */
export interface Refusal {
  /** HTTP status, 400 to 599. Default 403. */
  readonly status?: number;
  /** Body of the response. Default: none. */
  readonly message?: string;
}

export interface WebSocketServerOptions {
  /** An HTTP or HTTPS server whose upgrade requests are answered. One of `server`, `port` and `noServer` is given. */
  readonly server?: HttpServer;
  /** The port of an HTTP server made for this alone, which answers everything else with 426. 0 takes a free one. */
  readonly port?: number;
  /** The address for `port`. Default: all. */
  readonly host?: string;
  /** Nothing is listened to; the caller passes upgrade requests to handleUpgrade(). */
  readonly noServer?: boolean;
  /** Only upgrade requests for this path are answered; others are left to other listeners. Default: every path. */
  readonly path?: string;
  /** Bytes in one message, also after inflating. Default 1 MiB. A larger one fails the connection with 1009. */
  readonly maxPayload?: number;
  /** permessage-deflate (RFC 7692): on with `true` or with its options. Default `false`. */
  readonly perMessageDeflate?: boolean | DeflateOptions;
  /** The subprotocols spoken here, or a function that chooses among those offered (RFC 6455 §1.9). Default: none. */
  readonly protocols?:
    | readonly string[]
    | ((offered: readonly string[], request: IncomingMessage) => string | undefined);
  /** Whether a client may connect, by its Origin (RFC 6455 §10.2) or anything else; asked before the 101. `false` or a Refusal turns it away. */
  readonly verify?: (request: IncomingMessage) => Verdict | Promise<Verdict>;
}

type Verdict = boolean | Refusal;

export interface WebSocketServerEvents {
  connection: (connection: WebSocketConnection, request: IncomingMessage) => void;
  /** `port` was given and is listened to. */
  listening: () => void;
  /** The HTTP server made for `port` failed, such as with EADDRINUSE. */
  error: (error: Error) => void;
  close: () => void;
}

const DEFAULT_MAX_PAYLOAD = 1024 * 1024;

/** Answers WebSocket opening handshakes and gives a connection for each. RFC 6455 §4.2. */
export class WebSocketServer extends NodeEmitter<WebSocketServerEvents> {
  /** The connections that are open or closing. */
  readonly clients: ReadonlySet<WebSocketConnection>;

  readonly #options: WebSocketServerOptions;
  readonly #deflate: DeflateOptions | undefined;
  readonly #connections = new Set<WebSocketConnection>();
  readonly #http: HttpServer | undefined;
  #closed = false;

  /** @throws TypeError unless exactly one of `server`, `port` and `noServer` is given */
  constructor(options: WebSocketServerOptions) {
    super();
    const { server, port, noServer, perMessageDeflate = false } = options;
    if (
      [server !== undefined, port !== undefined, noServer === true].filter(Boolean).length !== 1
    ) {
      throw new TypeError('one of the options "server", "port" and "noServer" must be given');
    }
    this.clients = this.#connections;
    this.#options = options;
    this.#deflate = perMessageDeflate === true ? {} : perMessageDeflate || undefined;
    this.#http = server ?? (port === undefined ? undefined : this.#createHttpServer(port));
    this.#http?.on("upgrade", this.#onUpgrade);
  }

  /** Where the HTTP server listens, or `null`. */
  address(): AddressInfo | string | null {
    return this.#http?.address() ?? null;
  }

  /** Answers an upgrade request: a "connection" event, or an HTTP error. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    // The client may leave while verify() is busy.
    socket.on("error", destroyOnError);
    if (this.#closed) {
      refuseUpgrade(socket, 503, "");
      return;
    }
    // The embedder's mistake surfaces, but first the client is answered.
    const fail = (error: unknown): never => {
      refuseUpgrade(socket, 500, "");
      throw error;
    };
    try {
      this.#decide(request, socket, head)?.catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  #decide(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> | undefined {
    const { maxPayload = DEFAULT_MAX_PAYLOAD, protocols = [], verify } = this.#options;
    const options = {
      maxPayload,
      deflate: this.#deflate,
      selectProtocol: (offered: readonly string[]): string | undefined =>
        typeof protocols === "function"
          ? protocols(offered, request)
          : offered.find((protocol) => protocols.includes(protocol)),
    };
    const handshake = checkUpgrade(request, socket, options);
    if (handshake === undefined) return undefined;
    const proceed = (verdict: Verdict): void => {
      if (verdict === true && !this.#closed) {
        if (socket.destroyed) return;
        const connection = completeUpgrade(handshake, socket, head, options);
        this.#open(new WebSocketConnection(connection, handshake.protocol), request);
      } else {
        const { status = this.#closed ? 503 : 403, message = "" } =
          typeof verdict === "object" ? verdict : {};
        refuseUpgrade(socket, status, message);
      }
    };
    const verdict = verify === undefined || verify(request);
    if (verdict instanceof Promise) return verdict.then(proceed);
    proceed(verdict);
    return undefined;
  }

  /**
   * Closes every connection with 1001 and takes no more; with `port`, the HTTP server too.
   * Resolves when all are closed.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#http?.off("upgrade", this.#onUpgrade);
    const closed = [...this.#connections].map(
      (connection) => new Promise<void>((resolve) => connection.once("close", () => resolve())),
    );
    for (const connection of this.#connections) connection.close(GOING_AWAY);
    if (this.#options.port !== undefined) {
      closed.push(new Promise((resolve) => this.#http?.close(() => resolve())));
    }
    await Promise.all(closed);
    this.dispatch("close", []);
  }

  #createHttpServer(port: number): HttpServer {
    const http = createServer((_request, response) => {
      response
        .writeHead(426, { Connection: "close", Upgrade: "websocket" })
        .end("Upgrade Required");
    });
    http.on("listening", () => this.dispatch("listening", []));
    http.on("error", (error) => this.dispatch("error", [error]));
    return http.listen(port, this.#options.host);
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    const { path } = this.#options;
    if (path === undefined || request.url?.split("?", 1)[0] === path) {
      this.handleUpgrade(request, socket, head);
    }
  };

  #open(connection: WebSocketConnection, request: IncomingMessage): void {
    this.#connections.add(connection);
    connection.once("close", () => this.#connections.delete(connection));
    this.dispatch("connection", [connection, request]);
    connection.start();
  }
}

export interface WebSocketConnectionEvents {
  /** A message: text as a string, binary as bytes. */
  message: (data: string | Bytes) => void;
  /** A ping, which was answered. */
  ping: (payload: Bytes) => void;
  pong: (payload: Bytes) => void;
  /** What was sent has left, after send() returned `false`. */
  drain: () => void;
  /**
   * The connection has ended.
   *
   * `code` and `reason` are those of the peer's close frame: 1005 where it held no code, 1006 where
   * none came (RFC 6455 §7.1.5). `failure` is the peer's breach of the protocol for which this end
   * failed the connection.
   */
  close: (code: number, reason: string, failure: ProtocolError | undefined) => void;
}

/** One client of a WebSocketServer. */
export class WebSocketConnection extends NodeEmitter<WebSocketConnectionEvents> {
  /** The subprotocol agreed on, or "". */
  readonly protocol: string;
  readonly #connection: Connection;

  constructor(connection: Connection, protocol: string) {
    super();
    this.#connection = connection;
    this.protocol = protocol;
  }

  /** Begins to deliver. Called by the server. @internal */
  start(): void {
    const sink: ConnectionSink = {
      onText: (text) => this.dispatch("message", [text]),
      onBinary: (bytes) => this.dispatch("message", [bytes]),
      onPing: (payload) => this.dispatch("ping", [payload]),
      onPong: (payload) => this.dispatch("pong", [payload]),
      onDrain: () => this.dispatch("drain", []),
      onClose: (code, reason, failure) => this.dispatch("close", [code, reason, failure]),
    };
    this.#connection.start(sink);
  }

  /** Messages may be sent. */
  get open(): boolean {
    return this.#connection.open;
  }

  /** Bytes that were sent and have not been handed to the operating system. */
  get bufferedAmount(): number {
    return this.#connection.bufferedAmount;
  }

  /**
   * Sends a string as a text message, bytes as a binary one.
   *
   * @returns `false` where the peer does not read as fast as we write: better to wait for "drain"
   * @throws NotOpenError (`code` "ERR_NOT_OPEN") on a connection that is closing or closed
   */
  send(data: string | Bytes | ArrayBuffer): boolean {
    if (typeof data === "string") this.#connection.sendText(data);
    else this.#connection.sendBinary(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
    return !this.#connection.congested;
  }

  /** Sends a ping of at most 125 bytes. @throws RangeError, NotOpenError */
  ping(payload?: Bytes): void {
    this.#connection.ping(payload);
  }

  /**
   * Starts the closing handshake (RFC 6455 §7.1.2), behind what was sent. A peer that does not
   * answer within 30 seconds is cut off.
   *
   * @param code 1000 to 1003, 1007 to 1014 or 3000 to 4999. Default: none
   * @param reason at most 123 bytes of UTF-8
   * @throws RangeError for another code, or a longer reason
   */
  close(code?: number, reason?: string): void {
    this.#connection.close(code, reason);
  }

  /** Ends the TCP connection at once, without a closing handshake. */
  terminate(): void {
    this.#connection.terminate();
  }
}
