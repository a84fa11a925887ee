// The extension permessage-deflate for one connection. RFC 7692 §6.
//
// Small messages are compressed and inflated synchronously. Large messages are processed in the thread pool of Node. While
// a message is being inflated there, the connection reads nothing. While a message is being compressed there, the messages
// sent after it wait in the connection's queue.

import type { Duplex } from "node:stream";

import { type Bytes, isValidUtf8 } from "../../protocol/bytes.ts";
import { directionOf } from "../../protocol/websocket/deflate.ts";
import { canCompress } from "../../protocol/websocket/deflate-negotiation.ts";
import type { Endpoint } from "../../protocol/websocket/endpoint.ts";
import { BINARY, TEXT } from "../../protocol/websocket/frame.ts";
import { NEED_DATA } from "../../protocol/websocket/receiver.ts";
import { ProtocolError } from "../../protocol/websocket/rules.ts";
import { type DeflateSettings, MessageDeflate } from "./message-deflate.ts";
import { resumeSocket } from "./resume-socket.ts";

/** The connection that a Compressor belongs to. */
export interface CompressorHost {
  /** Whether the program has paused the connection, so that nothing may be delivered. */
  readonly paused: boolean;
  /** Delivers an uncompressed message or a control frame that the endpoint has received. */
  deliver(event: number): void;
  /** Delivers a message that was compressed. */
  deliverInflated(opcode: Opcode, message: Bytes): void;
  /** Whether the socket is closed, and the endpoint has all the bytes that the socket received. */
  readonly ended: boolean;
  /** Reports the end of the connection. Called after a message was inflated, if the connection has ended in the meantime. */
  finish(): void;
}

// The largest number of small messages that are inflated synchronously one after another. The next message is then inflated
// in the thread pool, and other connections are served in the meantime.
const INFLATED_PER_TURN = 64;

type Opcode = typeof TEXT | typeof BINARY;

/** Compresses the messages that a connection sends, and inflates those that it receives. */
export class Compressor {
  /**
   * Whether a message is being inflated in the thread pool. Meanwhile, later messages wait, and the end of the connection is
   * not reported.
   */
  inflating = false;

  readonly #host: CompressorHost;
  readonly #socket: Duplex;
  readonly #endpoint: Endpoint;
  readonly #deflate: MessageDeflate;
  readonly #threshold: number;

  /** @param threshold the length, in bytes, from which messages are compressed */
  constructor(
    host: CompressorHost,
    socket: Duplex,
    endpoint: Endpoint,
    settings: DeflateSettings,
    threshold: number,
  ) {
    this.#host = host;
    this.#socket = socket;
    this.#endpoint = endpoint;
    this.#deflate = new MessageDeflate(settings);
    // The server may choose a window that is too small for node:zlib to compress with. Then the client only inflates.
    const { windowBits } = directionOf(settings.role, settings.parameters);
    this.#threshold = canCompress(windowBits) ? threshold : Number.POSITIVE_INFINITY;
  }

  /** Delivers the messages and control frames that the endpoint has received. */
  read(): void {
    const endpoint = this.#endpoint;
    let small = INFLATED_PER_TURN;
    while (!this.inflating && !this.#host.paused) {
      const event = endpoint.next();
      if (event === NEED_DATA) return;
      if (!endpoint.compressed || (event !== TEXT && event !== BINARY)) {
        this.#host.deliver(event);
      } else if (small-- > 0) {
        this.#inflate(event);
      } else {
        void this.#inflateLater(event);
      }
    }
  }

  /** Returns whether to compress a message of this length, in bytes. RFC 7692 §6 leaves the decision to the sender. */
  compresses(length: number): boolean {
    return length > 0 && length >= this.#threshold;
  }

  /** Compresses a small message synchronously. Returns `undefined` if the caller must use compress(). RFC 7692 §6.1. */
  compressNow(payload: Bytes): Bytes | undefined {
    return this.#deflate.compressNow(payload);
  }

  /** Compresses a message. Must not be called again before the promise is settled. RFC 7692 §6.1. */
  async compress(payload: Bytes): Promise<Bytes> {
    return this.#deflate.compressNow(payload) ?? this.#deflate.compress(payload);
  }

  /** Frees the memory of zlib after the end of the connection. */
  end(): void {
    this.#deflate.close();
  }

  /** Inflates and delivers a message, synchronously if the message is small. RFC 7692 §6.2. */
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
    else this.#host.deliverInflated(event, message);
  }

  /** Inflates a message in the thread pool and delivers it. Until the message is delivered, the connection reads nothing. */
  async #inflateLater(event: Opcode): Promise<void> {
    this.inflating = true;
    this.#socket.pause();
    try {
      const message = await this.#deflate.inflate(this.#endpoint.payload);
      mustBeValid(event, message);
      this.inflating = false;
      this.#host.deliverInflated(event, message);
    } catch (error) {
      this.inflating = false;
      this.#failFor(error);
    }
    if (!this.#host.paused) resumeSocket(this.#socket);
    this.read();
    if (this.#host.ended && !this.inflating) this.#host.finish();
  }

  #failFor(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#endpoint.fail(error);
  }
}

/** Checks the UTF-8 of a text message. RFC 6455 §8.1. @throws ProtocolError if the UTF-8 is invalid */
function mustBeValid(event: Opcode, message: Bytes): void {
  if (event === TEXT && !isValidUtf8(message)) throw new ProtocolError("INVALID_UTF8");
}
