// permessage-deflate over node:zlib: RFC 7692 §7.2.
//
// A direction with context takeover keeps one zlib stream, made when its first message comes; one
// without keeps nothing between two messages.

import { promisify } from "node:util";
import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  deflateRaw,
  type InflateRaw,
  inflateRaw,
  type ZlibOptions,
} from "node:zlib";

import { type Bytes, concat } from "../bytes.ts";
import type { DeflateParameters } from "./extensions.ts";
import type { Role } from "./frame.ts";
import { ProtocolError } from "./rules.ts";

// §7.2.1: what a sync flush ends with; cut off by the sender and put back by the receiver.
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

// zlib's memory is freed late by the system's allocator when very many streams work at once, so few do.
const CONCURRENCY = 10;

export interface DeflateSettings {
  /** Which end this is: each has parameters of its own. */
  readonly role: Role;
  readonly parameters: DeflateParameters;
  /** Bytes of an inflated message; larger ones are a breach of protocol. */
  readonly maxPayload: number;
  /** zlib's own settings for what is sent, such as `level` and `memLevel`. */
  readonly zlib: ZlibOptions;
}

interface Direction {
  readonly windowBits: number;
  /** Messages are compressed with those before them in mind. */
  readonly takeover: boolean;
}

/** Compresses what this end sends and inflates what the other sends. One message at a time in each direction. */
export class MessageDeflate {
  readonly #settings: DeflateSettings;
  // This end's parameters, and the other's.
  readonly #ours: Direction;
  readonly #theirs: Direction;
  #deflate: DeflateRaw | undefined;
  #inflate: InflateRaw | undefined;
  #closed = false;

  constructor(settings: DeflateSettings) {
    this.#settings = settings;
    const { role, parameters } = settings;
    const server: Direction = {
      windowBits: parameters.serverMaxWindowBits,
      takeover: !parameters.serverNoContextTakeover,
    };
    const client: Direction = {
      windowBits: parameters.clientMaxWindowBits,
      takeover: !parameters.clientNoContextTakeover,
    };
    this.#ours = role === "server" ? server : client;
    this.#theirs = role === "server" ? client : server;
  }

  /** §7.2.1. */
  async compress(message: Bytes): Promise<Bytes> {
    const options: ZlibOptions = {
      ...this.#settings.zlib,
      windowBits: this.#ours.windowBits,
      finishFlush: constants.Z_SYNC_FLUSH,
    };
    const release = await SLOTS.take();
    try {
      if (this.#closed) throw CLOSED;
      let compressed: Bytes;
      if (!this.#ours.takeover) {
        compressed = await deflateWhole(message, options);
      } else {
        this.#deflate ??= createDeflateRaw(options).on("error", ignore);
        compressed = await pass(this.#deflate, [message], Number.POSITIVE_INFINITY);
      }
      return compressed.subarray(0, compressed.length - TAIL.length);
    } finally {
      release();
    }
  }

  /** §7.2.2. Throws ProtocolError for what cannot be inflated, or becomes larger than it may. */
  async inflate(message: Bytes): Promise<Bytes> {
    try {
      return await this.#inflateMessage(message);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      throw new ProtocolError(isTooLarge(error) ? "MESSAGE_TOO_BIG" : "INVALID_DEFLATE");
    }
  }

  async #inflateMessage(message: Bytes): Promise<Bytes> {
    const { maxPayload } = this.#settings;
    const options: ZlibOptions = {
      windowBits: this.#theirs.windowBits,
      finishFlush: constants.Z_SYNC_FLUSH,
    };
    const release = await SLOTS.take();
    try {
      if (this.#closed) throw CLOSED;
      if (!this.#theirs.takeover) {
        const limited = { ...options, maxOutputLength: maxPayload };
        return await inflateWhole(concat([message, TAIL]), limited);
      }
      this.#inflate ??= createInflateRaw(options).on("error", ignore);
      const inflated = await pass(this.#inflate, [message, TAIL], maxPayload);
      // §7.2.3.4: a block with BFINAL ends zlib's stream, though not the conversation.
      if (this.#inflate.readableEnded) this.#inflate = undefined;
      return inflated;
    } finally {
      release();
    }
  }

  /** Frees zlib's memory. What is under way ends with an error. */
  close(): void {
    this.#closed = true;
    this.#deflate?.destroy();
    this.#inflate?.destroy();
  }
}

const CLOSED = new Error("the connection was closed");

/** Between two messages nobody waits for a stream's error; the next message meets it as "close". */
function ignore(): void {}

/** Sends `pieces` through a stream and gives what came out, which is stopped as soon as it is more than `limit` bytes. */
function pass(
  stream: DeflateRaw | InflateRaw,
  pieces: readonly Bytes[],
  limit: number,
): Promise<Bytes> {
  return new Promise((resolve, reject) => {
    const output: Bytes[] = [];
    let length = 0;
    const settle = (error?: Error | null): void => {
      stream.off("data", onData).off("error", settle).off("end", settle).off("close", onClose);
      if (error) reject(error);
      else resolve(concat(output));
    };
    const onClose = (): void => settle(CLOSED);
    const onData = (chunk: Bytes): void => {
      length += chunk.length;
      if (length <= limit) {
        output.push(chunk);
        return;
      }
      settle(new ProtocolError("MESSAGE_TOO_BIG"));
      stream.destroy();
    };
    stream.on("data", onData).on("error", settle).on("end", settle).on("close", onClose);
    for (const piece of pieces) stream.write(piece);
    // Not Node's default, a full flush, which would forget what context takeover is for.
    stream.flush(constants.Z_SYNC_FLUSH, () => settle());
  });
}

const deflateWhole = promisify<Bytes, ZlibOptions, Bytes>(deflateRaw);
const inflateWhole = promisify<Bytes, ZlibOptions, Bytes>(inflateRaw);

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}

/** Lets a few work at a time, the others in the order in which they came. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves when there is a slot; the caller calls the result to give it back. */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.#release;
  }

  readonly #release = (): void => {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  };
}

const SLOTS = new Slots(CONCURRENCY);
