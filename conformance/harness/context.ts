// What a case has to work with. What it opens is closed behind it.

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

  /** A bare connection to the server. */
  async tcp(): Promise<TcpConnection> {
    const connection = await TcpConnection.open(this.target);
    this.#open.add(connection);
    return connection;
  }

  /** A WebSocket, by default to the path that echoes. @throws Failure where the handshake is refused */
  async websocket(options: WebSocketOptions = {}): Promise<WebSocketPeer> {
    return WebSocketPeer.open(await this.tcp(), this.target, this.conversation, options);
  }

  /** An HTTP request, and its answer when it has come whole. */
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

/** Resolves after so many milliseconds: for cases about time, and for silence that must be heard. */
export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    // A server in this process reads what was sent before the immediate, which comes behind the reading of its turn.
    setTimeout(() => setImmediate(resolve), milliseconds);
  });
}
