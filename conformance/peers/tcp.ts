// A TCP or TLS connection. The callers record the bytes in the conversation, because only they know what the bytes
// mean.

import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import { Failure } from "../harness/case.ts";
import type { Target } from "../harness/target.ts";

/** The text with which failures say that the server has ended the connection. */
export const ENDED = "the end of the connection";

/**
 * Largest number of received bytes that may wait to be read: the size of four of the largest messages (16 MiB each).
 */
export const MOST_BYTES = 64 * 1024 * 1024;

export function flooded(): Failure {
  return new Failure(`at most ${MOST_BYTES} bytes`, "more bytes");
}

export class TcpConnection {
  readonly #socket: Socket;
  // The unread bytes are from #start to #end. Bytes that were read may still be in use, so they are never
  // overwritten.
  #buffer: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #ended = false;
  #flooded = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      this.#add(chunk);
      this.#wake();
    });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.on("error", end).on("end", end).on("close", end);
  }

  /** Rejects if nothing listens at the address. */
  static open(target: Target): Promise<TcpConnection> {
    return new Promise((resolve, reject) => {
      const socket = dial(target, () => {
        socket.off("error", reject);
        resolve(new TcpConnection(socket));
      });
      socket.once("error", reject);
    });
  }

  /** The received bytes that take() and next() have not removed yet. */
  get input(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  get ended(): boolean {
    return this.#ended;
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Sends a FIN, and continues to read. */
  end(): void {
    this.#socket.end();
  }

  /**
   * Stops reading until resume() is called. When the buffers of the TCP connection are full, the server cannot send
   * more.
   */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Sends RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Removes the first `count` of the received bytes, and returns them. */
  take(count: number): Uint8Array {
    const taken = this.input.subarray(0, count);
    this.#start += taken.length;
    return taken;
  }

  /** Resolves when more bytes were received or the connection has ended. */
  more(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /**
   * Removes and returns the next unit, such as a frame. `measure` returns the size of the unit in bytes, or `undefined`
   * if more bytes are needed to know the size. Resolves to `undefined` at the end of the connection.
   */
  async next(measure: (input: Uint8Array) => number | undefined): Promise<Uint8Array | undefined> {
    for (;;) {
      const { input } = this;
      const count = measure(input);
      if (count !== undefined && count <= input.length) return this.take(count);
      if (this.#flooded) throw flooded();
      if (this.#ended) return undefined;
      await this.more();
    }
  }

  /** Resolves when the server has ended the connection. @throws Failure if the server sends bytes before that */
  async untilEnd(): Promise<void> {
    while (!this.#ended && this.input.length === 0) await this.more();
    if (this.input.length > 0) throw new Failure(ENDED, `${this.input.length} bytes`);
  }

  /**
   * Adds received bytes to the buffer. A full buffer doubles its size, so that the bytes of a long message are not
   * copied again for each chunk.
   */
  #add(chunk: Uint8Array): void {
    const { input } = this;
    if (input.length + chunk.length > MOST_BYTES) {
      this.#flooded = true;
      this.#socket.destroy();
      return;
    }
    if (input.length === 0) {
      this.#buffer = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    if (this.#end + chunk.length > this.#buffer.length) {
      const larger = new Uint8Array(2 * (input.length + chunk.length));
      larger.set(input);
      this.#buffer = larger;
      this.#start = 0;
      this.#end = input.length;
    }
    this.#buffer.set(chunk, this.#end);
    this.#end += chunk.length;
  }
}

/** Opens a connection, over TLS if the target uses TLS. The certificate is not checked. */
export function dial({ host, port, secure }: Target, onConnected: () => void): Socket {
  if (!secure) return connectTcp({ host, port }, onConnected);
  // RFC 6066 §3: the server name is a host name, not an address.
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ host, port, rejectUnauthorized: false, ...name }, onConnected);
}
