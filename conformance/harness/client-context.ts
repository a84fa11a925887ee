// The context of a case for a client: the connections of the client, one after the other.

import type { IncomingMessage } from "node:http";
import type { TcpConnection } from "../peers/tcp.ts";
import { acceptFor } from "../peers/websocket.ts";
import { WebSocketClientPeer } from "../peers/websocket-client.ts";
import type { Context } from "./context.ts";
import type { Conversation } from "./conversation.ts";

/** A client that has sent its handshake and has not received a response yet. */
export interface ClientRequest {
  readonly request: IncomingMessage;
  readonly tcp: TcpConnection;
}

export class ClientContext {
  readonly context: Context;
  readonly conversation: Conversation;
  readonly #requests: ClientRequest[] = [];
  readonly #taken: TcpConnection[] = [];
  #wake: () => void = () => {};

  constructor(context: Context) {
    this.context = context;
    this.conversation = context.conversation;
  }

  /** Adds a request. The server calls this method when the client has connected or reconnected. */
  add(request: ClientRequest): void {
    this.#requests.push(request);
    this.#wake();
  }

  /** Waits until the client has sent a WebSocket handshake. */
  async request(): Promise<ClientRequest> {
    for (;;) {
      const next = this.#requests.shift();
      if (next !== undefined) {
        this.#taken.push(next.tcp);
        this.conversation.note(describeRequest(next.request));
        return next;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Waits for the client and accepts its handshake. */
  async websocket(): Promise<WebSocketClientPeer> {
    return this.accept(await this.request());
  }

  /** Accepts the handshake. */
  accept(client: ClientRequest): WebSocketClientPeer {
    const lines = handshakeLines(client);
    const bytes = Buffer.from([...lines, "", ""].join("\r\n"));
    this.conversation.sent(bytes, lines.join(" ⏎ "));
    client.tcp.write(bytes);
    return new WebSocketClientPeer(client.tcp, this.context);
  }

  close(): void {
    for (const tcp of this.#taken) tcp.destroy();
    for (const { tcp } of this.#requests) tcp.destroy();
  }
}

/** The response that opens a WebSocket (RFC 6455 §4.2.2). */
function handshakeLines({ request }: ClientRequest): string[] {
  return [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Accept: ${acceptFor(request.headers["sec-websocket-key"] ?? "")}`,
  ];
}

function describeRequest({ method, url, rawHeaders }: IncomingMessage): string {
  const fields = rawHeaders.flatMap((name, i) =>
    i % 2 === 0 ? `${name}: ${rawHeaders[i + 1]}` : [],
  );
  return [`the client requests ${method} ${url}`, ...fields].join(" ⏎ ");
}
