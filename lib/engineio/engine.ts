// The Engine.IO server: opens sessions, and routes each HTTP request and upgrade request to its session. Engine.IO "Handshake".

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import {
  type Admission,
  admit,
  encodeOpen,
  REFUSALS,
  type Refusal,
  type Revision,
  refuse,
} from "../../protocol/engineio/handshake.ts";
import { clientAddress } from "../client-address.ts";
import {
  type ConnectionBound,
  ConnectionBounds,
  type NoPlace,
  Place,
} from "../connection-bounds.ts";
import { Deadlines } from "../deadlines.ts";
import { checkFunction } from "../events/errors.ts";
import { NodeEmitter } from "../events/node-emitter.ts";
import { checkOptions } from "../events/options.ts";
import { generateId } from "../generate-id.ts";
import { addHeader } from "../headers.ts";
import { TotalBackpressure } from "../total-backpressure.ts";
import { trustOf } from "../trusted-proxies.ts";
import { destroyOnError } from "../websocket/connection.ts";
import {
  type AcceptedHandshake,
  checkUpgrade,
  completeUpgrade,
  refuseUpgrade,
  type UpgradeOptions,
} from "../websocket/upgrade.ts";
import { formatCookie } from "./cookie.ts";
import { applyCors } from "./cors.ts";
import { type EngineRequest, PollingRequest, UpgradeRequest } from "./engine-request.ts";
import { ClientHeartbeat, Heartbeat } from "./heartbeat.ts";
import { legacyFormat, legacyMessages } from "./legacy.ts";
import { type EngineMiddleware, passMiddleware, passMiddlewareToUpgrade } from "./middleware.ts";
import { type EngineStats, Monitor } from "./monitor.ts";
import { DEFAULTS, ENGINE_OPTIONS, type EngineOptions } from "./options.ts";
import { OriginGate } from "./origin-gate.ts";
import { NOOP_PACKET, Outgoing } from "./outgoing.ts";
import { askPermission, type PermissionHost } from "./permission.ts";
import { CURRENT_FORMAT, PollingTransport } from "./polling.ts";
import { addQuery } from "./query.ts";
import { Session, type SessionHost, type SessionSink } from "./session.ts";
import type { Transport } from "./transport.ts";
import { Upgrade } from "./upgrade.ts";
import { BASE64_MESSAGES, CURRENT_MESSAGES, WebSocketTransport } from "./websocket.ts";

/** The layer above an engine. */
export interface EngineSink {
  /**
   * Returns the receiver of a new session's messages.
   *
   * @param session the new session
   */
  onSession(session: Session): SessionSink;
}

/** Forwards requests to the processes that have their sessions. */
export interface SessionRouter {
  /** Forwards a request to another process. Returns `false` if the request is for this process. */
  forwardRequest(incoming: PollingRequest): boolean;
  /** Forwards an upgrade request to another process. Returns `false` if the upgrade request is for this process. */
  forwardUpgrade(incoming: UpgradeRequest): boolean;
}

/** How long clients may take to receive the messages that were sent before close(), in milliseconds. */
export const CLOSE_TIMEOUT = 1000;

/** The details of "connection_error". */
export interface ConnectionError {
  /** The refused request. */
  readonly req: IncomingMessage;
  /** The error code that the client receives, 0 to 5. */
  readonly code: number;
  /** The message of the error code. */
  readonly message: string;
  /** The exact cause, which the client does not receive. `name` identifies the cause. */
  readonly context: Readonly<Record<string, unknown>>;
}

/** Header fields that listeners add to a response. */
export type ResponseHeaders = Record<string, string | string[]>;

/** The events that an engine emits. */
export interface EngineEvents {
  /**
   * Emitted when a session is opened.
   *
   * @param session the new session
   */
  connection: (session: Session) => void;
  /**
   * Emitted when a client is refused.
   *
   * @param error the cause
   */
  connection_error: (error: ConnectionError) => void;
  /**
   * Emitted before the first response to a client is sent: the response to a polling request or to an upgrade request.
   *
   * @param headers the header fields to add
   * @param request the request of the client
   */
  initial_headers: (headers: ResponseHeaders, request: IncomingMessage) => void;
  /**
   * Emitted before each response is sent, including the first.
   *
   * @param headers the header fields to add
   * @param request the request of the client
   */
  headers: (headers: ResponseHeaders, request: IncomingMessage) => void;
}

/**
 * The Engine.IO server, which `io.engine` returns: opens sessions, and routes each request to its session. Engine.IO
 * "Handshake" to "Upgrade".
 *
 * @example
 * const io = new Server(3000);
 * io.engine.on("connection_error", ({ code, message, context }) => console.log(code, message, context));
 */
export class Engine extends NodeEmitter<EngineEvents> {
  /**
   * Generates the id of a new session. An application may assign another function. Ids must be unique and impossible to guess.
   * Default: 20 random characters of `[A-Za-z0-9_-]`.
   *
   * @param request the HTTP request that opens the session
   *
   * @example
   * const io = new Server(3000);
   * io.engine.generateId = () => crypto.randomUUID();
   */
  generateId: (request: IncomingMessage) => string | Promise<string> = generateId;

  private readonly options: EngineOptions & typeof DEFAULTS;
  private sink: EngineSink | undefined;
  private router: SessionRouter | undefined;
  private middleware: readonly EngineMiddleware[] = [];
  private readonly sessions = new Map<string, Session>();
  // Functions that are called after the end of the last session.
  private readonly onEmpty = new Set<() => void>();
  private readonly hosts: Readonly<Record<Revision, SessionHost>>;
  private readonly revisions: readonly Revision[];
  private readonly upgrades: Deadlines<Upgrade>;
  private readonly upgradeOptions: UpgradeOptions;
  private readonly gate: OriginGate;
  private readonly isTrusted: (peer: string | undefined) => boolean;
  // `undefined` if no option limits the number of clients.
  private readonly bounds: ConnectionBounds | undefined;
  private readonly monitor: Monitor;
  private readonly permissionHost: PermissionHost;
  // Sockets of upgrade requests that belong to no session: the program has not decided about the client, or the WebSocket is
  // closing.
  private readonly sessionless = new Set<Duplex>();
  private closed = false;

  /**
   * Creates an engine.
   *
   * @param options the options
   * @param sink the layer above. Default: none, and new sessions are only reported by events
   * @throws ArgumentTypeError or ArgumentRangeError if an option is invalid or unknown
   */
  constructor(options: EngineOptions, sink?: EngineSink) {
    super();
    checkOptions(options, ENGINE_OPTIONS);
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.options = { ...DEFAULTS, ...Object.fromEntries(given) };
    this.sink = sink;
    const { pingInterval, pingTimeout, upgradeTimeout, perMessageDeflate } = this.options;
    this.gate = new OriginGate(options);
    const { maxBackpressure, backpressurePolicy, maxTotalBackpressure, logger } = this.options;
    const backlog = new TotalBackpressure(maxTotalBackpressure);
    this.isTrusted = trustOf(options.trustedProxies);
    const monitor = new Monitor(logger, (request) => this.addressOf(request));
    this.monitor = monitor;
    this.bounds = ConnectionBounds.of(this.options);
    const onClosed = ({ id, addressGroup }: Session): void => {
      this.bounds?.leave(addressGroup);
      this.sessions.delete(id);
      if (this.sessions.size > 0) return;
      for (const onEmpty of this.onEmpty) onEmpty();
    };
    const heartbeat = new Heartbeat(pingInterval, pingTimeout);
    const clientHeartbeat = new ClientHeartbeat(pingInterval, pingTimeout);
    const host = { maxBackpressure, backpressurePolicy, backlog, monitor, onClosed };
    this.hosts = {
      3: { protocol: 3, heartbeat: clientHeartbeat, ...host },
      4: { protocol: 4, heartbeat, ...host },
    };
    this.permissionHost = {
      isClosed: () => this.closed,
      allowRequest: this.options.allowRequest,
      generateId: (request) => this.generateId(request),
    };
    this.revisions = this.options.allowEIO3 === true ? [4, 3] : [4];
    this.upgrades = new Deadlines(upgradeTimeout, (upgrade) => upgrade.abandon());
    this.upgradeOptions = {
      maxPayload: this.options.maxHttpBufferSize,
      deflate: perMessageDeflate === true ? {} : perMessageDeflate || undefined,
      closing: this.sessionless,
    };
  }

  /** The options, with default values for those that were not set. */
  get opts(): EngineOptions & Required<Pick<EngineOptions, keyof typeof DEFAULTS>> {
    return this.options;
  }

  /** The number of open sessions. */
  get clientsCount(): number {
    return this.sessions.size;
  }

  /** Returns statistics. Iterates over all sessions, so call it every few seconds and not for each message. */
  stats(): EngineStats {
    return this.monitor.stats(this.sessions.values());
  }

  /** Counts and logs a failure of the server itself. @internal */
  onError(error: Error): void {
    this.monitor.onError(error);
  }

  /**
   * Adds Express-style middleware, which is called for every HTTP request and upgrade request before the engine handles it.
   * Middleware is called in the order in which it was added. If the middleware throws or passes an error to next(), the client is
   * refused and "connection_error" is emitted.
   *
   * @param middleware the middleware
   * @throws ArgumentTypeError if `middleware` is not a function
   *
   * @example
   * const io = new Server(3000);
   * io.engine.use((request, response, next) => {
   *   response.setHeader("X-Served-By", "node-1");
   *   next();
   * });
   */
  use(middleware: EngineMiddleware): this {
    checkFunction("the middleware", middleware);
    this.middleware = [...this.middleware, middleware];
    return this;
  }

  /** Passes each session that is opened after this call to `sink`. @internal */
  deliverTo(sink: EngineSink): void {
    this.sink = sink;
  }

  /** Passes every request and upgrade request to `router` first. @internal */
  routeBy(router: SessionRouter): void {
    this.router = router;
  }

  /** Answers the waiting GET request of a session, if there is one, so that the client polls again. @internal */
  answerPoll(sid: string): void {
    const transport = this.sessions.get(sid)?.transport;
    if (transport?.name === "polling" && transport.writable) transport.send(NOOP_PACKET);
  }

  /**
   * Answers an HTTP request for the path of this engine.
   *
   * @param request the request
   * @param response the response to the request
   */
  handleRequest(request: IncomingMessage, response: ServerResponse): void {
    this.onRequest(new PollingRequest(request, response, "program"));
  }

  /**
   * Answers an upgrade request for the path of this engine.
   *
   * @param request the upgrade request
   * @param socket the socket of the request
   * @param head the bytes after the header of the request
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    this.onUpgrade(new UpgradeRequest(request, socket, head, "program"));
  }

  /** @internal */
  onRequest(incoming: PollingRequest): void {
    if (this.router?.forwardRequest(incoming)) return;
    const { request, response, query } = incoming;
    this.showQuery(request);
    this.gate.check(request, query.has("j"), (refusal, cors) => {
      if (incoming.gone) return;
      if (refusal !== undefined) {
        this.tellRefused(request, refuse("BAD_REQUEST", refusal.context), refusal.message);
        incoming.refuse("BAD_REQUEST", refusal.message);
      } else if (cors === undefined) {
        this.passRequest(incoming);
      } else {
        applyCors(cors, request, response, () => this.passRequest(incoming));
      }
    });
  }

  /** @internal */
  onUpgrade(incoming: UpgradeRequest): void {
    const { request, socket } = incoming;
    // The connection may fail while the engine decides about the request. An "error" event without a listener would end the
    // process.
    socket.on("error", destroyOnError);
    if (this.router?.forwardUpgrade(incoming)) return;
    this.showQuery(request);
    this.gate.check(request, false, (refusal) => {
      if (incoming.gone) return;
      if (refusal !== undefined) {
        this.tellRefused(request, refuse("BAD_REQUEST", refusal.context), refusal.message);
        refuseUpgrade(socket, 400, refusal.message, "text/plain");
      } else {
        this.passUpgrade(incoming);
      }
    });
    if (incoming.accepted || !socket.writable) return;
    this.sessionless.add(socket);
    socket.once("close", () => this.sessionless.delete(socket));
  }

  /**
   * Sets the CORS headers of a response that belongs to no session, such as a file of the client. Answers a preflight request,
   * and calls `next` for every other request.
   *
   * @internal
   */
  setCorsHeaders(request: IncomingMessage, response: ServerResponse, next: () => void): void {
    this.gate.setHeaders(request, response, next);
  }

  /**
   * Opens a session over a transport that is not based on HTTP.
   *
   * @param start called with the session. The function must set the session as the sink of the transport
   * @returns the session. Rejects with the message of the refusal if the client is refused
   * @internal
   */
  accept(
    request: IncomingMessage,
    transport: Transport,
    start: (session: Session) => void,
  ): Promise<Session> {
    addQuery(request);
    return new Promise((resolve, reject) => {
      const place = this.enter(request);
      if (place !== undefined && !(place instanceof Place)) {
        reject(new Error(REFUSALS.TOO_MANY_CONNECTIONS.message));
        return;
      }
      askPermission(this.permissionHost, request, (permission) => {
        if (permission.kind === "refused") {
          place?.release();
          this.tellRefused(request, permission);
          reject(new Error(permission.message));
          return;
        }
        place?.passToSession();
        const address = place?.address ?? this.addressOf(request);
        const session = new Session(permission.id, request, transport, this.hosts[4], address);
        start(session);
        this.openSession(session);
        resolve(session);
      });
    });
  }

  /** Refuses all clients that connect after this call. Open sessions continue. @internal */
  refuseClients(): void {
    this.closed = true;
  }

  /**
   * Refuses new clients and ends all open sessions. A session with waiting messages sends them first.
   *
   * @param timeout how long the sessions may take to send the waiting messages, in milliseconds. Default: 1,000
   * @returns a promise that resolves when all sessions have ended
   */
  async close(timeout: number = CLOSE_TIMEOUT): Promise<void> {
    this.refuseClients();
    for (const session of [...this.sessions.values()]) session.shutDown();
    await this.drained(timeout);
    for (const session of [...this.sessions.values()]) session.discard("forced close");
    this.monitor.flushLog();
  }

  /** Ends the connections of upgrade requests that belong to no session. @internal */
  cutOff(): void {
    for (const socket of this.sessionless) socket.destroy();
  }

  /** Resolves when no session is open, or after `timeout` milliseconds. @internal */
  async drained(timeout: number): Promise<void> {
    if (this.sessions.size === 0) return;
    await new Promise<void>((resolve) => {
      const onEmpty = (): void => {
        clearTimeout(timer);
        this.onEmpty.delete(onEmpty);
        resolve();
      };
      const timer = setTimeout(onEmpty, timeout);
      this.onEmpty.add(onEmpty);
    });
  }

  private passRequest(incoming: PollingRequest): void {
    const { request, response } = incoming;
    if (this.middleware.length === 0) {
      this.route(incoming);
      return;
    }
    passMiddleware(this.middleware, request, response, (error) => {
      if (error === undefined) this.route(incoming);
      else this.refuse(incoming, middlewareFailure(error));
    });
  }

  private passUpgrade(incoming: UpgradeRequest): void {
    if (this.middleware.length === 0) {
      this.routeUpgrade(incoming);
      return;
    }
    passMiddlewareToUpgrade(this.middleware, incoming, (error) => {
      if (error === undefined) this.routeUpgrade(incoming);
      else this.refuse(incoming, middlewareFailure(error));
    });
  }

  private route(incoming: PollingRequest): void {
    const { request, response } = incoming;
    if (this.closed) response.setHeader("Connection", "close");
    const admission = this.admit(incoming, false);
    if (!this.addHeaders(incoming, admission.kind !== "session")) return;
    if (admission.kind === "refused") {
      this.refuse(incoming, admission);
      return;
    }
    setBrowserHeaders(request, response);
    // Middleware may read the header fields after they were sent. Node forgets the fields that are passed to writeHead(), unless
    // setHeader() was called before. So setHeader() is called here for one field.
    if (this.middleware.length > 0) response.setHeader("Cache-Control", "no-store");
    if (admission.kind === "handshake") this.openPolling(incoming, admission.protocol);
    else this.sessions.get(admission.sid)?.onRequest(request, response);
  }

  private routeUpgrade(incoming: UpgradeRequest): void {
    const admission = this.admit(incoming, true);
    if (admission.kind === "refused") {
      this.refuse(incoming, admission);
      return;
    }
    const session = admission.kind === "session" ? this.sessions.get(admission.sid) : undefined;
    if (session !== undefined && !(session.mayUpgrade && this.options.allowUpgrades)) {
      this.monitor.onRefusal(
        incoming.request,
        "UPGRADE_NOT_ALLOWED",
        "the session cannot be upgraded",
      );
      incoming.refuse("BAD_REQUEST");
      return;
    }
    const handshake = checkUpgrade(incoming.request, incoming.socket, this.upgradeOptions);
    if (handshake === undefined) {
      this.monitor.onRefusal(
        incoming.request,
        "BAD_WEBSOCKET_HANDSHAKE",
        "the opening handshake is invalid",
      );
      return;
    }
    if (admission.kind === "handshake") {
      this.openWebSocket(incoming, handshake, admission.protocol);
    } else if (session !== undefined) {
      if (!this.addHeaders(incoming, false)) return;
      this.beginUpgrade(session, this.webSocket(incoming, handshake, session.protocol));
    }
  }

  private admit({ request, query }: EngineRequest, upgrade: boolean): Admission {
    return admit(
      { method: request.method ?? "", query, upgrade },
      this.options.transports,
      this.revisions,
      (sid) => {
        const session = this.sessions.get(sid);
        return session && { transport: session.transport.name, protocol: session.protocol };
      },
    );
  }

  private addressOf(request: IncomingMessage): string {
    return clientAddress(request, this.isTrusted);
  }

  /**
   * Counts a new client. If a limit is reached, emits "connection_error".
   *
   * @returns a Place, which counts the client, or a NoPlace if a limit is reached. `undefined` if no limit is set, or if the
   * engine is closed: a closed engine refuses every client anyway
   */
  private enter(request: IncomingMessage): Place | NoPlace | undefined {
    if (this.bounds === undefined || this.closed) return undefined;
    const address = this.addressOf(request);
    const place = this.bounds.enter(address);
    if (place instanceof Place) return place;
    const { bound, limit } = place;
    const { message } = REFUSALS.TOO_MANY_CONNECTIONS;
    this.monitor.onNewcomerBound(address, bound, message);
    const context = { name: NEWCOMER_BOUNDS[bound], bound, limit, address };
    this.tellRefused(request, refuse("TOO_MANY_CONNECTIONS", context));
    return place;
  }

  /** Refuses a request or an upgrade request, and emits "connection_error". */
  private refuse(incoming: EngineRequest, refusal: Refusal): void {
    incoming.place?.release();
    this.tellRefused(incoming.request, refusal);
    incoming.refuse(refusal.refusal, refusal.message);
  }

  /**
   * Counts and logs a refusal, and emits "connection_error".
   *
   * @param message the message of the event, which may differ from the message that the client receives
   */
  private tellRefused(
    req: IncomingMessage,
    { refusal, context }: Refusal,
    message: string = REFUSALS[refusal].message,
  ): void {
    const { name = refusal } = context;
    this.monitor.onRefusal(req, String(name), message, context);
    addQuery(req);
    this.dispatch("connection_error", [{ req, code: REFUSALS[refusal].code, message, context }]);
  }

  /** Sets the property `_query` of a request if functions of the program receive requests. */
  private showQuery(request: IncomingMessage): void {
    if (this.showsRequests) addQuery(request);
  }

  /**
   * Adds the header fields of the listeners to a response. If a listener throws or a field is invalid, refuses the request and
   * returns `false`. Clients can often cause such an error, so the error must not end the process.
   *
   * @param first whether the response is the first of a session
   */
  private addHeaders(incoming: EngineRequest, first: boolean): boolean {
    if (this.listenerCount("headers") + this.listenerCount("initial_headers") === 0) return true;
    const added: ResponseHeaders = {};
    const listeners = [
      ...(first ? this.registered("initial_headers") : []),
      ...this.registered("headers"),
    ];
    try {
      for (const listener of listeners) listener.call(this, added, incoming.request);
      for (const [name, value] of Object.entries(added)) addHeader(incoming.headers, name, value);
      return true;
    } catch (error) {
      this.refuse(incoming, middlewareFailure(error));
      return false;
    }
  }

  /** Calls `open` with the id of a new session, if the program permits the session. Otherwise refuses the client. */
  private whenPermitted(incoming: EngineRequest, open: (id: string) => void): void {
    if (incoming.gone) return;
    const place = this.enter(incoming.request);
    if (place !== undefined && !(place instanceof Place)) {
      incoming.refuse("TOO_MANY_CONNECTIONS", undefined, place.retryAfter);
      return;
    }
    incoming.place = place;
    let decided = false;
    let ignoreEnd = (): void => {};
    askPermission(this.permissionHost, incoming.request, (permission) => {
      decided = true;
      ignoreEnd();
      const gone = incoming.gone || place?.held === false;
      if (permission.kind === "granted" && !gone) {
        open(permission.id);
        return;
      }
      place?.release();
      if (permission.kind === "granted") return;
      this.tellRefused(incoming.request, permission);
      if (!gone) incoming.refuse(permission.refusal, permission.message);
    });
    // The client may disconnect before the program has decided, and the program may never decide. So the Place is also
    // released when the connection closes.
    if (decided || place === undefined) return;
    place.releaseOnClose(incoming.connection);
    ignoreEnd = incoming.noticeEnd();
  }

  private openPolling(incoming: PollingRequest, protocol: Revision): void {
    this.whenPermitted(incoming, (id) => {
      const { request, response, query } = incoming;
      const { maxHttpBufferSize, httpCompression = true, cookie } = this.options;
      const transport = new PollingTransport({
        // A script (JSONP) cannot contain binary data.
        format:
          protocol === 3 ? legacyFormat(!query.has("b64") && !query.has("j")) : CURRENT_FORMAT,
        maxPayload: maxHttpBufferSize,
        compression: httpCompression === true ? {} : httpCompression || undefined,
        jsonp: query.get("j"),
      });
      try {
        if (cookie) {
          addHeader(response, "Set-Cookie", formatCookie(cookie === true ? {} : cookie, id));
        }
      } catch (error) {
        this.refuse(incoming, middlewareFailure(error));
        return;
      }
      const session = this.createSession(id, incoming, transport, protocol);
      transport.start(session);
      transport.onRequest(request, response);
      this.openSession(session);
    });
  }

  private openWebSocket(
    incoming: UpgradeRequest,
    handshake: AcceptedHandshake,
    protocol: Revision,
  ): void {
    this.whenPermitted(incoming, (id) => {
      if (!this.addHeaders(incoming, true)) return;
      const transport = this.webSocket(incoming, handshake, protocol);
      const session = this.createSession(id, incoming, transport, protocol);
      this.openSession(session);
      transport.start(session);
    });
  }

  /** Answers an upgrade request with 101, and returns the transport. */
  private webSocket(
    incoming: UpgradeRequest,
    handshake: AcceptedHandshake,
    protocol: Revision,
  ): WebSocketTransport {
    const { socket, head, headers, query } = incoming;
    incoming.accepted = true;
    this.sessionless.delete(socket);
    const options = this.upgradeOptions;
    const connection = completeUpgrade(handshake, socket, head, options, headers.lines);
    const base64 = query.has("b64");
    const current = base64 ? BASE64_MESSAGES : CURRENT_MESSAGES;
    return new WebSocketTransport(connection, protocol === 3 ? legacyMessages(!base64) : current);
  }

  private createSession(
    id: string,
    incoming: EngineRequest,
    transport: Transport,
    protocol: Revision,
  ): Session {
    const address = incoming.place?.address ?? this.addressOf(incoming.request);
    incoming.place?.passToSession();
    const request = incoming.keep(this.showsRequests);
    return new Session(id, request, transport, this.hosts[protocol], address);
  }

  /** Whether functions of the program receive the requests. */
  private get showsRequests(): boolean {
    return (
      this.middleware.length > 0 ||
      this.options.allowRequest !== undefined ||
      this.gate.showsRequests ||
      this.generateId !== generateId ||
      this.listenerCount("headers") + this.listenerCount("initial_headers") > 0
    );
  }

  private openSession(session: Session): void {
    this.sessions.set(session.id, session);
    const { pingInterval, pingTimeout, maxHttpBufferSize, transports, allowUpgrades } =
      this.options;
    const mayUpgrade =
      session.transport.name === "polling" && allowUpgrades && transports.includes("websocket");
    const open = encodeOpen({
      sid: session.id,
      upgrades: mayUpgrade ? ["websocket"] : [],
      pingInterval,
      pingTimeout,
      maxPayload: maxHttpBufferSize,
    });
    this.monitor.onConnection(session);
    session.send(new Outgoing([open], false));
    session.open(this.sink?.onSession(session));
    this.dispatch("connection", [session]);
  }

  private beginUpgrade(session: Session, transport: WebSocketTransport): void {
    const upgrade = new Upgrade(session, transport, (ended) => this.upgrades.delete(ended));
    this.upgrades.add(upgrade);
    upgrade.start();
  }
}

/** The names of the limits on new clients in "connection_error" and in `refusals` of the statistics. */
const NEWCOMER_BOUNDS: Readonly<Record<ConnectionBound, string>> = {
  maxConnections: "MAX_CONNECTIONS",
  maxConnectionsPerAddress: "MAX_CONNECTIONS_PER_ADDRESS",
  maxHandshakesPerSecond: "MAX_HANDSHAKES_PER_SECOND",
};

function middlewareFailure(error: unknown): Refusal {
  return refuse("BAD_REQUEST", { name: "MIDDLEWARE_FAILURE", error });
}

/** Turns off the XSS filter of Internet Explorer, which blocks the page if a payload looks like an attack. */
function setBrowserHeaders(request: IncomingMessage, response: ServerResponse): void {
  if (/;MSIE|Trident\//.test(request.headers["user-agent"] ?? "")) {
    response.setHeader("X-XSS-Protection", "0");
  }
}
