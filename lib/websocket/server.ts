// A WebSocket server for Node.
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
import { NotOpenError } from "../../protocol/websocket/endpoint.ts";
import type { ProtocolError } from "../../protocol/websocket/rules.ts";
import { BoundExceededError } from "../bound-exceeded.ts";
import { clientAddress } from "../client-address.ts";
import { ConnectionBounds, Place } from "../connection-bounds.ts";
import { Deadlines } from "../deadlines.ts";
import { debugWebSocket } from "../debug.ts";
import { ArgumentTypeError } from "../events/errors.ts";
import { NodeEmitter } from "../events/node-emitter.ts";
import { checkOptions } from "../events/options.ts";
import { OriginPolicy } from "../origins.ts";
import { pathOf } from "../request-target.ts";
import { type Debtor, TotalBackpressure } from "../total-backpressure.ts";
import { trustOf } from "../trusted-proxies.ts";
import { LEFT_UPGRADE_TIMEOUT, leaveUpgrade, takeUpgrade } from "../unanswered-upgrade.ts";
import { type Connection, type ConnectionSink, destroyOnError } from "./connection.ts";
import {
  type Verdict,
  WEBSOCKET_SERVER_OPTIONS,
  type WebSocketServerOptions,
} from "./server-options.ts";
import {
  STREAM,
  type StreamedSocket,
  type StreamSink,
  type StreamSource,
} from "./stream-source.ts";
import {
  checkUpgrade,
  completeUpgrade,
  type DeflateOptions,
  refuseUpgrade,
  type UpgradeOptions,
} from "./upgrade.ts";

export { NotOpenError } from "../../protocol/websocket/endpoint.ts";
export { ProtocolError, type RuleName } from "../../protocol/websocket/rules.ts";
export { BoundExceededError } from "../bound-exceeded.ts";
export type { Refusal, Verdict, WebSocketServerOptions } from "./server-options.ts";
export type { DeflateOptions } from "./upgrade.ts";

/** The events that a WebSocketServer emits. */
export interface WebSocketServerEvents {
  /**
   * Emitted when a client has connected. The listener must add the connection's listeners before the first `await`, or
   * messages may be lost.
   *
   * @param connection the connection with the client
   * @param request the upgrade request
   */
  connection: (connection: WebSocketConnection, request: IncomingMessage) => void;
  /** Emitted when the HTTP server that was created for `port` listens. */
  listening: () => void;
  /**
   * Emitted when the HTTP server that was created for `port` fails, for example with EADDRINUSE.
   *
   * @param error the error of the HTTP server
   */
  error: (error: Error) => void;
  /**
   * Emitted when the option `verify` or `protocols` throws or rejects. The client receives 500. Without a listener, the
   * error is ignored, because clients can often cause it.
   *
   * @param error the value that was thrown
   * @param request the upgrade request
   */
  handshakeError: (error: unknown, request: IncomingMessage) => void;
  /**
   * Emitted when a client is refused with 503 because a limit is reached.
   *
   * @param error the error, with the name of the option in `bound`: "maxConnections", "maxConnectionsPerAddress",
   * "maxHandshakesPerSecond" or "handshakeTimeout"
   * @param request the upgrade request
   */
  refused: (error: BoundExceededError, request: IncomingMessage) => void;
  /** Emitted when close() is finished. */
  close: () => void;
}

const DEFAULT_MAX_PAYLOAD = 1024 * 1024;
const DEFAULT_MAX_BACKPRESSURE = 16 * 1024 * 1024;
const DEFAULT_MAX_TOTAL_BACKPRESSURE = 256 * 1024 * 1024;
const DEFAULT_HANDSHAKE_TIMEOUT = 30_000;

/** A client whose handshake is valid, while `origins` and `verify` decide about it. */
interface Undecided {
  readonly request: IncomingMessage;
  /** `undefined` if no option limits the number of clients. */
  readonly place: Place | undefined;
}

/**
 * A WebSocket server. Emits a "connection" event for each accepted opening handshake. RFC 6455 §4.2.
 *
 * @example
 * const server = new WebSocketServer({ port: 8080 });
 * server.on("connection", (connection) => {
 *   connection.on("message", (data) => connection.send(data));
 * });
 */
export class WebSocketServer extends NodeEmitter<WebSocketServerEvents> {
  /** The connections that are open or closing. */
  readonly clients: ReadonlySet<WebSocketConnection>;

  readonly #options: WebSocketServerOptions;
  readonly #deflate: DeflateOptions | undefined;
  readonly #policy: OriginPolicy;
  readonly #connections = new Set<WebSocketConnection>();
  readonly #http: HttpServer | undefined;
  // `undefined` if no option limits the number of clients.
  readonly #bounds: ConnectionBounds | undefined;
  readonly #isTrusted: (peer: string | undefined) => boolean;
  readonly #undecided = new Map<Duplex, Undecided>();
  readonly #handshakes: Deadlines<Duplex>;
  readonly #limits: SendLimits;
  #closing: Promise<void> | undefined;

  /**
   * Creates a server. With the option `port`, the server starts to listen.
   *
   * @param options the options. Exactly one of `server`, `port` and `noServer` is required
   * @throws ArgumentTypeError or ArgumentRangeError if an option is invalid or unknown, or if not exactly one of `server`,
   * `port` and `noServer` is set
   */
  constructor(options: WebSocketServerOptions) {
    super();
    checkOptions(options, WEBSOCKET_SERVER_OPTIONS);
    const { server, port, noServer, perMessageDeflate = false } = options;
    const {
      maxBackpressure = DEFAULT_MAX_BACKPRESSURE,
      maxTotalBackpressure = DEFAULT_MAX_TOTAL_BACKPRESSURE,
      handshakeTimeout = DEFAULT_HANDSHAKE_TIMEOUT,
    } = options;
    if (
      [server !== undefined, port !== undefined, noServer === true].filter(Boolean).length !== 1
    ) {
      throw new ArgumentTypeError(
        'exactly one of the options "server", "port" and "noServer" must be set',
      );
    }
    this.clients = this.#connections;
    this.#options = options;
    this.#policy = new OriginPolicy(options.origins, options.trustedProxies);
    this.#bounds = ConnectionBounds.of(options);
    this.#isTrusted = trustOf(options.trustedProxies);
    this.#handshakes = new Deadlines(handshakeTimeout, (socket) => this.#onLate(socket));
    this.#limits = { maxBackpressure, backlog: new TotalBackpressure(maxTotalBackpressure) };
    this.#deflate = perMessageDeflate === true ? {} : perMessageDeflate || undefined;
    this.#http = server ?? (port === undefined ? undefined : this.#createHttpServer(port));
    this.#http?.on("upgrade", this.#onUpgrade);
  }

  /** Returns the address on which the HTTP server listens. `null` if the server does not listen, or with `noServer`. */
  address(): AddressInfo | string | null {
    return this.#http?.address() ?? null;
  }

  /**
   * Answers an upgrade request. With the option `noServer`, the program must call this method for each upgrade request.
   * Emits "connection" if the handshake is accepted. Otherwise, the client receives an HTTP error, such as 404 if the path
   * differs from the option `path`.
   *
   * @param request the upgrade request
   * @param socket the socket of the request
   * @param head the bytes after the header of the request
   *
   * @example
   * const server = new WebSocketServer({ noServer: true });
   * createServer()
   *   .on("upgrade", (request, socket, head) => server.handleUpgrade(request, socket, head))
   *   .listen(8080);
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    // If the client resets the connection while verify() is pending, the socket emits "error", which must have a listener.
    socket.on("error", destroyOnError);
    if (this.#closing !== undefined) {
      refuseUpgrade(socket, 503, "");
      return;
    }
    if (!this.#isForPath(request)) {
      refuseUpgrade(socket, 404, "");
      return;
    }
    const fail = (error: unknown): void => {
      this.#decided(socket)?.place?.release();
      if (socket.writable) refuseUpgrade(socket, 500, "");
      this.dispatch("handshakeError", [error, request]);
    };
    try {
      this.#decide(request, socket, head)?.catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  #decide(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> | undefined {
    const { maxPayload = DEFAULT_MAX_PAYLOAD } = this.#options;
    const selectProtocol = this.#protocolSelector(request);
    const options = { maxPayload, deflate: this.#deflate, selectProtocol };
    const handshake = checkUpgrade(request, socket, options);
    if (handshake === undefined || !this.#enter(request, socket)) return undefined;
    const proceed = (verdict: Verdict): void => {
      const place = this.#decided(socket)?.place;
      // The client has disconnected, or was already refused by the timeout or by close().
      if (!socket.writable) return;
      if (verdict === true) {
        const connection = completeUpgrade(handshake, socket, head, options);
        this.#open(new WebSocketConnection(connection, handshake.protocol, this.#limits), request);
      } else {
        place?.release();
        const { status = 403, message = "" } = typeof verdict === "object" ? verdict : {};
        refuseUpgrade(socket, status, message);
      }
    };
    const verdict = this.#judge(request);
    if (typeof verdict !== "object" || !("then" in verdict)) {
      proceed(verdict);
      return undefined;
    }
    this.#handshakes.add(socket);
    socket.once("close", () => this.#decided(socket));
    return Promise.resolve(verdict).then(proceed);
  }

  /**
   * Counts a client with a valid handshake until its connection ends. If a limit is reached, refuses the client and returns
   * `false`.
   */
  #enter(request: IncomingMessage, socket: Duplex): boolean {
    // The client is counted until the socket emits "close". A destroyed socket may have emitted "close" already.
    if (socket.destroyed) return false;
    const place = this.#bounds?.enter(clientAddress(request, this.#isTrusted));
    if (place !== undefined && !(place instanceof Place)) {
      const { bound, retryAfter } = place;
      this.#refuse(socket, request, bound, "Too many connections", retryAfter);
      return false;
    }
    place?.releaseOnClose(socket);
    this.#undecided.set(socket, { request, place });
    return true;
  }

  /** Removes the client with this socket from `#undecided`. Returns the removed entry, or `undefined` if there was none. */
  #decided(socket: Duplex): Undecided | undefined {
    const undecided = this.#undecided.get(socket);
    this.#undecided.delete(socket);
    this.#handshakes.delete(socket);
    return undecided;
  }

  #onLate(socket: Duplex): void {
    const undecided = this.#decided(socket);
    if (undecided === undefined) return;
    undecided.place?.release();
    const message = "The handshake has taken too long";
    this.#refuse(socket, undecided.request, "handshakeTimeout", message);
  }

  /**
   * Refuses a client with 503.
   *
   * @param retryAfter seconds after which the client may try again. Default: no Retry-After header field
   */
  #refuse(
    socket: Duplex,
    request: IncomingMessage,
    bound: string,
    message: string,
    retryAfter?: number,
  ): void {
    if (debugWebSocket.enabled) debugWebSocket("refuses %s: %s", request.url, message);
    const headers = retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`];
    refuseUpgrade(socket, 503, message, "text/plain", headers);
    this.dispatch("refused", [new BoundExceededError(bound, message), request]);
  }

  /** Returns the function that chooses a subprotocol. `undefined` selects the default: the first offered subprotocol. */
  #protocolSelector(request: IncomingMessage): UpgradeOptions["selectProtocol"] {
    const { protocols } = this.#options;
    if (protocols === undefined) return undefined;
    if (typeof protocols === "function") return (offered) => protocols(offered, request);
    return (offered) => offered.find((protocol) => protocols.includes(protocol));
  }

  /** Checks the origin of the request, and calls `verify` if the origin is allowed. */
  #judge(request: IncomingMessage): Verdict | PromiseLike<Verdict> {
    const { verify } = this.#options;
    const { origin } = request.headers;
    const next = (admitted: boolean): Verdict | PromiseLike<Verdict> =>
      admitted && (verify === undefined || verify(request));
    const admitted = origin === undefined || this.#policy.admits(origin, request);
    return typeof admitted === "boolean" ? next(admitted) : admitted.then(next);
  }

  /**
   * Closes every connection with 1001, and refuses new clients with 503. Also closes the HTTP server if the server was
   * created for `port`. Resolves when all connections are closed.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#http?.off("upgrade", this.#onUpgrade);
    const closed = [...this.#connections].map(
      (connection) => new Promise<void>((resolve) => connection.once("close", () => resolve())),
    );
    for (const connection of this.#connections) connection.close(GOING_AWAY);
    for (const socket of [...this.#undecided.keys()]) {
      this.#decided(socket);
      refuseUpgrade(socket, 503, "");
    }
    const http = this.#options.port === undefined ? undefined : this.#http;
    if (http !== undefined) {
      closed.push(new Promise((resolve) => http.close(() => resolve())));
      // Browsers open connections in advance. Without this call, close() would wait for a request on each such connection.
      http.closeAllConnections();
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
    if (this.#http === undefined || this.#isForPath(request)) {
      takeUpgrade(socket);
      this.handleUpgrade(request, socket, head);
    } else {
      const refuse = (): void => refuseUpgrade(socket, 404, "");
      leaveUpgrade(this.#http, socket, LEFT_UPGRADE_TIMEOUT, refuse);
    }
  };

  #isForPath({ url = "" }: IncomingMessage): boolean {
    const { path } = this.#options;
    return path === undefined || pathOf(url) === path;
  }

  #open(connection: WebSocketConnection, request: IncomingMessage): void {
    this.#connections.add(connection);
    connection.once("close", () => this.#connections.delete(connection));
    this.dispatch("connection", [connection, request]);
    connection.start();
  }
}

/** The events that a WebSocketConnection emits. */
export interface WebSocketConnectionEvents {
  /**
   * Emitted when a message is received.
   *
   * @param data a string for a text message, bytes for a binary message
   */
  message: (data: string | Bytes) => void;
  /**
   * Emitted when a ping was received and answered.
   *
   * @param payload the payload of the ping
   */
  ping: (payload: Bytes) => void;
  /**
   * Emitted when a pong is received.
   *
   * @param payload the payload of the pong
   */
  pong: (payload: Bytes) => void;
  /** Emitted after send() returned `false`, when the connection can send more messages. */
  drain: () => void;
  /**
   * Emitted when the connection has ended.
   *
   * @param code the code in the peer's close frame, 1005 if the frame had no code, 1006 if no close frame was received
   * (RFC 6455 §7.1.5)
   * @param reason the reason in the peer's close frame, or ""
   * @param failure the peer's protocol error, if such an error has ended the connection
   * @param exceeded the exceeded limit on waiting bytes, if the server has ended the connection because of it
   */
  close: (
    code: number,
    reason: string,
    failure: ProtocolError | undefined,
    exceeded?: BoundExceededError,
  ) => void;
}

/** The limits on the bytes that wait for clients. @internal */
export interface SendLimits {
  /** How many bytes may wait for one client. */
  readonly maxBackpressure: number;
  /** Limits the bytes that wait for all clients together. */
  readonly backlog: TotalBackpressure;
}

/** The connection of a WebSocketServer with one client. The server creates the object. */
export class WebSocketConnection
  extends NodeEmitter<WebSocketConnectionEvents>
  implements StreamSource, Debtor
{
  /** The negotiated subprotocol, or "" if there is none. */
  readonly protocol: string;
  readonly #connection: Connection;
  readonly #limits: SendLimits;
  // Whether the connection was ended because of a limit. `open` may still be `true` until the socket has closed.
  #isCutOff = false;
  #stream: StreamSink | undefined;

  /** @internal */
  constructor(connection: Connection, protocol: string, limits: SendLimits) {
    super();
    this.#connection = connection;
    this.protocol = protocol;
    this.#limits = limits;
  }

  /** Starts to read and to emit events. Called by the server. @internal */
  start(): void {
    const sink: ConnectionSink = {
      onText: (text) => this.#onMessage(text),
      onBinary: (bytes) => this.#onMessage(bytes),
      onPing: (payload) => this.dispatch("ping", [payload]),
      onPong: (payload) => this.dispatch("pong", [payload]),
      onDrain: () => {
        this.#limits.backlog.set(this, 0);
        this.dispatch("drain", []);
        this.#stream?.onDrain();
      },
      onClose: (code, reason, failure, error) => {
        this.#limits.backlog.set(this, 0);
        const exceeded = error instanceof BoundExceededError ? [error] : [];
        this.dispatch("close", [code, reason, failure, ...exceeded]);
        this.#stream?.onClose(code, reason, failure ?? error);
      },
    };
    this.#connection.start(sink);
  }

  #onMessage(message: string | Bytes): void {
    if (this.#stream === undefined) this.dispatch("message", [message]);
    else this.#stream.onMessage(message);
  }

  /** Delivers messages to a stream. @internal */
  [STREAM](sink: StreamSink): StreamedSocket {
    if (this.#stream !== undefined)
      throw new ArgumentTypeError("the WebSocket already has a stream");
    if (!this.open) throw new NotOpenError("closed");
    this.#stream = sink;
    return {
      connecting: false,
      send: (message) => {
        if (!this.#connection.writable) return "closed";
        return this.send(message) ? "ready" : "full";
      },
      pause: () => this.pause(),
      resume: () => this.resume(),
      close: (code, reason) => this.close(code, reason),
      terminate: () => this.terminate(),
    };
  }

  /** Whether messages may be sent. */
  get open(): boolean {
    return this.#connection.open;
  }

  /** Bytes that wait in this process for the client to read them, including frame headers. */
  get bufferedAmount(): number {
    return this.#connection.bufferedAmount;
  }

  /**
   * Sends a message. If more than `maxBackpressure` bytes already wait for the client, ends the connection instead. Messages
   * wait at least until the end of this iteration of the event loop, even if the client reads fast enough.
   *
   * @param data a string for a text message, bytes for a binary message
   * @returns `false` if the client reads too slowly. The program should wait for "drain" before the next message
   * @throws NotOpenError (`code` "ERR_NOT_OPEN") if the connection is closing or closed
   * @throws ArgumentTypeError if `data` is neither a string nor bytes
   *
   * @example
   * const server = new WebSocketServer({ port: 8080 });
   * server.on("connection", (connection) => {
   *   if (!connection.send("welcome")) connection.once("drain", () => connection.send("more"));
   * });
   */
  send(data: string | Bytes | ArrayBuffer): boolean {
    const connection = this.#connection;
    const { maxBackpressure, backlog } = this.#limits;
    if (this.#isCutOff && connection.open) return false;
    if (connection.open && connection.congested && connection.bufferedAmount > maxBackpressure) {
      this.#cutOff("maxBackpressure", "too many bytes wait for the client");
      return false;
    }
    if (typeof data === "string") {
      connection.sendText(data);
    } else {
      const bytes = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
      checkBytes(bytes);
      connection.sendBinary(bytes);
    }
    if (!connection.congested) return true;
    // When the connection is no longer congested, onDrain() in start() sets this client's length in `backlog` to 0.
    backlog.set(this, connection.bufferedAmount);
    return false;
  }

  /**
   * Ends the connection. Called if too many bytes wait for all clients together, and more bytes wait for this client than
   * for any other client.
   *
   * @internal
   */
  onBacklogFull(): void {
    this.#cutOff("maxTotalBackpressure", "too many bytes wait for all clients");
  }

  #cutOff(bound: string, message: string): void {
    this.#isCutOff = true;
    this.#connection.terminate(new BoundExceededError(bound, message));
  }

  /** Whether the connection is paused. `false` when the connection has ended. */
  get isPaused(): boolean {
    return this.#connection.paused;
  }

  /**
   * Stops reading. No message, ping or close frame is received until resume() is called, and TCP slows the peer down. If the
   * connection ends in the meantime, all messages that were received before are emitted, and then "close". From then on,
   * pause() does nothing.
   */
  pause(): void {
    this.#connection.pause();
  }

  /** Resumes reading after pause(). */
  resume(): void {
    this.#connection.resume();
  }

  /**
   * Sends a ping. RFC 6455 §5.5.2.
   *
   * @param payload at most 125 bytes. Default: empty
   * @throws NotOpenError (`code` "ERR_NOT_OPEN") if the connection is closing or closed
   * @throws RangeError if the payload is too long, ArgumentTypeError if the payload is not bytes
   */
  ping(payload?: Bytes): void {
    if (payload !== undefined) checkBytes(payload);
    this.#connection.ping(payload);
  }

  /**
   * Sends the queued messages and starts the closing handshake (RFC 6455 §7.1.2). Disconnects a client that does not answer
   * within 30 seconds.
   *
   * @param code the close code: 1000 to 1003, 1007 to 1014 or 3000 to 4999. Default: none
   * @param reason the close reason, at most 123 bytes of UTF-8. Default: none
   * @throws RangeError if the code is invalid or the reason is too long
   */
  close(code?: number, reason?: string): void {
    this.#connection.close(code, reason);
  }

  /** Ends the TCP connection at once, without a closing handshake. */
  terminate(): void {
    this.#connection.terminate();
  }
}

/**
 * Checks that the argument of a caller is bytes. Otherwise the frame of an object with a `length` and no bytes could contain
 * uninitialized memory.
 *
 * @throws ArgumentTypeError if the data is not bytes
 */
function checkBytes(bytes: Bytes): void {
  if (ArrayBuffer.isView(bytes)) return;
  throw new ArgumentTypeError(`a binary payload must be a Uint8Array, got ${typeof bytes}`);
}
