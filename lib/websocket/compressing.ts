// permessage-deflate of one connection: RFC 7692 §6 between the socket and an Endpoint.
//
// What is small is compressed and inflated at once. The rest takes its time in the thread pool, so
// that nothing is read while a message is being inflated, and what is sent waits in line behind a
// message that is being compressed.

import type { Duplex } from "node:stream";

import { type Bytes, isValidUtf8 } from "../../protocol/bytes.ts";
import { type DeflateSettings, MessageDeflate } from "../../protocol/websocket/deflate.ts";
import type { Endpoint } from "../../protocol/websocket/endpoint.ts";
import { BINARY, TEXT } from "../../protocol/websocket/frame.ts";
import { NEED_DATA } from "../../protocol/websocket/receiver.ts";
import { ProtocolError } from "../../protocol/websocket/rules.ts";

/** The connection that it is a part of. */
export interface CompressingHost {
  /** A message, inflated, or a control frame has come. */
  deliver(event: number, payload: Bytes): void;
  /** A message has left the line. */
  drained(): void;
  /** TCP has ended while a message was being inflated, which is delivered now. */
  finish(): void;
}

// Small messages inflated one behind the other before other connections have their turn.
const INFLATED_PER_TURN = 64;

type Opcode = typeof TEXT | typeof BINARY;

export class Compressing {
  /** Bytes that stand in line. */
  waiting = 0;
  /** A message is being inflated: those behind it, and the end, have to wait. */
  inflating = false;
  /** close() was called: nothing may be sent any more. */
  closing = false;

  readonly #host: CompressingHost;
  readonly #socket: Duplex;
  readonly #endpoint: Endpoint;
  readonly #deflate: MessageDeflate;
  readonly #threshold: number;
  #line: Promise<void> | undefined;

  /** @param threshold bytes from which a message is compressed */
  constructor(
    host: CompressingHost,
    socket: Duplex,
    endpoint: Endpoint,
    settings: DeflateSettings,
    threshold: number,
  ) {
    this.#host = host;
    this.#socket = socket;
    this.#endpoint = endpoint;
    this.#deflate = new MessageDeflate(settings);
    this.#threshold = threshold;
  }

  /** Delivers what the endpoint has received. */
  read(): void {
    const endpoint = this.#endpoint;
    let small = INFLATED_PER_TURN;
    while (!this.inflating) {
      const event = endpoint.next();
      if (event === NEED_DATA) return;
      if (!endpoint.compressed || (event !== TEXT && event !== BINARY)) {
        this.#host.deliver(event, endpoint.payload);
      } else if (small-- > 0) {
        this.#inflate(event);
      } else {
        void this.#inflateLater(event);
      }
    }
  }

  /** Sends a message in the order of the calls, compressed where it is worth it (RFC 7692 §6.1). */
  send(opcode: Opcode, payload: Bytes, compress: boolean): void {
    if (compress && payload.length >= this.#threshold && payload.length > 0) {
      const now = this.#line === undefined ? this.#deflate.compressNow(payload) : undefined;
      if (now !== undefined) {
        this.#endpoint.sendCompressed(opcode, now);
        return;
      }
      this.#stand(async () => {
        const compressed =
          this.#deflate.compressNow(payload) ?? (await this.#deflate.compress(payload));
        if (this.#endpoint.state === "open") this.#endpoint.sendCompressed(opcode, compressed);
      }, payload.length);
    } else if (this.#line === undefined) {
      this.#endpoint.sendMessage(opcode, payload);
    } else {
      this.#stand(() => {
        if (this.#endpoint.state === "open") this.#endpoint.sendMessage(opcode, payload);
      }, payload.length);
    }
  }

  /** Starts the closing handshake, behind what was sent. */
  close(code: number | undefined, reason: string | undefined): void {
    this.closing = true;
    if (this.#line === undefined) this.#endpoint.close(code, reason);
    else this.#stand(() => this.#endpoint.close(code, reason), 0);
  }

  /** The connection has ended: frees zlib's memory. */
  end(): void {
    this.#deflate.close();
  }

  /** RFC 7692 §6.2. */
  #inflate(event: Opcode): void {
    let message: Bytes | undefined;
    try {
      message = this.#deflate.inflateNow(this.#endpoint.payload);
      if (message !== undefined) mustBeValid(event, message);
    } catch (error) {
      this.#failFor(error);
      return;
    }
    if (message === undefined) void this.#inflateLater(event);
    else this.#host.deliver(event, message);
  }

  /** The same with what takes its time. Nothing is read until it is done. */
  async #inflateLater(event: Opcode): Promise<void> {
    this.inflating = true;
    this.#socket.pause();
    try {
      const message = await this.#deflate.inflate(this.#endpoint.payload);
      mustBeValid(event, message);
      this.inflating = false;
      this.#host.deliver(event, message);
    } catch (error) {
      this.inflating = false;
      this.#failFor(error);
    }
    this.#socket.resume();
    this.read();
    if (this.#socket.closed && !this.inflating) this.#host.finish();
  }

  #failFor(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#endpoint.fail(error);
  }

  /** Runs `job` when all that stand in line before it are done. */
  #stand(job: () => void | Promise<void>, length: number): void {
    this.waiting += length;
    const line = (this.#line ?? Promise.resolve())
      .then(job)
      // zlib was closed under it, or had no memory: the messages behind it cannot be sent either.
      .catch(() => this.#socket.destroy())
      .then(() => {
        this.waiting -= length;
        if (this.#line === line) this.#line = undefined;
        this.#host.drained();
      });
    this.#line = line;
  }
}

/** RFC 6455 §8.1. @throws ProtocolError */
function mustBeValid(event: Opcode, message: Bytes): void {
  if (event === TEXT && !isValidUtf8(message)) throw new ProtocolError("INVALID_UTF8");
}
