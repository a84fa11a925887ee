// Requests and upgrades on their way from the worker that received them to another one, over a Unix
// domain socket (on Windows a named pipe).
//
//   client ── request ──▶ worker 1 ── the same request, with one header field in front ──▶ worker 2
//
//   barewire-forwarded: <secret> <worker 1> <address> <port> <"tls" or "tcp">
//
// The field says where the request comes from. Only a process of the cluster knows the secret, a field of
// this name that a client sends is removed, and other users of the machine cannot open the socket's directory.

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

import { RequestArrival, UpgradeArrival } from "../engineio/arrival.ts";
import type { Engine } from "../engineio/engine.ts";

const FIELD = "barewire-forwarded";

/** Header fields of one connection, RFC 9110 §7.6.1, and our own. Those that Connection names are not forwarded either. */
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

/** What a message cannot do without, whatever its Connection field says. An upgrade is forwarded as one. */
const ALWAYS_FORWARDED: ReadonlySet<string> = new Set([
  "content-length",
  "host",
  "transfer-encoding",
  "upgrade",
]);

/** Creates the secret that the processes of a cluster share. */
export function createSecret(): string {
  return randomUUID();
}

/** Sends requests to other workers. */
export class Forwarder {
  readonly #number: number;
  readonly #secret: string;
  #leaving = false;
  // A poll holds its connection, so their number has no limit.
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });

  /** @param number of this worker */
  constructor(number: number, secret: string) {
    this.#number = number;
    this.#secret = secret;
  }

  /** Ends each connection with its next response. */
  leave(): void {
    this.#leaving = true;
  }

  /**
   * Forwards a request and its response.
   *
   * @param ownConnection the request begins a session, which keeps the connection's address
   * @param onUnreachable called instead if the worker cannot be reached and nothing of the request was read
   */
  forward(
    { request, response }: RequestArrival,
    path: string,
    ownConnection: boolean,
    onUnreachable: () => void,
  ): void {
    const { headers, httpVersionMajor, method } = request;
    // In HTTP/2 a body needs neither field (RFC 9113 §8.1).
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
      // RFC 9113 §8.2.2: HTTP/2 has no such fields, and its own framing.
      const headers = request.httpVersionMajor > 1 ? withoutFraming(fields) : rawFields(fields);
      if (this.#leaving) response.setHeader("Connection", "close");
      response.writeHead(answer.statusCode ?? 502, headers);
      answer.on("error", () => response.destroy());
      answer.pipe(response);
    });
    // A client that leaves does so for the other worker too, also one that was answered before it sent its whole body.
    response.once("close", () => {
      began = true;
      if (!response.writableFinished || !forwarded.writableFinished) forwarded.destroy();
    });
    if (hasBody) request.pipe(forwarded);
    else forwarded.end();
  }

  /** Forwards an upgrade request, and from then on the bytes of both sides. */
  forwardConnection({ request, socket, head }: UpgradeArrival, path: string): void {
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

  /** Closes the connections to other workers that are not in use. */
  close(): void {
    this.#agent.destroy();
  }

  #field({ socket }: IncomingMessage): string[] {
    const { remoteAddress = "", remotePort = "" } = socket;
    const scheme = "encrypted" in socket && socket.encrypted === true ? "tls" : "tcp";
    return [FIELD, [this.#secret, this.#number, remoteAddress, remotePort, scheme].join(" ")];
  }
}

/** The fields of a head that are forwarded, names and values in turn. */
function keptFields({ rawHeaders, headers }: IncomingMessage): string[] {
  const fields: string[] = [];
  const named = fieldsOfConnection(headers.connection ?? "");
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    // HTTP/2 has the parts of the request line among its fields.
    if (name.startsWith(":") || NOT_FORWARDED.has(name.toLowerCase())) continue;
    if (named.has(name.toLowerCase())) continue;
    fields.push(name, rawHeaders[at + 1] ?? "");
  }
  const authority = headers[":authority"];
  if (typeof authority === "string" && headers.host === undefined) fields.push("Host", authority);
  return fields;
}

/**
 * Returns the fields that a Connection field names, in lower case. Without the frame of the message and what an upgrade
 * needs, which are no options of a connection (RFC 9110 §7.6.1), the other worker could not read the request.
 */
function fieldsOfConnection(connection: string): ReadonlySet<string> {
  const names = connection.split(",").map((name) => name.trim().toLowerCase());
  return new Set(names.filter((name) => !ALWAYS_FORWARDED.has(name)));
}

/** Node takes such a list for header fields, and keeps repeated names. Its types know it for responses only. */
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

// An arrival that another worker has passed on is answered here, whatever this worker knows of the others: two
// workers that leave at once would pass a new client to each other for ever.

class ForwardedRequest extends RequestArrival {}

class ForwardedUpgrade extends UpgradeArrival {}

/** Returns whether another worker has passed an arrival to this one. */
export function isForwarded(arrival: RequestArrival | UpgradeArrival): boolean {
  return arrival instanceof ForwardedRequest || arrival instanceof ForwardedUpgrade;
}

/** Receives what other workers forward. */
export class InnerServer {
  /** To listen, and to close. */
  readonly server: Server;
  readonly #secret: string;
  readonly #engine: Engine;
  /** Requests that wait for their answer, by the worker that has forwarded them. */
  readonly #waiting = new Map<number, Set<RequestArrival>>();
  #leaving: ReadonlySet<number> = new Set();

  /** @param engine answers the requests */
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
   * Sets which workers are about to exit. Polls that they have forwarded are answered, so that their clients poll
   * elsewhere.
   */
  setLeaving(workers: ReadonlySet<number>): void {
    for (const worker of workers) {
      for (const arrival of this.#waiting.get(worker) ?? []) this.#answerPoll(arrival);
    }
    this.#leaving = workers;
  }

  #answerPoll({ query }: RequestArrival): void {
    this.#engine.answerPoll(query.get("sid") ?? "");
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const worker = this.#accept(request);
    if (worker === undefined) {
      response.writeHead(403).end();
      return;
    }
    const arrival = new ForwardedRequest(request, response, "engine");
    let waiting = this.#waiting.get(worker);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(worker, waiting);
    }
    waiting.add(arrival);
    response.once("close", () => {
      waiting.delete(arrival);
      if (waiting.size === 0) this.#waiting.delete(worker);
    });
    this.#engine.onRequest(arrival);
    // One that the worker has received on a connection that it still had.
    if (this.#leaving.has(worker)) setImmediate(() => this.#answerPoll(arrival));
  }

  /**
   * Gives a forwarded request the address of its client.
   *
   * @returns the number of the worker that has forwarded it, or `undefined` if none has
   */
  #accept(request: IncomingMessage): number | undefined {
    const field = request.headers[FIELD];
    if (typeof field !== "string") return undefined;
    const [given = "", worker, address = "", port, scheme] = field.split(" ");
    if (!isSecret(given, this.#secret)) return undefined;
    delete request.headers[FIELD];
    const at = request.rawHeaders.findIndex((name) => name.toLowerCase() === FIELD);
    request.rawHeaders.splice(at, 2);
    // One connection carries the requests of several clients, one after another.
    Object.defineProperties(request.socket, {
      remoteAddress: { value: address, configurable: true },
      remotePort: { value: Number(port), configurable: true },
      remoteFamily: { value: address.includes(":") ? "IPv6" : "IPv4", configurable: true },
    });
    // Programs ask whether there is such a property.
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

/** The head of a request as another process can receive it. */
export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly rawHeaders: readonly string[];
}

/** Whether the connection itself can be handed to another process: TLS has its state in this one. */
export function canHandOver(socket: Duplex): socket is Socket {
  return socket instanceof Socket && !("encrypted" in socket) && !socket.destroyed;
}

/**
 * Takes what a connection has received, and keeps this process from receiving more.
 *
 * Node leaves a connection that is sent to another process open here until that one has confirmed it, and drops
 * what it reads meanwhile: the first frame of a fast client.
 */
export function stopReading(socket: Socket): Uint8Array {
  const received: unknown = socket.read();
  // Node's net.Socket offers this only before its first read (`pauseOnConnect`), so its handle is asked.
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle === "object" && handle !== null) {
    const readStop: unknown = Reflect.get(handle, "readStop");
    if (typeof readStop === "function") Reflect.apply(readStop, handle, []);
  }
  return received instanceof Uint8Array ? received : new Uint8Array();
}

/** Takes the head of a request, for a connection that is handed over. */
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

/** Returns the upgrade request of a connection that was handed over. */
export function arrivalOf(
  request: IncomingMessage,
  { httpVersion, ...head }: RequestHead,
  socket: Socket,
  bytes: Uint8Array,
): UpgradeArrival {
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
