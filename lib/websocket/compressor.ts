// permessage-deflate of one connection: RFC 7692 §6 between the socket and an Endpoint.
//
// Small messages are compressed and inflated at once. Large messages go to the thread pool. While one is
// being inflated, the connection reads nothing. While one is being compressed, the messages sent after it
// wait in the connection's queue.

import type { Duplex } from "node:stream";

import { type Bytes, isValidUtf8 } from "../../protocol/bytes.ts";
import { directionOf } from "../../protocol/websocket/deflate.ts";
import { canCompress } from "../../protocol/websocket/deflate-negotiation.ts";
import type { Endpoint } from "../../protocol/websocket/endpoint.ts";
import { BINARY, TEXT } from "../../protocol/websocket/frame.ts";
import { NEED_DATA } from "../../protocol/websocket/receiver.ts";
import { ProtocolError } from "../../protocol/websocket/rules.ts";
import { type DeflateSettings, MessageDeflate } from "./message-deflate.ts";
import { readAgain } from "./read-again.ts";

/** The connection whose messages a Compressor reads. */
export interface CompressorHost {
  /** Nothing is to be delivered for now. */
  readonly paused: boolean;
  /** Delivers the message or control frame that the endpoint has read, which is not compressed. */
  deliver(event: number): void;
  /** Delivers a message that was compressed. */
  deliverInflated(opcode: Opcode, message: Bytes): void;
  /** The socket is closed, and what it had received was given to the endpoint. */
  readonly ended: boolean;
  /** Called after the last message was inflated if the connection has ended in the meantime. */
  finish(): void;
}

// Small messages that are inflated in a row before other connections have their turn.
const INFLATED_PER_TURN = 64;

type Opcode = typeof TEXT | typeof BINARY;

export class Compressor {
  /** A message is being inflated. The messages after it, and the end of the connection, wait for it. */
  inflating = false;

  readonly #host: CompressorHost;
  readonly #socket: Duplex;
  readonly #endpoint: Endpoint;
  readonly #deflate: MessageDeflate;
  readonly #threshold: number;

  /** @param threshold compress messages of at least this many bytes */
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
    // A client that cannot compress for the window that the server chose can still inflate.
    const { windowBits } = directionOf(settings.role, settings.parameters);
    this.#threshold = canCompress(windowBits) ? threshold : Number.POSITIVE_INFINITY;
  }

  /** Delivers what the endpoint has received. */
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

  /** Whether a message of this many bytes is compressed. RFC 7692 §6 leaves that to the sender. */
  compresses(length: number): boolean {
    return length > 0 && length >= this.#threshold;
  }

  /** Compresses a small message at once. Returns `undefined` if it is for compress(). RFC 7692 §6.1. */
  compressNow(payload: Bytes): Bytes | undefined {
    return this.#deflate.compressNow(payload);
  }

  /** Compresses a message. Only one call at a time. RFC 7692 §6.1. */
  async compress(payload: Bytes): Promise<Bytes> {
    return this.#deflate.compressNow(payload) ?? this.#deflate.compress(payload);
  }

  /** Frees zlib's memory when the connection has ended. */
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
    else this.#host.deliverInflated(event, message);
  }

  /** Inflates a message in the thread pool. Nothing is read until it is done. */
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
    if (!this.#host.paused) readAgain(this.#socket);
    this.read();
    if (this.#host.ended && !this.inflating) this.#host.finish();
  }

  #failFor(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#endpoint.fail(error);
  }
}

/** RFC 6455 §8.1. @throws ProtocolError */
function mustBeValid(event: Opcode, message: Bytes): void {
  if (event === TEXT && !isValidUtf8(message)) throw new ProtocolError("INVALID_UTF8");
}
