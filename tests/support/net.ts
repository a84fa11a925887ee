// Servers on loopback, and clients that send exactly the bytes of a test.

import { once } from "node:events";
import {
  type ClientRequest,
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  IncomingMessage,
  type RequestListener,
} from "node:http";
import { connect, type Server as NetServer, Socket as TcpSocket } from "node:net";
import { Duplex, PassThrough } from "node:stream";
import type { TestContext } from "node:test";

import { type RawData, WebSocket, type ClientOptions as WebSocketOptions } from "ws";

import { Server, type ServerOptions, type Socket } from "../../server.ts";

/** Starts `server` on a free port of loopback. Returns the port. */
export async function listen(server: NetServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return portOf(server);
}

/** Returns the port on which `server` listens. */
export function portOf(server: NetServer): number {
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new Error("the server does not listen on a port");
  return address.port;
}

/** Starts a Socket.IO server on a free port. The server is closed when the test ends. */
export async function serve(
  context: TestContext,
  options: ServerOptions = {},
  onRequest?: RequestListener,
): Promise<{ io: Server; port: number; url: string }> {
  const http = createServer(onRequest ?? ((_request, response) => response.end("other")));
  const io = new Server(http, options);
  const port = await listen(http);
  context.after(() => io.close());
  return { io, port, url: `http://127.0.0.1:${port}` };
}

/**
 * A client that has joined the main namespace, its socket on the server, and the data of the server's CONNECT packet.
 */
export interface Joined {
  readonly client: WebSocketClient;
  readonly socket: Socket;
  readonly welcome: { readonly sid: string; readonly pid: string };
}

/** Connects a client over WebSocket and joins the main namespace. */
export async function join(io: Server, port: number, auth: object = {}): Promise<Joined> {
  const accepted = new Promise<Socket>((resolve) => io.once("connection", resolve));
  const client = new WebSocketClient(port);
  const answer = await client.join(`40${JSON.stringify(auth)}`);
  return { client, socket: await accepted, welcome: JSON.parse(answer.slice(2)) };
}

/** Starts a server like serve(), with one client like join(). */
export async function serveJoined(
  context: TestContext,
  options: ServerOptions = {},
): Promise<Joined & { io: Server; port: number }> {
  const { io, port } = await serve(context, options);
  return { io, port, ...(await join(io, port)) };
}

/** Resolves in the next turn of the event loop, so that pending work in this process can continue. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** How long until() waits at most, in milliseconds. This time is sufficient even on a busy machine. */
const LIMIT = 120_000;
/** The real clock, even while a test uses a fake clock. */
const now = performance.now.bind(performance);

/** Resolves as soon as `condition` returns `true`, or a promise of it. Rejects after two minutes. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = now() + LIMIT;
  const nextTurn = (): Promise<void> => {
    if (now() > end) throw new Error(`not true after two minutes: ${condition}`);
    return turn();
  };
  for (;;) {
    const holds = condition();
    let isPending = typeof holds !== "boolean";
    const result = Promise.resolve(holds).finally(() => {
      isPending = false;
    });
    result.catch(() => {});
    while (isPending) await nextTurn();
    if (await result) return;
    await nextTurn();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly bytes: Buffer;
}

export interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Sends one HTTP request on a new connection. Resolves to the response. */
export function ask(port: number, path: string, question: Question = {}): Promise<Answer> {
  const request = open(port, path, question);
  request.end(question.body);
  return answerTo(request);
}

/** Starts an HTTP request. The test itself must end or abort it. */
export function open(port: number, path: string, question: Question = {}): ClientRequest {
  const { method = "GET", headers = {} } = question;
  return httpRequest({ host: "127.0.0.1", port, path, method, headers, agent: false });
}

/** Resolves to the response to `request`. Rejects if the connection ends without a response. */
export function answerTo(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.on("error", reject).on("response", (response) => {
      const chunks: Buffer[] = [];
      response
        .on("data", (chunk: Buffer) => chunks.push(chunk))
        .on("error", reject)
        .on("end", () => {
          const bytes = Buffer.concat(chunks);
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, body: bytes.toString(), bytes });
        });
    });
  });
}

/** An Engine.IO client over long-polling that sends nothing on its own. */
export class PollingClient {
  readonly port: number;
  readonly sid: string;
  readonly #query: string;
  readonly #revision: 3 | 4;

  constructor(port: number, sid: string, query = "", revision: 3 | 4 = 4) {
    this.port = port;
    this.sid = sid;
    this.#query = query;
    this.#revision = revision;
  }

  /** Opens a new session. */
  static async open(port: number, query = "", revision: 3 | 4 = 4): Promise<PollingClient> {
    const { body } = await ask(port, `/socket.io/?EIO=${revision}&transport=polling${query}`);
    const sid = /"sid\\?":\\?"([^"\\]+)/.exec(body)?.[1];
    if (sid === undefined) throw new Error(`no session: ${body}`);
    return new PollingClient(port, sid, query, revision);
  }

  get path(): string {
    return `/socket.io/?EIO=${this.#revision}&transport=polling&sid=${this.sid}${this.#query}`;
  }

  poll(question: Question = {}): Promise<Answer> {
    return ask(this.port, this.path, question);
  }

  post(body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
    return ask(this.port, this.path, { method: "POST", body, headers });
  }

  /** Joins the main namespace. Resolves to the server's response. */
  async join(packet = "40"): Promise<string> {
    await this.post(packet);
    return (await this.poll()).body;
  }

  /** Opens a WebSocket for this session. */
  webSocket(): WebSocketClient {
    return new WebSocketClient(this.port, `/socket.io/?EIO=4&transport=websocket&sid=${this.sid}`);
  }
}

/** A WebSocket client of the package `ws`. A test awaits its messages one by one. */
export class WebSocketClient {
  readonly socket: WebSocket;
  /** Resolves to the close code when the connection has ended. */
  readonly closed: Promise<number>;
  readonly #messages: (string | Buffer)[] = [];
  #wake: (() => void) | undefined;

  constructor(
    port: number,
    path = "/socket.io/?EIO=4&transport=websocket",
    options: WebSocketOptions = {},
    protocols: string[] = [],
  ) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, {
      perMessageDeflate: false,
      ...options,
    });
    this.socket.on("message", (data: RawData, isBinary: boolean) => {
      if (!Buffer.isBuffer(data)) throw new TypeError("ws has not delivered a Buffer");
      this.#messages.push(isBinary ? data : data.toString());
      this.#wake?.();
    });
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code) => {
        resolve(code);
        this.#wake?.();
      });
    });
    // `ws` emits "close" after each error, so the error needs no handling.
    this.socket.on("error", () => {});
  }

  /** Resolves when the opening handshake is complete. */
  async opened(): Promise<this> {
    await once(this.socket, "open");
    return this;
  }

  send(data: string | Uint8Array): void {
    this.socket.send(data);
  }

  /** Resolves to the next message. Rejects if the connection has ended and no message is left. */
  async next(): Promise<string | Buffer> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error("the connection has ended");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Joins the main namespace in a new session. Resolves to the response to CONNECT. */
  async join(packet = "40"): Promise<string> {
    await this.next();
    this.send(packet);
    return `${await this.next()}`;
  }
}

/** A TCP connection on which a test writes any bytes. */
export class TcpClient {
  readonly socket: TcpSocket;
  /** Resolves to all received bytes when the connection has ended. */
  readonly closed: Promise<Buffer>;
  #received = Buffer.alloc(0);
  #wake: (() => void) | undefined;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    this.closed = new Promise((resolve) => {
      this.socket.once("close", () => {
        this.#wake?.();
        resolve(this.#received);
      });
    });
  }

  write(data: string | Uint8Array): this {
    this.socket.write(data);
    return this;
  }

  /** Resolves to the received bytes as soon as they include `text`. */
  async until(text: string): Promise<string> {
    while (!this.#received.includes(text, 0, "latin1")) {
      if (this.socket.closed) throw new Error(`the connection ended before "${text}" arrived`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#received.toString("latin1");
  }

  /**
   * Removes the next HTTP response, which must have a Content-Length, from the received bytes. Resolves to its body.
   */
  async takeAnswer(): Promise<string> {
    for (;;) {
      const end = this.#received.indexOf("\r\n\r\n");
      const head = this.#received.subarray(0, Math.max(end, 0)).toString("latin1");
      const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
      const next = end + 4 + length;
      if (this.#received.length >= next) {
        const body = this.#received.subarray(end + 4, next).toString();
        this.#received = this.#received.subarray(next);
        return body;
      }
      if (this.socket.closed)
        throw new Error("the connection ended before a complete response arrived");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Returns an upgrade request to WebSocket. A header with the value `undefined` is omitted. */
export function upgradeRequest(
  path: string,
  headers: Readonly<Record<string, string | undefined>> = {},
): string {
  const all: Record<string, string | undefined> = {
    Host: "localhost",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return [`GET ${path} HTTP/1.1`, ...lines, "\r\n"].join("\r\n");
}

/** Sends an upgrade request. Resolves to the status of the response. */
export async function upgradeStatus(
  port: number,
  headers: Readonly<Record<string, string>> = {},
  path = "/socket.io/?EIO=4&transport=websocket",
  method = "GET",
): Promise<number> {
  const request = upgradeRequest(path, headers).replace(/^GET/, method);
  const client = new TcpClient(port).write(request);
  const head = await client.until("\r\n\r\n");
  client.socket.destroy();
  return Number(head.split(" ", 2)[1]);
}

/** Passes the server a connection within this process, as a proxy does. The stream is not a socket of node:net. */
export function handOver(
  server: NetServer,
  request: string,
): { answer: Promise<string>; end: Duplex } {
  const toServer = new PassThrough();
  const toClient = new PassThrough();
  server.emit("connection", Duplex.from({ readable: toServer, writable: toClient }));
  const end = Duplex.from({ readable: toClient, writable: toServer });
  const answer = new Promise<string>((resolve) => {
    let received = "";
    end.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      if (received.includes("\r\n\r\n")) resolve(received);
    });
    end.on("close", () => resolve(received)).on("error", () => {});
  });
  end.write(request);
  return { answer, end };
}

/**
 * Sends a RST at once. resetAndDestroy() would send it only after a shutdown. If the socket fails in between, libuv
 * rejects the reset ("reset EINVAL"), and the socket never closes.
 */
export function reset(socket: TcpSocket): void {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (!socket.connecting && !socket.writableEnded && handle instanceof Object) {
    const now: unknown = Reflect.get(handle, "reset");
    if (typeof now === "function") now.call(handle, () => socket.emit("close", false));
  }
  socket.destroy();
}

/** Returns a request on a connection from the address `peer`. */
export function requestFrom(
  peer: string | undefined,
  headers: Readonly<Record<string, string>>,
): IncomingMessage {
  const socket = new TcpSocket();
  Object.defineProperty(socket, "remoteAddress", { value: peer });
  return Object.assign(new IncomingMessage(socket), { headers });
}
