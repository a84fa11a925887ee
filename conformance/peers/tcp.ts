// A TCP or TLS connection whose bytes are awaited, and recorded by who knows what they mean.

import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import { Failure } from "../harness/case.ts";
import type { Target } from "../harness/target.ts";

/** The server has ended the connection. */
export const ENDED = "the end of the connection";

/** Bytes that a server may say at a time: four of the largest messages that a case is about. */
export const MOST_BYTES = 64 * 1024 * 1024;

export function flooded(): Failure {
  return new Failure(`${MOST_BYTES} bytes at most`, "more, without an end");
}

export class TcpConnection {
  readonly #socket: Socket;
  // What has come is from #start to #end. What was taken before may still be in use: nothing is
  // ever written over it.
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

  /** Rejects where nothing listens. */
  static open(target: Target): Promise<TcpConnection> {
    return new Promise((resolve, reject) => {
      const socket = dial(target, () => {
        socket.off("error", reject);
        resolve(new TcpConnection(socket));
      });
      socket.once("error", reject);
    });
  }

  /** What has come and was not taken. */
  get input(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
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
    const taken = this.input.subarray(0, count);
    this.#start += taken.length;
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
      const { input } = this;
      const count = measure(input);
      if (count !== undefined && count <= input.length) return this.take(count);
      if (this.#flooded) throw flooded();
      if (this.#ended) return undefined;
      await this.more();
    }
  }

  /** Resolves when the server has ended the connection. @throws Failure when it says something before */
  async untilEnd(): Promise<void> {
    while (!this.#ended && this.input.length === 0) await this.more();
    if (this.input.length > 0) throw new Failure(ENDED, `${this.input.length} bytes`);
  }

  /** Room is doubled, so that a message of many chunks is not copied for each of them. */
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

/** A connection that is being made, over TLS where the target is. Its certificate is not checked. */
export function dial({ host, port, secure }: Target, onConnected: () => void): Socket {
  if (!secure) return connectTcp({ host, port }, onConnected);
  // RFC 6066 §3: a name for which a certificate is asked, and not an address.
  const name = isIP(host) === 0 ? { servername: host } : {};
  return connectTls({ host, port, rejectUnauthorized: false, ...name }, onConnected);
}
