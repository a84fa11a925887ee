// What a case for a client has to work with: the connections of the client, one after the other.

import type { IncomingMessage } from "node:http";
import type { TcpConnection } from "../peers/tcp.ts";
import { acceptFor, encodeFrame, TEXT } from "../peers/websocket.ts";
import { WebSocketClientPeer } from "../peers/websocket-client.ts";
import { Failure } from "./case.ts";
import type { Conversation } from "./conversation.ts";

/** A client that has asked for a WebSocket and has no answer yet. */
export interface ClientRequest {
  readonly request: IncomingMessage;
  readonly tcp: TcpConnection;
}

export class ClientContext {
  readonly conversation: Conversation;
  readonly #requests: ClientRequest[] = [];
  readonly #taken: TcpConnection[] = [];
  #wake: () => void = () => {};

  constructor(conversation: Conversation) {
    this.conversation = conversation;
  }

  /** The client has come, for the first time or again. */
  add(request: ClientRequest): void {
    this.#requests.push(request);
    this.#wake();
  }

  /** Waits for the client, which asks for a WebSocket. */
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

  /** Waits for the client and answers as a server should; with `behind` in one piece with the answer. */
  async websocket(behind?: Uint8Array): Promise<WebSocketClientPeer> {
    const client = await this.request();
    return this.accept(client, handshakeLines(client), behind);
  }

  /** Answers with these lines. */
  accept(
    { tcp }: ClientRequest,
    lines: readonly string[],
    behind: Uint8Array = new Uint8Array(0),
  ): WebSocketClientPeer {
    this.answer({ tcp }, lines, behind);
    return new WebSocketClientPeer(tcp, this.conversation);
  }

  /**
   * Answers with these lines, after which the client must go without a word. A client that takes
   * them for an open WebSocket gives itself away by its echo.
   */
  async expectHandshakeFailed(client: ClientRequest, lines: readonly string[]): Promise<void> {
    const frame = encodeFrame({ opcode: TEXT, payload: "open?", masked: false });
    this.answer(client, lines, lines[0]?.includes(" 101 ") === true ? frame : undefined);
    while (!client.tcp.ended) {
      if (client.tcp.input.length > 0) {
        throw new Failure("the end of the connection", `${client.tcp.input.length} bytes`);
      }
      await client.tcp.more();
    }
    this.conversation.note("the client has ended the connection");
  }

  answer(
    { tcp }: Pick<ClientRequest, "tcp">,
    lines: readonly string[],
    behind: Uint8Array = new Uint8Array(0),
  ): void {
    const bytes = Buffer.concat([Buffer.from([...lines, "", ""].join("\r\n")), behind]);
    this.conversation.sent(bytes, lines.join(" ⏎ "));
    tcp.write(bytes);
  }

  close(): void {
    for (const tcp of this.#taken) tcp.destroy();
    for (const { tcp } of this.#requests) tcp.destroy();
  }
}

/** The answer that opens a WebSocket (RFC 6455 §4.2.2). */
export function handshakeLines({ request }: Pick<ClientRequest, "request">): string[] {
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
  return [`the client asks: ${method} ${url}`, ...fields].join(" ⏎ ");
}
