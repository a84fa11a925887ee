// The context of a case. It closes the connections that the case opens.

import { type HttpAnswer, type HttpQuestion, requestHttp } from "../peers/http.ts";
import { TcpConnection } from "../peers/tcp.ts";
import { type WebSocketOptions, WebSocketPeer } from "../peers/websocket.ts";
import { Conversation } from "./conversation.ts";
import type { Target } from "./target.ts";

export class Context {
  readonly target: Target;
  readonly conversation = new Conversation();
  readonly #open = new Set<{ destroy(): void }>();

  constructor(target: Target) {
    this.target = target;
  }

  /** Opens a TCP connection to the server. */
  async tcp(): Promise<TcpConnection> {
    const connection = await TcpConnection.open(this.target);
    this.#open.add(connection);
    return connection;
  }

  /**
   * Opens a WebSocket, by default to the path where the server echoes messages.
   *
   * @throws Failure if the server refuses the handshake
   */
  async websocket(options: WebSocketOptions = {}): Promise<WebSocketPeer> {
    return WebSocketPeer.open(await this.tcp(), this.target, this.conversation, options);
  }

  /** Sends an HTTP request and resolves to the complete response. */
  http(question: HttpQuestion): Promise<HttpAnswer> {
    return requestHttp(this.target, this.conversation, question, (request) => {
      this.#open.add(request);
    });
  }

  close(): void {
    for (const each of this.#open) each.destroy();
    this.#open.clear();
  }
}

/**
 * Resolves after this many milliseconds. A case calls this function to test a timeout of the server, or to check that
 * the server sends nothing.
 */
export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    // A server in this process reads its sockets before the callback of setImmediate() runs. By then it has read all data
    // that was sent earlier.
    setTimeout(() => setImmediate(resolve), milliseconds);
  });
}
