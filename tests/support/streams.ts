// Two streams over one WebSocket, with ends of barewire and of `ws`.

import { once } from "node:events";
import { createServer } from "node:http";
import type { Duplex } from "node:stream";
import type { TestContext } from "node:test";

import * as stock from "ws";

import {
  createWebSocketStream,
  WebSocket,
  type WebSocketDuplexOptions,
  WebSocketServer,
} from "../../websocket.ts";
import { listen } from "./net.ts";

/** One end of a WebSocket with a stream over it. */
export interface StreamEnd {
  readonly stream: Duplex;
  /** The WebSocket of the stream. */
  readonly socket: {
    readonly bufferedAmount: number;
    close(code?: number, reason?: string): void;
  };
  /** Ends TCP without a close frame. */
  terminate(): void;
  send(data: string | Uint8Array): void;
  /** Resolves to the code and reason of the peer's close frame. */
  readonly closed: Promise<readonly [code: number, reason: string]>;
}

export interface StreamPair {
  readonly client: StreamEnd;
  readonly server: StreamEnd;
}

export type Maker = "barewire" | "ws";

export interface PairOptions {
  readonly client?: Maker;
  readonly server?: Maker;
  readonly deflate?: boolean;
  readonly clientStream?: WebSocketDuplexOptions;
  readonly serverStream?: WebSocketDuplexOptions;
}

/** Connects a client to a server, and creates a stream for each end. */
export async function streamPair(
  context: TestContext,
  options: PairOptions = {},
): Promise<StreamPair> {
  const { client = "barewire", server = "barewire", deflate = false } = options;
  const http = createServer();
  const accepted =
    server === "ws"
      ? acceptByStock(context, http, deflate, options.serverStream)
      : accept(context, http, deflate, options.serverStream);
  const url = `ws://127.0.0.1:${await listen(http)}/`;
  context.after(() => {
    http.closeAllConnections();
    http.close();
  });
  const opened =
    client === "ws"
      ? dialByStock(context, url, deflate, options.clientStream)
      : dial(url, deflate, options.clientStream);
  const [ours, theirs] = await Promise.all([opened, accepted]);
  for (const end of [ours, theirs]) {
    // A stream without a listener for "error" would throw in tests that use only the other end.
    end.stream.on("error", () => {});
    context.after(() => end.terminate());
  }
  return { client: ours, server: theirs };
}

function accept(
  context: TestContext,
  http: ReturnType<typeof createServer>,
  perMessageDeflate: boolean,
  options: WebSocketDuplexOptions = {},
): Promise<StreamEnd> {
  const server = new WebSocketServer({ server: http, perMessageDeflate });
  context.after(() => server.close());
  return new Promise((resolve) =>
    server.once("connection", (socket) =>
      resolve({
        stream: createWebSocketStream(socket, options),
        socket,
        terminate: () => socket.terminate(),
        send: (data) => void socket.send(data),
        closed: new Promise((tell) =>
          socket.once("close", (code, reason) => tell([code, reason] as const)),
        ),
      }),
    ),
  );
}

async function dial(
  url: string,
  perMessageDeflate: boolean,
  options: WebSocketDuplexOptions = {},
): Promise<StreamEnd> {
  const socket = new WebSocket(url, [], { perMessageDeflate });
  const stream = createWebSocketStream(socket, options);
  const closed = once(socket, "close").then(
    ([{ code, reason }]) => [Number(code), String(reason)] as const,
  );
  await once(socket, "open");
  return {
    stream,
    socket,
    terminate: () => stream.destroy(),
    send: (data) => socket.send(data),
    closed,
  };
}

function acceptByStock(
  context: TestContext,
  http: ReturnType<typeof createServer>,
  perMessageDeflate: boolean,
  options: WebSocketDuplexOptions = {},
): Promise<StreamEnd> {
  const server = new stock.WebSocketServer({ server: http, perMessageDeflate });
  context.after(() => server.close());
  return new Promise((resolve) =>
    server.once("connection", (socket) => resolve(stockEnd(socket, options))),
  );
}

async function dialByStock(
  context: TestContext,
  url: string,
  perMessageDeflate: boolean,
  options: WebSocketDuplexOptions = {},
): Promise<StreamEnd> {
  const socket = new stock.WebSocket(url, { perMessageDeflate });
  context.after(() => socket.terminate());
  const end = stockEnd(socket, options);
  await once(socket, "open");
  return end;
}

function stockEnd(socket: stock.WebSocket, options: WebSocketDuplexOptions): StreamEnd {
  return {
    stream: stock.createWebSocketStream(socket, options),
    socket,
    terminate: () => socket.terminate(),
    send: (data) => socket.send(data),
    closed: new Promise((tell) =>
      socket.once("close", (code, reason) => tell([code, `${reason}`] as const)),
    ),
  };
}
