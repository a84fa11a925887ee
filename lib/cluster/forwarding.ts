// Forwards requests and upgrades from the worker that received them to another worker, over a Unix domain socket (on
// Windows a named pipe).
//
//   client ── request ──▶ worker 1 ── the same request with an additional header field ──▶ worker 2
//
//   barewire-forwarded: <secret> <worker 1> <address> <port> <"tls" or "tcp">
//
// The field contains the address of the client. Only processes of the cluster know the secret. A worker removes this
// field from the requests of clients. Other users of the machine cannot open the directory of the socket.

import { randomUUID, timingSafeEqual } from "node:crypto";
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import { connect, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Engine } from "../engineio/engine.ts";
import { PollingRequest, UpgradeRequest } from "../engineio/engine-request.ts";

const FIELD = "barewire-forwarded";

/**
 * Fields that only apply to one connection (RFC 9110 §7.6.1), and the field of this module. Fields that are listed in
 * the field Connection are not forwarded either.
 */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  FIELD,
  "connection",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
]);

/**
 * Fields that are always forwarded, even if they are listed in the field Connection. Without the field Upgrade, for
 * example, the other worker would treat an upgrade request as an ordinary request.
 */
const ALWAYS_FORWARDED: ReadonlySet<string> = new Set([
  "content-length",
  "host",
  "transfer-encoding",
  "upgrade",
]);

/** Returns a new secret, which all processes of a cluster share. */
export function createSecret(): string {
  return randomUUID();
}

/** Sends requests to other workers. */
export class Forwarder {
  readonly #number: number;
  readonly #secret: string;
  #leaving = false;
  // The number of connections is not limited, because each waiting poll occupies a connection.
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });

  /**
   * @param number the number of this worker
   * @param secret the secret of the cluster
   */
  constructor(number: number, secret: string) {
    this.#number = number;
    this.#secret = secret;
  }

  /** From now on, closes each client's connection after the next response on this connection. */
  leave(): void {
    this.#leaving = true;
  }

  /**
   * Forwards a request, and sends the response to the client.
   *
   * @param path the path of the other worker's socket
   * @param ownConnection whether to use a new connection. Needed for a request that starts a session. The other worker
   * sets the client's address as the address of the connection, so later requests of other clients must not use this
   * connection
   * @param onUnreachable called if the other worker cannot be reached and no data of the request was read
   */
  forward(
    { request, response }: PollingRequest,
    path: string,
    ownConnection: boolean,
    onUnreachable: () => void,
  ): void {
    const { headers, httpVersionMajor, method } = request;
    // In HTTP/2, a request with a body needs neither Transfer-Encoding nor Content-Length (RFC 9113 §8.1).
    const hasBody =
      "transfer-encoding" in headers ||
      Number(headers["content-length"] ?? 0) > 0 ||
      (httpVersionMajor > 1 && method === "POST" && headers["content-length"] === undefined);
    const forwarded = httpRequest({
      socketPath: path,
      agent: ownConnection ? false : this.#agent,
      method: request.method ?? "GET",
      path: request.url ?? "/",
      headers: rawFields([...this.#field(request), ...keptFields(request)]),
      setHost: false,
    });
    let began = hasBody;
    forwarded.on("error", () => {
      if (began) response.destroy();
      else onUnreachable();
    });
    forwarded.once("response", (answer) => {
      began = true;
      const fields = keptFields(answer);
      // RFC 9113 §8.2.2: HTTP/2 does not allow Transfer-Encoding, because HTTP/2 frames mark the end of the body.
      const headers = request.httpVersionMajor > 1 ? withoutFraming(fields) : rawFields(fields);
      if (this.#leaving) response.setHeader("Connection", "close");
      response.writeHead(answer.statusCode ?? 502, headers);
      answer.on("error", () => response.destroy());
      answer.pipe(response);
    });
    // If the client disconnects, the connection to the other worker is closed too. It is also closed if the response
    // was complete before the client had sent the whole body.
    response.once("close", () => {
      began = true;
      if (!response.writableFinished || !forwarded.writableFinished) forwarded.destroy();
    });
    if (hasBody) request.pipe(forwarded);
    else forwarded.end();
  }

  /** Forwards an upgrade request, and afterwards all bytes that the client and the other worker send to each other. */
  forwardConnection({ request, socket, head }: UpgradeRequest, path: string): void {
    const fields = [...this.#field(request), ...keptFields(request)];
    fields.push("Connection", "Upgrade");
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let at = 0; at < fields.length; at += 2) lines.push(`${fields[at]}: ${fields[at + 1]}`);
    const other = connect(path);
    other.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
    other.write(head);
    other.on("error", () => socket.destroy());
    other.once("close", () => socket.destroy());
    socket.once("close", () => other.destroy());
    other.pipe(socket);
    socket.pipe(other);
  }

  /** Closes the unused connections to other workers. */
  close(): void {
    this.#agent.destroy();
  }

  #field({ socket }: IncomingMessage): string[] {
    const { remoteAddress = "", remotePort = "" } = socket;
    const scheme = "encrypted" in socket && socket.encrypted === true ? "tls" : "tcp";
    return [FIELD, [this.#secret, this.#number, remoteAddress, remotePort, scheme].join(" ")];
  }
}

/** Returns the header fields to forward: name, value, name, value, and so on. */
function keptFields({ rawHeaders, headers }: IncomingMessage): string[] {
  const fields: string[] = [];
  const named = fieldsOfConnection(headers.connection ?? "");
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    // In HTTP/2, `rawHeaders` also contains pseudo-header fields such as ":path". They are not
    // forwarded.
    if (name.startsWith(":") || NOT_FORWARDED.has(name.toLowerCase())) continue;
    if (named.has(name.toLowerCase())) continue;
    fields.push(name, rawHeaders[at + 1] ?? "");
  }
  const authority = headers[":authority"];
  if (typeof authority === "string" && headers.host === undefined) fields.push("Host", authority);
  return fields;
}

/**
 * Returns the names of the fields that a Connection field lists, in lower case. The result excludes the fields that are
 * always forwarded. These fields are not connection options (RFC 9110 §7.6.1), and without them the other worker could
 * not read the request.
 */
function fieldsOfConnection(connection: string): ReadonlySet<string> {
  const names = connection.split(",").map((name) => name.trim().toLowerCase());
  return new Set(names.filter((name) => !ALWAYS_FORWARDED.has(name)));
}

/**
 * Converts a flat list of names and values to a value for the option `headers`. Node accepts such a list and preserves
 * repeated names, but Node's types only allow it for responses.
 */
function rawFields(fields: string[]): OutgoingHttpHeaders {
  const headers: unknown = fields;
  return isHeaders(headers) ? headers : {};
}

function withoutFraming(fields: readonly string[]): OutgoingHttpHeaders {
  const headers: Record<string, string[]> = {};
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at]?.toLowerCase() ?? "";
    if (name === "transfer-encoding") continue;
    headers[name] = [...(headers[name] ?? []), fields[at + 1] ?? ""];
  }
  return headers;
}

function isHeaders(value: unknown): value is OutgoingHttpHeaders {
  return typeof value === "object" && value !== null;
}

// A request that another worker has forwarded is always answered by this worker. Otherwise two leaving workers could
// forward the request of a new client to each other without end.

class ForwardedRequest extends PollingRequest {}

class ForwardedUpgrade extends UpgradeRequest {}

/** Returns whether a request was forwarded by another worker. */
export function isForwarded(incoming: PollingRequest | UpgradeRequest): boolean {
  return incoming instanceof ForwardedRequest || incoming instanceof ForwardedUpgrade;
}

/** Receives the requests that other workers forward. */
export class InnerServer {
  /** The HTTP server, which the caller starts and closes. */
  readonly server: Server;
  readonly #secret: string;
  readonly #engine: Engine;
  /** The forwarded requests that wait for a response, by the number of the worker that forwarded them. */
  readonly #waiting = new Map<number, Set<PollingRequest>>();
  #leaving: ReadonlySet<number> = new Set();

  /**
   * @param secret the secret of the cluster
   * @param engine the engine that answers the requests
   */
  constructor(secret: string, engine: Engine) {
    this.#secret = secret;
    this.#engine = engine;
    this.server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 });
    this.server.on("request", (request, response) => this.#onRequest(request, response));
    this.server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Uint8Array) => {
      if (this.#accept(request) === undefined) socket.destroy();
      else engine.onUpgrade(new ForwardedUpgrade(request, socket, head, "engine"));
    });
  }

  /**
   * Sets which workers are about to exit. The waiting GET requests (polls) that these workers have forwarded are
   * answered, so that the clients send the next poll over a connection to another worker.
   */
  setLeaving(workers: ReadonlySet<number>): void {
    for (const worker of workers) {
      for (const incoming of this.#waiting.get(worker) ?? []) this.#answerPoll(incoming);
    }
    this.#leaving = workers;
  }

  #answerPoll({ query }: PollingRequest): void {
    this.#engine.answerPoll(query.get("sid") ?? "");
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const worker = this.#accept(request);
    if (worker === undefined) {
      response.writeHead(403).end();
      return;
    }
    const incoming = new ForwardedRequest(request, response, "engine");
    let waiting = this.#waiting.get(worker);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(worker, waiting);
    }
    waiting.add(incoming);
    response.once("close", () => {
      waiting.delete(incoming);
      if (waiting.size === 0) this.#waiting.delete(worker);
    });
    this.#engine.onRequest(incoming);
    // A leaving worker has forwarded this poll, because its connection to the client was still
    // open. The poll is answered immediately, so that the client sends the next poll to another
    // worker.
    if (this.#leaving.has(worker)) setImmediate(() => this.#answerPoll(incoming));
  }

  /**
   * Verifies that another worker has forwarded a request, and sets the address of the request's client.
   *
   * @returns the number of the worker that has forwarded the request. `undefined` if the request was not forwarded
   */
  #accept(request: IncomingMessage): number | undefined {
    const field = request.headers[FIELD];
    if (typeof field !== "string") return undefined;
    const [given = "", worker, address = "", port, scheme] = field.split(" ");
    if (!isSecret(given, this.#secret)) return undefined;
    delete request.headers[FIELD];
    const at = request.rawHeaders.findIndex((name) => name.toLowerCase() === FIELD);
    request.rawHeaders.splice(at, 2);
    // Requests of several clients can arrive on the same connection one after another, so the properties must be
    // configurable.
    Object.defineProperties(request.socket, {
      remoteAddress: { value: address, configurable: true },
      remotePort: { value: Number(port), configurable: true },
      remoteFamily: { value: address.includes(":") ? "IPv6" : "IPv4", configurable: true },
    });
    // Callers check whether the property `encrypted` exists, so it is deleted if the client's connection does not use
    // TLS.
    if (scheme === "tls") Object.defineProperty(request.socket, "encrypted", ENCRYPTED);
    else Reflect.deleteProperty(request.socket, "encrypted");
    return Number(worker);
  }
}

const ENCRYPTED = { value: true, configurable: true };

function isSecret(given: string, secret: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(secret)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/** The head of a request, in a form that can be sent to another process. */
export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly rawHeaders: readonly string[];
}

/**
 * Returns whether the connection itself can be sent to another process. A TLS connection cannot be sent, because its
 * state cannot leave this process.
 */
export function canHandOver(socket: Duplex): socket is Socket {
  return socket instanceof Socket && !("encrypted" in socket) && !socket.destroyed;
}

/**
 * Stops reading from a connection. Returns the bytes that were received and not yet read.
 *
 * While a connection is being sent to another process, Node keeps it open in this process until the other process has
 * confirmed that it has received the connection. Node drops everything that this process reads in the meantime. A fast
 * client could lose its first frame.
 */
export function stopReading(socket: Socket): Uint8Array {
  const received: unknown = socket.read();
  // The public API of net.Socket can only prevent the first read (option `pauseOnConnect`). Therefore readStop() of the
  // socket's internal handle is called.
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle === "object" && handle !== null) {
    const readStop: unknown = Reflect.get(handle, "readStop");
    if (typeof readStop === "function") Reflect.apply(readStop, handle, []);
  }
  return received instanceof Uint8Array ? received : new Uint8Array();
}

/** Returns the head of a request, for a connection that is sent to another process. */
export function headOf({
  method,
  url,
  httpVersion,
  headers,
  rawHeaders,
}: IncomingMessage): RequestHead {
  return {
    method: method ?? "GET",
    url: url ?? "/",
    httpVersion,
    headers: { ...headers },
    rawHeaders,
  };
}

/** Creates the upgrade request of a connection that another process has sent. */
export function requestFromConnection(
  request: IncomingMessage,
  { httpVersion, ...head }: RequestHead,
  socket: Socket,
  bytes: Uint8Array,
): UpgradeRequest {
  const [major, minor] = httpVersion.split(".").map(Number);
  Object.assign(request, head, {
    httpVersion,
    httpVersionMajor: major,
    httpVersionMinor: minor,
    upgrade: true,
    complete: true,
  });
  return new ForwardedUpgrade(request, socket, bytes, "engine");
}
