// Sessions by their ids, and each HTTP request and upgrade to the right one. Engine.IO "Handshake".

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
import { Backlog } from "../backlog.ts";
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
import { trustOf } from "../trusted-proxies.ts";
import { destroyOnError } from "../websocket/connection.ts";
import {
  type AcceptedHandshake,
  checkUpgrade,
  completeUpgrade,
  refuseUpgrade,
  type UpgradeOptions,
} from "../websocket/upgrade.ts";
import { type Arrival, RequestArrival, UpgradeArrival } from "./arrival.ts";
import { formatCookie } from "./cookie.ts";
import { applyCors } from "./cors.ts";
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

/** The layer above: gets each new session and gives back where its messages go. */
export interface EngineSink {
  onSession(session: Session): SessionSink;
}

/** Passes arrivals to other processes: those for sessions that these have. */
export interface SessionRouter {
  /** Passes a request on. Returns `false` if it is for this process. */
  forwardRequest(arrival: RequestArrival): boolean;
  /** Passes an upgrade request on. Returns `false` if it is for this process. */
  forwardUpgrade(arrival: UpgradeArrival): boolean;
}

/** Milliseconds in which clients may still receive what was sent before close(). */
export const CLOSE_TIMEOUT = 1000;

/** A client was refused. */
export interface ConnectionError {
  readonly req: IncomingMessage;
  /** 0 to 5, as the client is told. */
  readonly code: number;
  readonly message: string;
  /** What exactly was wrong; the client is not told. */
  readonly context: Readonly<Record<string, unknown>>;
}

/** Header fields of a response, for listeners to add to. */
export type ResponseHeaders = Record<string, string | string[]>;

export interface EngineEvents {
  /** A session has begun. */
  connection: (session: Session) => void;
  /** A client was refused. */
  connection_error: (error: ConnectionError) => void;
  /** The first response to a client, over polling or with the 101, is about to be sent. */
  initial_headers: (headers: ResponseHeaders, request: IncomingMessage) => void;
  /** A response, the first one too, is about to be sent. */
  headers: (headers: ResponseHeaders, request: IncomingMessage) => void;
}

export class Engine extends NodeEmitter<EngineEvents> {
  /** Gives each new session its id: 20 characters of `[A-Za-z0-9_-]` that nobody can guess. To be replaced where ids must say more. */
  generateId: (request: IncomingMessage) => string | Promise<string> = generateId;

  private readonly options: EngineOptions & typeof DEFAULTS;
  private sink: EngineSink | undefined;
  private router: SessionRouter | undefined;
  private middleware: readonly EngineMiddleware[] = [];
  private readonly sessions = new Map<string, Session>();
  // Called when the last session has ended.
  private readonly onEmpty = new Set<() => void>();
  private readonly hosts: Readonly<Record<Revision, SessionHost>>;
  private readonly revisions: readonly Revision[];
  private readonly upgrades: Deadlines<Upgrade>;
  private readonly upgradeOptions: UpgradeOptions;
  private readonly gate: OriginGate;
  private readonly isTrusted: (peer: string | undefined) => boolean;
  // `undefined` without a bound.
  private readonly bounds: ConnectionBounds | undefined;
  private readonly monitor: Monitor;
  private readonly permissionHost: PermissionHost;
  // Upgraded sockets that no session has: the program has not decided about them, or they are closing.
  private readonly sessionless = new Set<Duplex>();
  private closed = false;

  /**
   * @param sink where new sessions go; without it, until deliverTo(), only events tell of them
   * @throws ArgumentTypeError or ArgumentRangeError for an invalid or unknown option
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
    const backlog = new Backlog(maxTotalBackpressure);
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

  /** The options, with the defaults of those that were not given. */
  get opts(): EngineOptions & Required<Pick<EngineOptions, keyof typeof DEFAULTS>> {
    return this.options;
  }

  /** How many sessions there are. */
  get clientsCount(): number {
    return this.sessions.size;
  }

  /** How the engine is doing. It walks through all sessions, so it is for now and then. */
  stats(): EngineStats {
    return this.monitor.stats(this.sessions.values());
  }

  /** Counts and logs a failure of the server's own. @internal */
  onError(error: Error): void {
    this.monitor.onError(error);
  }

  /**
   * Has every HTTP request and every upgrade pass `middleware`, as Express has it, before the engine
   * looks at it; in the order of the calls. What one refuses, or throws, is a `connection_error`.
   */
  use(middleware: EngineMiddleware): this {
    checkFunction("the middleware", middleware);
    this.middleware = [...this.middleware, middleware];
    return this;
  }

  /** Gives new sessions to another layer. */
  deliverTo(sink: EngineSink): void {
    this.sink = sink;
  }

  /** Asks `router` about every request and upgrade before anything else is decided. @internal */
  routeBy(router: SessionRouter): void {
    this.router = router;
  }

  /** Answers the poll that waits for a session, if there is one. The client polls again. @internal */
  answerPoll(sid: string): void {
    const transport = this.sessions.get(sid)?.transport;
    if (transport?.name === "polling" && transport.writable) transport.send(NOOP_PACKET);
  }

  /** Answers an HTTP request for the path of this engine. */
  handleRequest(request: IncomingMessage, response: ServerResponse): void {
    this.onRequest(new RequestArrival(request, response, "program"));
  }

  /** Answers an upgrade request for the path of this engine. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    this.onUpgrade(new UpgradeArrival(request, socket, head, "program"));
  }

  /** @internal */
  onRequest(arrival: RequestArrival): void {
    if (this.router?.forwardRequest(arrival)) return;
    const { request, response, query } = arrival;
    this.showQuery(request);
    this.gate.check(request, query.has("j"), (refusal, cors) => {
      if (arrival.gone) return;
      if (refusal !== undefined) {
        this.tellRefused(request, refuse("BAD_REQUEST", refusal.context), refusal.message);
        arrival.refuse("BAD_REQUEST", refusal.message);
      } else if (cors === undefined) {
        this.passRequest(arrival);
      } else {
        applyCors(cors, request, response, () => this.passRequest(arrival));
      }
    });
  }

  /** @internal */
  onUpgrade(arrival: UpgradeArrival): void {
    const { request, socket } = arrival;
    // The client may leave while it is decided whether it may connect.
    socket.on("error", destroyOnError);
    if (this.router?.forwardUpgrade(arrival)) return;
    this.showQuery(request);
    this.gate.check(request, false, (refusal) => {
      if (arrival.gone) return;
      if (refusal !== undefined) {
        this.tellRefused(request, refuse("BAD_REQUEST", refusal.context), refusal.message);
        refuseUpgrade(socket, 400, refusal.message, "text/plain");
      } else {
        this.passUpgrade(arrival);
      }
    });
    if (arrival.accepted || !socket.writable) return;
    this.sessionless.add(socket);
    socket.once("close", () => this.sessionless.delete(socket));
  }

  /**
   * Sets the CORS headers of a response at the engine's path that belongs to no session, such as the
   * client's files. Answers a preflight, and calls `next` for every other request.
   */
  setCorsHeaders(request: IncomingMessage, response: ServerResponse, next: () => void): void {
    this.gate.setHeaders(request, response, next);
  }

  /**
   * Begins a session over a transport that is not one of HTTP's.
   *
   * @param start called with the session, which the transport is to deliver to
   * @returns the session; rejects with the message of a refusal
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

  /** Takes no more sessions; those that are there go on. */
  refuseClients(): void {
    this.closed = true;
  }

  /**
   * Refuses new sessions and ends all that are open. A session for which something waits to be sent may
   * send it first.
   *
   * @param timeout milliseconds that such a session may take. Default: 1,000
   * @returns resolves when all sessions have ended
   */
  async close(timeout: number = CLOSE_TIMEOUT): Promise<void> {
    this.refuseClients();
    for (const session of [...this.sessions.values()]) session.shutDown();
    await this.drained(timeout);
    for (const session of [...this.sessions.values()]) session.discard("forced close");
    this.monitor.flushLog();
  }

  /** Ends the connections of upgrades that no session has. @internal */
  cutOff(): void {
    for (const socket of this.sessionless) socket.destroy();
  }

  /** Resolves when no session is open, at the latest after `timeout` milliseconds. */
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

  private passRequest(arrival: RequestArrival): void {
    const { request, response } = arrival;
    if (this.middleware.length === 0) {
      this.route(arrival);
      return;
    }
    passMiddleware(this.middleware, request, response, (error) => {
      if (error === undefined) this.route(arrival);
      else this.refuse(arrival, middlewareFailure(error));
    });
  }

  private passUpgrade(arrival: UpgradeArrival): void {
    if (this.middleware.length === 0) {
      this.routeUpgrade(arrival);
      return;
    }
    passMiddlewareToUpgrade(this.middleware, arrival, (error) => {
      if (error === undefined) this.routeUpgrade(arrival);
      else this.refuse(arrival, middlewareFailure(error));
    });
  }

  private route(arrival: RequestArrival): void {
    const { request, response } = arrival;
    if (this.closed) response.setHeader("Connection", "close");
    const admission = this.admit(arrival, false);
    if (!this.addHeaders(arrival, admission.kind !== "session")) return;
    if (admission.kind === "refused") {
      this.refuse(arrival, admission);
      return;
    }
    setBrowserHeaders(request, response);
    // Middleware may ask for the header when it has left, and Node remembers one that is given to
    // writeHead() only where a field was set before.
    if (this.middleware.length > 0) response.setHeader("Cache-Control", "no-store");
    if (admission.kind === "handshake") this.openPolling(arrival, admission.protocol);
    else this.sessions.get(admission.sid)?.onRequest(request, response);
  }

  private routeUpgrade(arrival: UpgradeArrival): void {
    const admission = this.admit(arrival, true);
    if (admission.kind === "refused") {
      this.refuse(arrival, admission);
      return;
    }
    const session = admission.kind === "session" ? this.sessions.get(admission.sid) : undefined;
    if (session !== undefined && !(session.mayUpgrade && this.options.allowUpgrades)) {
      this.monitor.onRefusal(arrival.request, "UPGRADE_NOT_ALLOWED", "the session may not upgrade");
      arrival.refuse("BAD_REQUEST");
      return;
    }
    const handshake = checkUpgrade(arrival.request, arrival.socket, this.upgradeOptions);
    if (handshake === undefined) {
      this.monitor.onRefusal(
        arrival.request,
        "BAD_WEBSOCKET_HANDSHAKE",
        "no valid opening handshake",
      );
      return;
    }
    if (admission.kind === "handshake") {
      this.openWebSocket(arrival, handshake, admission.protocol);
    } else if (session !== undefined) {
      if (!this.addHeaders(arrival, false)) return;
      this.beginUpgrade(session, this.webSocket(arrival, handshake, session.protocol));
    }
  }

  private admit({ request, query }: Arrival, upgrade: boolean): Admission {
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
   * Gives a place to a new client.
   *
   * @returns the place, a refusal that was told to the program, or `undefined` if there is no bound. A closed engine
   * gives no places: it refuses every client for another reason
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

  /** Refuses an arrival, and emits "connection_error". */
  private refuse(arrival: Arrival, refusal: Refusal): void {
    arrival.place?.release();
    this.tellRefused(arrival.request, refusal);
    arrival.refuse(refusal.refusal, refusal.message);
  }

  /** @param message replaces the message of the table, not that which the client receives */
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

  /** Sets `_query` of a request if a function of the program receives the request. */
  private showQuery(request: IncomingMessage): void {
    if (this.showsRequests) addQuery(request);
  }

  /**
   * Adds the header fields that listeners set to a response. If a listener throws or a field is invalid, refuses the
   * arrival and returns `false`: a client can often cause it, and it must not end the process.
   *
   * @param first the response is the first of a session
   */
  private addHeaders(arrival: Arrival, first: boolean): boolean {
    if (this.listenerCount("headers") + this.listenerCount("initial_headers") === 0) return true;
    const added: ResponseHeaders = {};
    const listeners = [
      ...(first ? this.registered("initial_headers") : []),
      ...this.registered("headers"),
    ];
    try {
      for (const listener of listeners) listener.call(this, added, arrival.request);
      for (const [name, value] of Object.entries(added)) addHeader(arrival.headers, name, value);
      return true;
    } catch (error) {
      this.refuse(arrival, middlewareFailure(error));
      return false;
    }
  }

  /** Opens the session of a new client if the program permits it. */
  private whenPermitted(arrival: Arrival, open: (id: string) => void): void {
    if (arrival.gone) return;
    const place = this.enter(arrival.request);
    if (place !== undefined && !(place instanceof Place)) {
      arrival.refuse("TOO_MANY_CONNECTIONS", undefined, place.retryAfter);
      return;
    }
    arrival.place = place;
    let decided = false;
    let ignoreEnd = (): void => {};
    askPermission(this.permissionHost, arrival.request, (permission) => {
      decided = true;
      ignoreEnd();
      const gone = arrival.gone || place?.held === false;
      if (permission.kind === "granted" && !gone) {
        open(permission.id);
        return;
      }
      place?.release();
      if (permission.kind === "granted") return;
      this.tellRefused(arrival.request, permission);
      if (!gone) arrival.refuse(permission.refusal, permission.message);
    });
    // The client may leave before the program has answered, and the program may never do so.
    if (decided || place === undefined) return;
    place.releaseOnClose(arrival.connection);
    ignoreEnd = arrival.noticeEnd();
  }

  private openPolling(arrival: RequestArrival, protocol: Revision): void {
    this.whenPermitted(arrival, (id) => {
      const { request, response, query } = arrival;
      const { maxHttpBufferSize, httpCompression = true, cookie } = this.options;
      const transport = new PollingTransport({
        // Scripts cannot be bytes.
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
        this.refuse(arrival, middlewareFailure(error));
        return;
      }
      const session = this.createSession(id, arrival, transport, protocol);
      transport.start(session);
      transport.onRequest(request, response);
      this.openSession(session);
    });
  }

  private openWebSocket(
    arrival: UpgradeArrival,
    handshake: AcceptedHandshake,
    protocol: Revision,
  ): void {
    this.whenPermitted(arrival, (id) => {
      if (!this.addHeaders(arrival, true)) return;
      const transport = this.webSocket(arrival, handshake, protocol);
      const session = this.createSession(id, arrival, transport, protocol);
      this.openSession(session);
      transport.start(session);
    });
  }

  /** Answers an upgrade request with the 101. */
  private webSocket(
    arrival: UpgradeArrival,
    handshake: AcceptedHandshake,
    protocol: Revision,
  ): WebSocketTransport {
    const { socket, head, headers, query } = arrival;
    arrival.accepted = true;
    this.sessionless.delete(socket);
    const options = this.upgradeOptions;
    const connection = completeUpgrade(handshake, socket, head, options, headers.lines);
    const base64 = query.has("b64");
    const current = base64 ? BASE64_MESSAGES : CURRENT_MESSAGES;
    return new WebSocketTransport(connection, protocol === 3 ? legacyMessages(!base64) : current);
  }

  private createSession(
    id: string,
    arrival: Arrival,
    transport: Transport,
    protocol: Revision,
  ): Session {
    const address = arrival.place?.address ?? this.addressOf(arrival.request);
    arrival.place?.passToSession();
    const request = arrival.keep(this.showsRequests);
    return new Session(id, request, transport, this.hosts[protocol], address);
  }

  /** Functions of the program receive each request. */
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

/** What `connection_error` and the counts of refusals name the bounds on new clients. */
const NEWCOMER_BOUNDS: Readonly<Record<ConnectionBound, string>> = {
  maxConnections: "MAX_CONNECTIONS",
  maxConnectionsPerAddress: "MAX_CONNECTIONS_PER_ADDRESS",
  maxHandshakesPerSecond: "MAX_HANDSHAKES_PER_SECOND",
};

function middlewareFailure(error: unknown): Refusal {
  return refuse("BAD_REQUEST", { name: "MIDDLEWARE_FAILURE", error });
}

/** Internet Explorer takes some payloads for an attack and empties the page, unless told not to. */
function setBrowserHeaders(request: IncomingMessage, response: ServerResponse): void {
  if (/;MSIE|Trident\//.test(request.headers["user-agent"] ?? "")) {
    response.setHeader("X-XSS-Protection", "0");
  }
}
