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
import { NotOpenError } from "../../protocol/websocket/endpoint.ts";
import type { ProtocolError } from "../../protocol/websocket/rules.ts";
import { Backlog, type Debtor } from "../backlog.ts";
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
export type { Refusal, WebSocketServerOptions } from "./server-options.ts";
export type { DeflateOptions } from "./upgrade.ts";

export interface WebSocketServerEvents {
  /**
   * A client has connected. Listeners for its messages must be added in the same turn of the event loop: a listener
   * that awaits something first may miss messages.
   */
  connection: (connection: WebSocketConnection, request: IncomingMessage) => void;
  /** `port` was given and is listened to. */
  listening: () => void;
  /** The HTTP server made for `port` failed, such as with EADDRINUSE. */
  error: (error: Error) => void;
  /**
   * The option `verify` or `protocols` threw or rejected, and the client received 500. The error is not thrown, since
   * clients can often cause it.
   */
  handshakeError: (error: unknown, request: IncomingMessage) => void;
  /**
   * A client was refused with 503 because of the option that `error.bound` names: `maxConnections`,
   * `maxConnectionsPerAddress`, `maxHandshakesPerSecond` or `handshakeTimeout`.
   */
  refused: (error: BoundExceededError, request: IncomingMessage) => void;
  close: () => void;
}

const DEFAULT_MAX_PAYLOAD = 1024 * 1024;
const DEFAULT_MAX_BACKPRESSURE = 16 * 1024 * 1024;
const DEFAULT_MAX_TOTAL_BACKPRESSURE = 256 * 1024 * 1024;
const DEFAULT_HANDSHAKE_TIMEOUT = 30_000;

/** A client that it is not decided about yet. */
interface Undecided {
  readonly request: IncomingMessage;
  /** `undefined` if no option bounds how many clients there may be. */
  readonly place: Place | undefined;
}

/** Answers WebSocket opening handshakes and gives a connection for each. RFC 6455 §4.2. */
export class WebSocketServer extends NodeEmitter<WebSocketServerEvents> {
  /** The connections that are open or closing. */
  readonly clients: ReadonlySet<WebSocketConnection>;

  readonly #options: WebSocketServerOptions;
  readonly #deflate: DeflateOptions | undefined;
  readonly #policy: OriginPolicy;
  readonly #connections = new Set<WebSocketConnection>();
  readonly #http: HttpServer | undefined;
  // `undefined` without a bound.
  readonly #bounds: ConnectionBounds | undefined;
  readonly #isTrusted: (peer: string | undefined) => boolean;
  readonly #undecided = new Map<Duplex, Undecided>();
  readonly #handshakes: Deadlines<Duplex>;
  readonly #limits: SendLimits;
  #closing: Promise<void> | undefined;

  /**
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid or unknown option, and unless
   * exactly one of `server`, `port` and `noServer` is given
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
        'one of the options "server", "port" and "noServer" must be given',
      );
    }
    this.clients = this.#connections;
    this.#options = options;
    this.#policy = new OriginPolicy(options.origins, options.trustedProxies);
    this.#bounds = ConnectionBounds.of(options);
    this.#isTrusted = trustOf(options.trustedProxies);
    this.#handshakes = new Deadlines(handshakeTimeout, (socket) => this.#onLate(socket));
    this.#limits = { maxBackpressure, backlog: new Backlog(maxTotalBackpressure) };
    this.#deflate = perMessageDeflate === true ? {} : perMessageDeflate || undefined;
    this.#http = server ?? (port === undefined ? undefined : this.#createHttpServer(port));
    this.#http?.on("upgrade", this.#onUpgrade);
  }

  /** Where the HTTP server listens, or `null`. */
  address(): AddressInfo | string | null {
    return this.#http?.address() ?? null;
  }

  /**
   * Answers an upgrade request: with a "connection" event, or with an HTTP error, which is 404 for another path than the
   * option `path`.
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    // The client may leave while verify() is busy.
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
      // The client has left, is late, or close() has refused it.
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

  /** Gives a client that has sent a valid handshake its place until its connection ends, or refuses it. */
  #enter(request: IncomingMessage, socket: Duplex): boolean {
    // What has closed gives no place back.
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

  /** What was not decided about a client until now, if anything. */
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

  /** Refuses a client with 503. @param retryAfter seconds after which it may try again */
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

  /** Chooses a subprotocol as the option says; `undefined` leaves it to the default of the handshake. */
  #protocolSelector(request: IncomingMessage): UpgradeOptions["selectProtocol"] {
    const { protocols } = this.#options;
    if (protocols === undefined) return undefined;
    if (typeof protocols === "function") return (offered) => protocols(offered, request);
    return (offered) => offered.find((protocol) => protocols.includes(protocol));
  }

  /** Asks `origins`, then `verify`. */
  #judge(request: IncomingMessage): Verdict | PromiseLike<Verdict> {
    const { verify } = this.#options;
    const { origin } = request.headers;
    const next = (admitted: boolean): Verdict | PromiseLike<Verdict> =>
      admitted && (verify === undefined || verify(request));
    const admitted = origin === undefined || this.#policy.admits(origin, request);
    return typeof admitted === "boolean" ? next(admitted) : admitted.then(next);
  }

  /**
   * Closes every connection with 1001, and refuses new ones with 503. Closes the HTTP server too if it was created for
   * `port`. Resolves when all are closed.
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
      // Browsers open connections in advance, whose first request would be waited for.
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
   * failed the connection. `exceeded` is the bound that it has reached, by not reading what was sent to it.
   */
  close: (
    code: number,
    reason: string,
    failure: ProtocolError | undefined,
    exceeded?: BoundExceededError,
  ) => void;
}

/** How much may wait for clients. */
export interface SendLimits {
  /** Bytes for each of them. */
  readonly maxBackpressure: number;
  /** All of them together. */
  readonly backlog: Backlog;
}

/** One client of a WebSocketServer. */
export class WebSocketConnection
  extends NodeEmitter<WebSocketConnectionEvents>
  implements StreamSource, Debtor
{
  /** The subprotocol agreed on, or "". */
  readonly protocol: string;
  readonly #connection: Connection;
  readonly #limits: SendLimits;
  #stream: StreamSink | undefined;

  constructor(connection: Connection, protocol: string, limits: SendLimits) {
    super();
    this.#connection = connection;
    this.protocol = protocol;
    this.#limits = limits;
  }

  /** Begins to deliver. Called by the server. @internal */
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

  /** Gives the messages to a stream. @internal */
  [STREAM](sink: StreamSink): StreamedSocket {
    if (this.#stream !== undefined) throw new ArgumentTypeError("the WebSocket has a stream");
    if (!this.open) throw new NotOpenError("closed");
    this.#stream = sink;
    return {
      connecting: false,
      send: (message) => this.send(message),
      pause: () => this.pause(),
      resume: () => this.resume(),
      close: (code, reason) => this.close(code, reason),
      terminate: () => this.terminate(),
    };
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
   * @returns `false` where the peer does not read as fast as we write: better to wait for "drain". If more than
   * `maxBackpressure` bytes wait already, the connection ends instead
   * @throws NotOpenError (`code` "ERR_NOT_OPEN") on a connection that is closing or closed; ArgumentTypeError for
   * other data, which a program may have parsed from a client's message
   */
  send(data: string | Bytes | ArrayBuffer): boolean {
    const connection = this.#connection;
    const { maxBackpressure, backlog } = this.#limits;
    if (connection.open && connection.bufferedAmount > maxBackpressure) {
      this.#cutOff("maxBackpressure", "too much waits for the client");
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
    // Whoever is congested is told when that is over: onDrain().
    backlog.set(this, connection.bufferedAmount);
    return false;
  }

  /** More waits for all clients than may, and the most for this one. @internal */
  onBacklogFull(): void {
    this.#cutOff("maxTotalBackpressure", "too much waits for all clients");
  }

  #cutOff(bound: string, message: string): void {
    this.#connection.terminate(new BoundExceededError(bound, message));
  }

  /** pause() was called, and resume() was not. `false` when the connection has ended. */
  get isPaused(): boolean {
    return this.#connection.paused;
  }

  /**
   * Stops reading. No message, ping or close frame is received until resume() is called, and TCP slows the peer down. A
   * connection that ends meanwhile delivers all that was received before, then "close": also to a listener that calls pause()
   * again, which does nothing then.
   */
  pause(): void {
    this.#connection.pause();
  }

  /** Reads again, after pause(). */
  resume(): void {
    this.#connection.resume();
  }

  /** Sends a ping of at most 125 bytes. @throws RangeError, NotOpenError, ArgumentTypeError */
  ping(payload?: Bytes): void {
    if (payload !== undefined) checkBytes(payload);
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

/** @throws ArgumentTypeError for an object that only has a length, from which a frame with unwritten bytes could be made */
function checkBytes(bytes: Bytes): void {
  if (ArrayBuffer.isView(bytes)) return;
  throw new ArgumentTypeError(`a payload must be bytes, got ${typeof bytes}`);
}
