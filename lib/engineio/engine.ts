// Sessions by their ids, and each HTTP request and upgrade to the right one. Engine.IO "Handshake".

import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

import {
  type Admission,
  admit,
  encodeOpen,
  parseQuery,
  REFUSALS,
  type RefusalName,
  type TransportName,
} from "../../protocol/engineio/handshake.ts";
import { Deadlines } from "../deadlines.ts";
import type { Connection } from "../websocket/connection.ts";
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
import { Heartbeat } from "./heartbeat.ts";
import { Outgoing } from "./outgoing.ts";
import { PollingTransport } from "./polling.ts";
import { Session, type SessionSink } from "./session.ts";
import type { Transport } from "./transport.ts";
import { Upgrade } from "./upgrade.ts";
import { WebSocketTransport } from "./websocket.ts";

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
  onSession(session: Session, request: IncomingMessage): SessionSink;
}

const DEFAULTS = {
  pingInterval: 25_000,
  pingTimeout: 20_000,
  upgradeTimeout: 10_000,
  maxHttpBufferSize: 1_000_000,
  maxBackpressure: 16 * 1024 * 1024,
  transports: ["polling", "websocket"],
  allowUpgrades: true,
} as const;

type Query = ReadonlyMap<string, string>;

export class Engine {
  readonly #options: EngineOptions & typeof DEFAULTS;
  readonly #sink: EngineSink;
  readonly #sessions = new Map<string, Session>();
  readonly #heartbeat: Heartbeat;
  readonly #upgrades: Deadlines<Upgrade>;
  readonly #upgradeOptions: UpgradeOptions;
  #closed = false;

  /** @throws TypeError for a cookie that cannot be */
  constructor(options: EngineOptions, sink: EngineSink) {
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#options = { ...DEFAULTS, ...Object.fromEntries(given) };
    this.#sink = sink;
    const { pingInterval, pingTimeout, upgradeTimeout, perMessageDeflate, cookie } = this.#options;
    if (cookie) formatCookie(cookie === true ? {} : cookie, "");
    this.#heartbeat = new Heartbeat(pingInterval, pingTimeout);
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

  /** Answers an HTTP request for the path of this engine. */
  handleRequest(request: IncomingMessage, response: ServerResponse): void {
    const { cors } = this.#options;
    if (!cors) {
      this.#route(request, response);
      return;
    }
    const proceed = once((error?: Error) => {
      if (response.destroyed) return;
      if (error === undefined) this.#route(request, response);
      else refuseRequest(response, "BAD_REQUEST");
    });
    answerFirst(
      () => applyCors(cors, request, response, proceed),
      () => proceed(new Error("cors")),
    );
  }

  /** Answers an upgrade request for the path of this engine; a refusal comes instead of the 101. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    // The client may leave while it is decided whether it may come.
    socket.on("error", () => socket.destroy());
    const query = queryOf(request);
    const admission = this.#admit(request, query, true);
    if (admission.kind === "refused") {
      refuseUpgrade(socket, 400, REFUSALS[admission.refusal].message);
      return;
    }
    const session = admission.kind === "session" ? this.#sessions.get(admission.sid) : undefined;
    if (session !== undefined && !(session.mayUpgrade && this.#options.allowUpgrades)) {
      refuseUpgrade(socket, 400, REFUSALS.BAD_REQUEST.message);
      return;
    }
    const handshake = checkUpgrade(request, socket, this.#upgradeOptions);
    if (handshake === undefined) return;
    const complete = (): Connection =>
      completeUpgrade(handshake, socket, head, this.#upgradeOptions);
    if (session !== undefined) {
      this.#upgrade(session, new WebSocketTransport(complete()));
      return;
    }
    this.#ask(request, (message) => {
      if (socket.destroyed) return;
      if (message !== undefined) refuseUpgrade(socket, 400, message);
      else this.#openWebSocket(request, new WebSocketTransport(complete()));
    });
  }

  /** Ends every session and takes no more. Clients that can hear it are told. */
  close(): void {
    this.#closed = true;
    for (const session of this.#sessions.values()) session.shutDown();
  }

  #route(request: IncomingMessage, response: ServerResponse): void {
    if (this.#closed) response.setHeader("Connection", "close");
    const query = queryOf(request);
    const admission = this.#admit(request, query, false);
    if (admission.kind === "refused") {
      refuseRequest(response, admission.refusal);
      return;
    }
    setBrowserHeaders(request, response);
    if (admission.kind === "session") {
      const transport = this.#sessions.get(admission.sid)?.transport;
      if (transport instanceof PollingTransport) transport.onRequest(request, response);
      return;
    }
    this.#ask(request, (message) => {
      if (response.destroyed) return;
      if (message !== undefined) refuseRequest(response, "FORBIDDEN", message);
      else this.#openPolling(request, response, query);
    });
  }

  #admit(request: IncomingMessage, query: Query, upgrade: boolean): Admission {
    return admit(
      { method: request.method ?? "", query, upgrade },
      this.#options.transports,
      (sid) => {
        const session = this.#sessions.get(sid);
        return session && { transport: session.transport.name };
      },
    );
  }

  /** Asks `allowRequest`; calls back with nothing, or with what a client that may not connect is told. */
  #ask(request: IncomingMessage, callback: (message?: string) => void): void {
    const { allowRequest } = this.#options;
    const forbidden = REFUSALS.FORBIDDEN.message;
    if (this.#closed) callback(forbidden);
    else if (allowRequest === undefined) callback();
    else {
      const decide = once((message: string | null | undefined, allowed: boolean) => {
        callback(allowed && !this.#closed ? undefined : message || forbidden);
      });
      answerFirst(
        () => allowRequest(request, decide),
        () => decide(undefined, false),
      );
    }
  }

  #openPolling(request: IncomingMessage, response: ServerResponse, query: Query): void {
    const { maxHttpBufferSize, httpCompression = true, cookie } = this.#options;
    const transport = new PollingTransport({
      maxPayload: maxHttpBufferSize,
      compression: httpCompression === true ? {} : httpCompression || undefined,
      jsonp: query.get("j"),
    });
    const session = this.#createSession(transport);
    if (cookie) {
      response.setHeader("Set-Cookie", formatCookie(cookie === true ? {} : cookie, session.id));
    }
    transport.start(session);
    transport.onRequest(request, response);
    this.#open(session, request);
  }

  #openWebSocket(request: IncomingMessage, transport: WebSocketTransport): void {
    const session = this.#createSession(transport);
    this.#open(session, request);
    transport.start(session);
  }

  #createSession(transport: Transport): Session {
    const { maxBackpressure } = this.#options;
    const onClosed = (ended: Session): void => {
      this.#sessions.delete(ended.id);
    };
    const session = new Session(
      generateId(),
      transport,
      this.#heartbeat,
      maxBackpressure,
      onClosed,
    );
    this.#sessions.set(session.id, session);
    return session;
  }

  #open(session: Session, request: IncomingMessage): void {
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
    session.open(this.#sink.onSession(session, request));
  }

  #upgrade(session: Session, transport: WebSocketTransport): void {
    const upgrade = new Upgrade(session, transport, (ended) => this.#upgrades.delete(ended));
    this.#upgrades.add(upgrade);
    upgrade.start();
  }
}

/**
 * A session's id: 120 random bits in the 20 characters `[A-Za-z0-9_-]` that load balancers and
 * adapters for Socket.IO look for.
 */
export function generateId(): string {
  return randomBytes(15).toString("base64url");
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

/** Whoever calls twice means the same once. */
function once<Arguments extends unknown[]>(
  callback: (...args: Arguments) => void,
): (...args: Arguments) => void {
  let called = false;
  return (...args) => {
    if (called) return;
    called = true;
    callback(...args);
  };
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
