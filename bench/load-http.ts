// One keep-alive connection of the load generator over HTTP. It sends requests that were prepared in advance, one at a
// time, and reads only the status, the length and the body of a response.

import { connect, type Socket } from "node:net";

/** Encodes a request with the header fields that node:http's own client sends. */
export function httpRequest(method: "GET" | "POST", path: string, body = ""): Buffer {
  const length = method === "GET" ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  return Buffer.from(
    `${method} ${path} HTTP/1.1\r\n${length}Host: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n${body}`,
  );
}

export class HttpClient {
  readonly #socket: Socket;
  #received = "";
  #resolve: (body: string) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(port: number) {
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (chunk: string) => this.#onData(chunk));
    this.#socket.on("error", (error) => this.#reject(error));
    this.#socket.on("close", () => this.#reject(new Error("closed before the answer")));
  }

  /**
   * Sends a request, and resolves to the body of the response. The caller must wait for the response before the next
   * call.
   */
  send(request: Uint8Array): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(request);
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onData(chunk: string): void {
    this.#received += chunk;
    const end = this.#received.indexOf("\r\n\r\n");
    if (end === -1) return;
    const length = /\r\nContent-Length: (\d+)/i.exec(this.#received)?.[1];
    if (!this.#received.startsWith("HTTP/1.1 200") || length === undefined) {
      this.#reject(new Error(this.#received));
      return;
    }
    const body = this.#received.slice(end + 4);
    if (body.length < Number(length)) return;
    this.#received = "";
    this.#resolve(body);
  }
}
