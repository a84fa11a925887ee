// Sessions by their ids, and each HTTP request and upgrade to the right one. Engine.IO "Handshake".

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import {
  type Admission,
  admit,
  encodeOpen,
  parseQuery,
  REFUSALS,
  type RefusalName,
  type Revision,
  type TransportName,
} from "../../protocol/engineio/handshake.ts";
import { checkFunction } from "../../protocol/errors.ts";
import { Deadlines } from "../deadlines.ts";
import { NodeEmitter } from "../events.ts";
import { generateId } from "../generate-id.ts";
import { once } from "../once.ts";
import { destroyOnError } from "../websocket/connection.ts";
import {
  checkUpgrade,
  completeUpgrade,
  type DeflateOptions,
  refuseUpgrade,
  type UpgradeOptions,
} from "../websocket/upgrade.ts";
import type { CompressionOptions } from "./compression.ts";
import { type CookieOptions, formatCookie } from "./cookie.ts";
import { applyCors, type CorsDelegate, type CorsOptions } from "./cors.ts";
import { ClientHeartbeat, Heartbeat } from "./heartbeat.ts";
import { type EngineMiddleware, passMiddleware, passMiddlewareToUpgrade } from "./middleware.ts";
import { Outgoing } from "./outgoing.ts";
import { CURRENT_FORMAT, PollingTransport } from "./polling.ts";
import { Session, type SessionHost, type SessionSink } from "./session.ts";
import type { Transport } from "./transport.ts";
import { Upgrade } from "./upgrade.ts";
import { formatOf3, WebSocketTransport3 } from "./v3.ts";
import { Base64WebSocketTransport, WebSocketTransport } from "./websocket.ts";

/** Calls back with whether a client may connect, and what a client that may not is told. */
export type AllowRequest = (
  request: IncomingMessage,
  callback: (message: string | null | undefined, allowed: boolean) => void,
) => void;

export interface EngineOptions {
  /** Milliseconds from a pong to the next ping. Default 25,000. */
  readonly pingInterval?: number;
  /** Milliseconds that a client may take to answer a ping. Default 20,000. */
  readonly pingTimeout?: number;
  /** Milliseconds that an upgrade may take. Default 10,000. */
  readonly upgradeTimeout?: number;
  /** Bytes in one message or request body; told to clients as `maxPayload`. Default 1,000,000. */
  readonly maxHttpBufferSize?: number;
  /**
   * Bytes that may wait for one client that does not take them as fast as they are sent, beyond
   * what the operating system holds. More ends its session. Default 16 MiB.
   */
  readonly maxBackpressure?: number;
  /** Asked before a session is made. Default: every client may. */
  readonly allowRequest?: AllowRequest;
  /** Default both. */
  readonly transports?: readonly TransportName[];
  /** A session may go from polling to WebSocket. Default `true`. */
  readonly allowUpgrades?: boolean;
  /**
   * Clients of Socket.IO 1.x and 2.x, which speak revision 3 of Engine.IO, may connect too. Default
   * `false`.
   */
  readonly allowEIO3?: boolean;
  /** permessage-deflate for WebSocket. Default `false`. */
  readonly perMessageDeflate?: boolean | DeflateOptions;
  /** Compression of the answers to polling requests. Default `true`, from 1024 bytes on. */
  readonly httpCompression?: boolean | CompressionOptions;
  /** A cookie with the session's id is set. Default `false`. */
  readonly cookie?: boolean | CookieOptions;
  /** Which pages of other origins may connect by polling. Default `false`: none. */
  readonly cors?: false | CorsOptions | CorsDelegate;
}

/** The layer above: gets each new session and gives back where its messages go. */
export interface EngineSink {
  onSession(session: Session): SessionSink;
}

/** What the options are that are not given. */
export const DEFAULTS = {
  pingInterval: 25_000,
  pingTimeout: 20_000,
  upgradeTimeout: 10_000,
  maxHttpBufferSize: 1_000_000,
  maxBackpressure: 16 * 1024 * 1024,
  transports: ["polling", "websocket"],
  allowUpgrades: true,
} as const;

type Query = ReadonlyMap<string, string>;

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

  readonly #options: EngineOptions & typeof DEFAULTS;
  #sink: EngineSink | undefined;
  #middleware: readonly EngineMiddleware[] = [];
  readonly #sessions = new Map<string, Session>();
  readonly #hosts: Readonly<Record<Revision, SessionHost>>;
  readonly #revisions: readonly Revision[];
  readonly #upgrades: Deadlines<Upgrade>;
  readonly #upgradeOptions: UpgradeOptions;
  #closed = false;

  /**
   * @param sink where new sessions go; without it, until deliverTo(), only events tell of them
   * @throws TypeError for a cookie that cannot be
   */
  constructor(options: EngineOptions, sink?: EngineSink) {
    super();
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#options = { ...DEFAULTS, ...Object.fromEntries(given) };
    this.#sink = sink;
    const { pingInterval, pingTimeout, upgradeTimeout, perMessageDeflate, cookie } = this.#options;
    if (cookie) formatCookie(cookie === true ? {} : cookie, "");
    const { maxBackpressure } = this.#options;
    const onClosed = ({ id }: Session): void => {
      this.#sessions.delete(id);
    };
    const heartbeat = new Heartbeat(pingInterval, pingTimeout);
    const clientHeartbeat = new ClientHeartbeat(pingInterval, pingTimeout);
    this.#hosts = {
      3: { protocol: 3, heartbeat: clientHeartbeat, maxBackpressure, onClosed },
      4: { protocol: 4, heartbeat, maxBackpressure, onClosed },
    };
    this.#revisions = this.#options.allowEIO3 === true ? [4, 3] : [4];
    this.#upgrades = new Deadlines(upgradeTimeout, (upgrade) => upgrade.abandon());
    this.#upgradeOptions = {
      maxPayload: this.#options.maxHttpBufferSize,
      deflate: perMessageDeflate === true ? {} : perMessageDeflate || undefined,
    };
  }

  /** How many sessions there are. */
  get clientsCount(): number {
    return this.#sessions.size;
  }

  /**
   * Has every HTTP request and every upgrade pass `middleware`, as Express has it, before the engine
   * looks at it; in the order of the calls. What one refuses, or throws, is a `connection_error`.
   */
  use(middleware: EngineMiddleware): this {
    checkFunction("the middleware", middleware);
    this.#middleware = [...this.#middleware, middleware];
    return this;
  }

  /** Gives new sessions to another layer. */
  deliverTo(sink: EngineSink): void {
    this.#sink = sink;
  }

  /**
   * Answers an HTTP request for the path of this engine.
   *
   * @param alone nobody else has seen the request. Then it is not kept, and an equal one is made for
   * who asks for it. Default `false`
   */
  handleRequest(request: IncomingMessage, response: ServerResponse, alone = false): void {
    const { cors } = this.#options;
    if (!cors) {
      this.#passRequest(request, response, alone);
      return;
    }
    const proceed = once((error?: Error) => {
      if (response.destroyed) return;
      const unseen = alone && typeof cors !== "function";
      if (error === undefined) this.#passRequest(request, response, unseen);
      else refuseRequest(response, "BAD_REQUEST");
    });
    answerFirst(
      () => applyCors(cors, request, response, proceed),
      () => proceed(new Error("cors")),
    );
  }

  /**
   * Answers an upgrade request for the path of this engine; a refusal comes instead of the 101.
   *
   * @param alone as for handleRequest()
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, alone = false): void {
    // The client may leave while it is decided whether it may come.
    socket.on("error", destroyOnError);
    if (this.#middleware.length === 0) {
      this.#routeUpgrade(request, socket, head, [], alone);
      return;
    }
    passMiddlewareToUpgrade(this.#middleware, request, socket, (error, lines) => {
      if (error === undefined) {
        this.#routeUpgrade(request, socket, head, lines, alone);
      } else {
        this.#tellMiddlewareFailed(request, error);
        refuseUpgrade(socket, 400, REFUSALS.BAD_REQUEST.message);
      }
    });
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
    return new Promise((resolve, reject) => {
      this.#ask(request, (refusal, message, id) => {
        if (refusal !== undefined) {
          reject(new Error(message));
          return;
        }
        const session = this.#createSession(id, request, false, transport);
        start(session);
        this.#open(session);
        resolve(session);
      });
    });
  }

  /** Takes no more sessions; those that are there go on. */
  refuseClients(): void {
    this.#closed = true;
  }

  /** Ends every session and takes no more. Clients that can hear it are told. */
  close(): void {
    this.refuseClients();
    for (const session of this.#sessions.values()) session.shutDown();
  }

  #passRequest(request: IncomingMessage, response: ServerResponse, alone: boolean): void {
    if (this.#middleware.length === 0) {
      this.#route(request, response, alone);
      return;
    }
    passMiddleware(this.#middleware, request, response, (error) => {
      if (error === undefined) {
        this.#route(request, response, alone);
      } else {
        this.#tellMiddlewareFailed(request, error);
        refuseRequest(response, "BAD_REQUEST");
      }
    });
  }

  /** @param lines of the header of the 101 */
  #routeUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Uint8Array,
    lines: readonly string[],
    alone: boolean,
  ): void {
    const query = queryOf(request);
    const admission = this.#admit(request, query, true);
    if (admission.kind === "refused") {
      const { refusal, context, message } = admission;
      this.#tellRefused(request, refusal, context, message);
      refuseUpgrade(socket, 400, message);
      return;
    }
    const session = admission.kind === "session" ? this.#sessions.get(admission.sid) : undefined;
    if (session !== undefined && !(session.mayUpgrade && this.#options.allowUpgrades)) {
      refuseUpgrade(socket, 400, REFUSALS.BAD_REQUEST.message);
      return;
    }
    const handshake = checkUpgrade(request, socket, this.#upgradeOptions);
    if (handshake === undefined) return;
    const protocol = admission.kind === "session" ? session?.protocol : admission.protocol;
    const complete = (): WebSocketTransport => {
      const headers = this.#moreHeaders(request, session === undefined);
      const more = headers.flatMap(([name, value]) =>
        [value].flat().map((each) => `${name}: ${each}`),
      );
      const all = [...lines, ...more];
      const connection = completeUpgrade(handshake, socket, head, this.#upgradeOptions, all);
      const base64 = query.has("b64");
      if (protocol === 3) return new WebSocketTransport3(connection, !base64);
      return new (base64 ? Base64WebSocketTransport : WebSocketTransport)(connection);
    };
    if (session !== undefined) {
      this.#upgrade(session, complete());
      return;
    }
    this.#ask(request, (refusal, message, id) => {
      if (socket.destroyed) return;
      if (refusal !== undefined) refuseUpgrade(socket, 400, message);
      else this.#openWebSocket(id, request, alone, complete(), protocol);
    });
  }

  #route(request: IncomingMessage, response: ServerResponse, alone: boolean): void {
    if (this.#closed) response.setHeader("Connection", "close");
    const query = queryOf(request);
    const admission = this.#admit(request, query, false);
    const first = admission.kind !== "session";
    for (const [name, value] of this.#moreHeaders(request, first)) response.setHeader(name, value);
    if (admission.kind === "refused") {
      const { refusal, context, message } = admission;
      this.#tellRefused(request, refusal, context, message);
      refuseRequest(response, refusal, message);
      return;
    }
    setBrowserHeaders(request, response);
    // Middleware may ask for the header when it has left, and Node remembers one that is given to
    // writeHead() only where a field was set before.
    if (this.#middleware.length > 0) response.setHeader("Cache-Control", "no-store");
    if (admission.kind === "session") {
      const transport = this.#sessions.get(admission.sid)?.transport;
      if (transport instanceof PollingTransport) transport.onRequest(request, response);
      return;
    }
    this.#ask(request, (refusal, message, id) => {
      if (response.destroyed) return;
      if (refusal !== undefined) refuseRequest(response, refusal, message);
      else this.#openPolling(id, request, alone, response, query, admission.protocol);
    });
  }

  #tellRefused(
    req: IncomingMessage,
    refusal: RefusalName,
    context: Readonly<Record<string, unknown>>,
    message: string = REFUSALS[refusal].message,
  ): void {
    this.dispatch("connection_error", [{ req, code: REFUSALS[refusal].code, message, context }]);
  }

  #tellMiddlewareFailed(request: IncomingMessage, error: unknown): void {
    this.#tellRefused(request, "BAD_REQUEST", { name: "MIDDLEWARE_FAILURE", error });
  }

  /** What listeners add to a response. */
  #moreHeaders(
    request: IncomingMessage,
    first: boolean,
  ): readonly (readonly [name: string, value: string | string[]])[] {
    if (this.listenerCount("headers") + this.listenerCount("initial_headers") === 0) return [];
    const headers: ResponseHeaders = {};
    if (first) this.dispatch("initial_headers", [headers, request]);
    this.dispatch("headers", [headers, request]);
    return Object.entries(headers);
  }

  #admit(request: IncomingMessage, query: Query, upgrade: boolean): Admission {
    return admit(
      { method: request.method ?? "", query, upgrade },
      this.#options.transports,
      this.#revisions,
      (sid) => {
        const session = this.#sessions.get(sid);
        return session && { transport: session.transport.name, protocol: session.protocol };
      },
    );
  }

  /** Asks `allowRequest`, then generateId(); calls back with the refusal and what the client is told, or with the id. */
  #ask(
    request: IncomingMessage,
    callback: (refusal: RefusalName | undefined, message: string, id: string) => void,
  ): void {
    const { allowRequest } = this.#options;
    const forbidden = REFUSALS.FORBIDDEN.message;
    const decide = once((message: string | null | undefined, allowed: boolean) => {
      if (allowed && !this.#closed) {
        this.#name(request, callback);
        return;
      }
      const told = message || forbidden;
      this.#tellRefused(request, "FORBIDDEN", { message: told }, told);
      callback("FORBIDDEN", told, "");
    });
    if (this.#closed || allowRequest === undefined) decide(undefined, !this.#closed);
    else
      answerFirst(
        () => allowRequest(request, decide),
        () => decide(undefined, false),
      );
  }

  #name(
    request: IncomingMessage,
    callback: (refusal: RefusalName | undefined, message: string, id: string) => void,
  ): void {
    const fail = (error: unknown): void => {
      this.#tellRefused(request, "BAD_REQUEST", { name: "ID_GENERATION_ERROR", error });
      callback("BAD_REQUEST", REFUSALS.BAD_REQUEST.message, "");
    };
    try {
      const id = this.generateId(request);
      if (typeof id === "string") callback(undefined, "", id);
      else id.then((given) => callback(undefined, "", given)).catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  #openPolling(
    id: string,
    request: IncomingMessage,
    alone: boolean,
    response: ServerResponse,
    query: Query,
    protocol: Revision,
  ): void {
    const { maxHttpBufferSize, httpCompression = true, cookie } = this.#options;
    const transport = new PollingTransport({
      // Scripts cannot be bytes.
      format: protocol === 3 ? formatOf3(!query.has("b64") && !query.has("j")) : CURRENT_FORMAT,
      maxPayload: maxHttpBufferSize,
      compression: httpCompression === true ? {} : httpCompression || undefined,
      jsonp: query.get("j"),
    });
    const session = this.#createSession(id, request, alone, transport, protocol);
    if (cookie) {
      response.setHeader("Set-Cookie", formatCookie(cookie === true ? {} : cookie, session.id));
    }
    transport.start(session);
    transport.onRequest(request, response);
    this.#open(session);
  }

  #openWebSocket(
    id: string,
    request: IncomingMessage,
    alone: boolean,
    transport: WebSocketTransport,
    protocol: Revision | undefined,
  ): void {
    const session = this.#createSession(id, request, alone, transport, protocol);
    this.#open(session);
    transport.start(session);
  }

  #createSession(
    id: string,
    request: IncomingMessage,
    alone: boolean,
    transport: Transport,
    protocol: Revision = 4,
  ): Session {
    const unseen = alone && !this.#showsRequests;
    const session = new Session(id, request, unseen, transport, this.#hosts[protocol]);
    this.#sessions.set(id, session);
    return session;
  }

  /** Functions of the program are given each request. */
  get #showsRequests(): boolean {
    return (
      this.#middleware.length > 0 ||
      this.#options.allowRequest !== undefined ||
      this.generateId !== generateId ||
      this.listenerCount("headers") + this.listenerCount("initial_headers") > 0
    );
  }

  #open(session: Session): void {
    const { pingInterval, pingTimeout, maxHttpBufferSize, transports, allowUpgrades } =
      this.#options;
    const mayUpgrade =
      session.transport.name === "polling" && allowUpgrades && transports.includes("websocket");
    const open = encodeOpen({
      sid: session.id,
      upgrades: mayUpgrade ? ["websocket"] : [],
      pingInterval,
      pingTimeout,
      maxPayload: maxHttpBufferSize,
    });
    session.send(new Outgoing([open], false));
    session.open(this.#sink?.onSession(session));
    this.dispatch("connection", [session]);
  }

  #upgrade(session: Session, transport: WebSocketTransport): void {
    const upgrade = new Upgrade(session, transport, (ended) => this.#upgrades.delete(ended));
    this.#upgrades.add(upgrade);
    upgrade.start();
  }
}

/** The query of a request's URL; of a name that comes twice the last. */
export function queryOf({ url = "" }: IncomingMessage): ReadonlyMap<string, string> {
  const start = url.indexOf("?");
  return parseQuery(start === -1 ? "" : url.slice(start + 1));
}

/** Runs the embedder's `decide`. What it throws is the embedder's to hear of, when the client has had its `answer`. */
function answerFirst(decide: () => void, answer: () => void): void {
  try {
    decide();
  } catch (error) {
    answer();
    throw error;
  }
}

function refuseRequest(
  response: ServerResponse,
  refusal: RefusalName,
  message: string = REFUSALS[refusal].message,
): void {
  const { code, status } = REFUSALS[refusal];
  response
    .writeHead(status, { "Content-Type": "application/json" })
    .end(JSON.stringify({ code, message }));
}

/** Internet Explorer takes some payloads for an attack and empties the page, unless told not to. */
function setBrowserHeaders(request: IncomingMessage, response: ServerResponse): void {
  if (/;MSIE|Trident\//.test(request.headers["user-agent"] ?? "")) {
    response.setHeader("X-XSS-Protection", "0");
  }
}
