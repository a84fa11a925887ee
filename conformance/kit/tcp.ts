// A TCP or TLS connection whose bytes are awaited, and recorded by who knows what they mean.

import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import { Failure } from "./case.ts";
import type { Target } from "./target.ts";

/** The server has ended the connection. */
export const ENDED = "the end of the connection";

export class TcpConnection {
  readonly #socket: Socket;
  #input: Uint8Array = new Uint8Array(0);
  #ended = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("error", end).on("end", end).on("close", end);
  }

  /** Rejects where nothing listens. */
  static open({ host, port, secure }: Target): Promise<TcpConnection> {
    return new Promise((resolve, reject) => {
      const socket = secure
        ? connectTls({ host, port, rejectUnauthorized: false })
        : connectTcp({ host, port });
      socket.once("error", reject);
      socket.once(secure ? "secureConnect" : "connect", () => {
        socket.off("error", reject);
        resolve(new TcpConnection(socket));
      });
    });
  }

  /** What has come and was not taken. */
  get input(): Uint8Array {
    return this.#input;
  }

  get ended(): boolean {
    return this.#ended;
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** TCP's FIN: nothing more will be said; what comes is still read. */
  end(): void {
    this.#socket.end();
  }

  /** Does not read until resume(), so that the server's sending comes to a stop. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** TCP's RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Takes `count` bytes of what has come. */
  take(count: number): Uint8Array {
    const taken = this.#input.subarray(0, count);
    this.#input = this.#input.subarray(count);
    return taken;
  }

  /** Resolves when more has come, or the end; at once where it has ended. */
  more(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Takes bytes as soon as `measure` says how many of those that have come belong together; `undefined` at the end of the connection. */
  async next(measure: (input: Uint8Array) => number | undefined): Promise<Uint8Array | undefined> {
    for (;;) {
      const count = measure(this.#input);
      if (count !== undefined && count <= this.#input.length) return this.take(count);
      if (this.#ended) return undefined;
      await this.more();
    }
  }

  /** Resolves when the server has ended the connection. @throws Failure when it says something before */
  async untilEnd(): Promise<void> {
    while (!this.#ended) {
      if (this.#input.length > 0) throw new Failure(ENDED, `${this.#input.length} bytes`);
      await this.more();
    }
  }
}
