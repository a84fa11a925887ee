// Compresses and inflates messages with node:zlib. RFC 7692 §7.2.
//
// Small messages are processed at once, because handing one to the thread pool costs the main thread more
// time than that. Large messages go to the thread pool, a few at a time.
//
// Between two messages a connection keeps a zlib stream only if it sends with context takeover. Without
// takeover, large messages borrow a stream and reset it afterwards. To receive with takeover, the last bytes
// of the earlier messages are enough: they are the dictionary of the next message.

import type { DeflateRaw, ZlibOptions } from "node:zlib";

import { type Bytes, concat } from "../../protocol/bytes.ts";
import {
  type DeflateDirection,
  directionOf,
  EMPTY_BLOCK,
  SlidingWindow,
  withoutTail,
  withTail,
} from "../../protocol/websocket/deflate.ts";
import type { DeflateParameters } from "../../protocol/websocket/deflate-negotiation.ts";
import type { Role } from "../../protocol/websocket/frame.ts";
import { ProtocolError } from "../../protocol/websocket/rules.ts";
import { zlib } from "../zlib.ts";

// zlib's memory is freed late by the system's allocator when very many streams work at once, so few do.
const CONCURRENCY = 10;

// What is done at once: messages up to SMALL bytes, as they come in, and of what is inflated up to
// SMALL_INFLATED. Some 50 µs, which is what the main thread spends on handing one to the thread pool.
const SMALL = 4096;
const SMALL_INFLATED = 32 * 1024;
// What is inflated at once comes in pieces of this size, and the last lives as long as the message.
const SMALL_PIECE = 4096;
const LARGE_PIECE = 64 * 1024;

// zlib finds nothing in the last bytes of its window: MIN_LOOKAHEAD in its deflate.h.
const LOOKAHEAD = 262;
// node:zlib makes no smaller ones for raw deflate.
const LEAST_WINDOW_BITS = 9;

// node:zlib takes no limit beyond its longest Buffer, and none below one byte.
const LARGEST_LIMIT = 2 ** 31 - 1;

export interface DeflateSettings {
  /** Which end this is: each has parameters of its own. */
  readonly role: Role;
  readonly parameters: DeflateParameters;
  /** Bytes of an inflated message; larger ones are a breach of protocol. */
  readonly maxPayload: number;
  /** zlib's own settings for what is sent, such as `level` and `memLevel`. Connections with the same object share streams. */
  readonly zlib: ZlibOptions;
}

/** Compresses what this end sends and inflates what the other sends. One message at a time in each direction. */
export class MessageDeflate {
  readonly #settings: DeflateSettings;
  // This end's parameters, and the other's.
  readonly #ours: DeflateDirection;
  readonly #theirs: DeflateDirection;
  // Each only with context takeover, from the first message on.
  #stream: DeflateStream | undefined;
  #window: SlidingWindow | undefined;
  // The last small message grew large, and so may the next: not to be tried at once in vain.
  #grows = false;
  #closed = false;

  constructor(settings: DeflateSettings) {
    this.#settings = settings;
    const { role, parameters } = settings;
    this.#ours = directionOf(role, parameters);
    this.#theirs = directionOf(role === "server" ? "client" : "server", parameters);
  }

  /** RFC 7692 §7.2.1, at once; or `undefined` where it is for compress(). */
  compressNow(message: Bytes): Bytes | undefined {
    if (message.length > SMALL || this.#ours.takeover || this.#closed) return undefined;
    if (message.length === 0) return EMPTY_BLOCK;
    // A window that the message fits into gives the same bytes, and takes less time to set up.
    const wanted = Math.ceil(Math.log2(message.length + LOOKAHEAD));
    const options: ZlibOptions = {
      ...this.#settings.zlib,
      windowBits: Math.min(this.#ours.windowBits, Math.max(wanted, LEAST_WINDOW_BITS)),
      finishFlush: zlib().constants.Z_SYNC_FLUSH,
      // Room for what cannot be compressed, so that it is in one piece.
      chunkSize: message.length + 64,
    };
    try {
      return withoutTail(zlib().deflateRawSync(message, options));
    } catch {
      // No memory, or settings that zlib does not take: compress() tells of it.
      return undefined;
    }
  }

  /** RFC 7692 §7.2.1. */
  async compress(message: Bytes): Promise<Bytes> {
    if (message.length === 0) return EMPTY_BLOCK;
    const release = await SLOTS.take();
    try {
      if (this.#closed) throw CLOSED;
      const options: ZlibOptions = {
        ...this.#settings.zlib,
        windowBits: this.#ours.windowBits,
        finishFlush: zlib().constants.Z_SYNC_FLUSH,
      };
      if (!this.#ours.takeover) return withoutTail(await this.#compressBorrowing(message, options));
      this.#stream ??= new DeflateStream(options);
      return withoutTail(await this.#stream.compress(message));
    } finally {
      release();
    }
  }

  /** At most as many streams as there are SLOTS come to be in a pool. */
  async #compressBorrowing(message: Bytes, options: ZlibOptions): Promise<Bytes> {
    const pool = poolOf(this.#settings.zlib, this.#ours.windowBits);
    const stream = pool.pop() ?? new DeflateStream(options);
    const compressed = await stream.compress(message);
    stream.reset();
    pool.push(stream);
    if (this.#closed) throw CLOSED;
    return compressed;
  }

  /** RFC 7692 §7.2.2, at once; or `undefined` where it is for inflate(). Throws as inflate() does. */
  inflateNow(message: Bytes): Bytes | undefined {
    if (message.length > SMALL || this.#grows || this.#closed) return undefined;
    const { maxPayload } = this.#settings;
    try {
      const options = this.#inflateOptions(Math.min(maxPayload, SMALL_INFLATED));
      options.chunkSize = SMALL_PIECE;
      return this.#inflated(zlib().inflateRawSync(withTail(message), options));
    } catch (error) {
      this.#grows = isTooLarge(error) && maxPayload > SMALL_INFLATED;
      if (this.#grows) return undefined;
      throw breach(error);
    }
  }

  /** RFC 7692 §7.2.2. Throws ProtocolError for what cannot be inflated, or becomes larger than it may. */
  async inflate(message: Bytes): Promise<Bytes> {
    const release = await SLOTS.take();
    return this.#inflateInPool(message).finally(release);
  }

  async #inflateInPool(message: Bytes): Promise<Bytes> {
    try {
      if (this.#closed) throw CLOSED;
      const options = this.#inflateOptions(this.#settings.maxPayload);
      // Each piece is a trip to the thread pool.
      if (this.#grows) options.chunkSize = LARGE_PIECE;
      const inflated = await inflateWhole(withTail(message), options);
      this.#grows = message.length <= SMALL && inflated.length > SMALL_INFLATED;
      return this.#inflated(inflated);
    } catch (error) {
      throw breach(error);
    }
  }

  #inflateOptions(limit: number): ZlibOptions {
    const { windowBits, takeover } = this.#theirs;
    const options: ZlibOptions = {
      windowBits,
      finishFlush: zlib().constants.Z_SYNC_FLUSH,
      maxOutputLength: Math.max(1, Math.min(limit, LARGEST_LIMIT)),
    };
    if (takeover && this.#window !== undefined) options.dictionary = this.#window.bytes;
    return options;
  }

  #inflated(message: Bytes): Bytes {
    if (this.#theirs.takeover) {
      this.#window ??= new SlidingWindow(2 ** this.#theirs.windowBits);
      this.#window.add(message);
    }
    return message;
  }

  /** Frees zlib's memory. What is under way ends with an error. */
  close(): void {
    this.#closed = true;
    this.#stream?.close();
    this.#window = undefined;
  }
}

const CLOSED = new Error("the connection was closed");

/** What zlib finds wrong with a message, as the rule that its sender broke. */
function breach(error: unknown): ProtocolError {
  return new ProtocolError(isTooLarge(error) ? "MESSAGE_TOO_BIG" : "INVALID_DEFLATE");
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
}

function inflateWhole(message: Bytes, options: ZlibOptions): Promise<Bytes> {
  return new Promise((resolve, reject) => {
    zlib().inflateRaw(message, options, settling(resolve, reject));
  });
}

/** A callback as Node has them, which settles a promise. */
function settling(
  resolve: (bytes: Bytes) => void,
  reject: (error: Error) => void,
): (error: Error | null | undefined, bytes: Bytes) => void {
  return (error, bytes) => {
    if (error) reject(error);
    else resolve(bytes);
  };
}

/** Compresses one message after another, each with those before it in mind. */
class DeflateStream {
  readonly #stream: DeflateRaw;
  #output: Bytes[] = [];
  #fail: ((error: Error) => void) | undefined;

  constructor(options: ZlibOptions) {
    // So that a write is flushed with it: flush() would be a second trip to the thread pool. Not
    // Node's default, a full flush, which would forget what context takeover is for.
    const { constants, createDeflateRaw } = zlib();
    this.#stream = createDeflateRaw({ ...options, flush: constants.Z_SYNC_FLUSH });
    this.#stream
      .on("data", (chunk: Bytes) => this.#output.push(chunk))
      .on("error", (error) => this.#fail?.(error))
      // Closed under a write, it calls back all the same, as if all were well; but after this.
      .on("close", () => this.#fail?.(CLOSED));
  }

  /** @param message not empty: a flush behind a flush gives nothing */
  compress(message: Bytes): Promise<Bytes> {
    return new Promise((resolve, reject) => {
      const settle = settling(resolve, reject);
      this.#fail = reject;
      this.#stream.write(message, (error) => {
        const output = this.#output;
        this.#output = [];
        this.#fail = undefined;
        settle(error, concat(output));
      });
    });
  }

  /** Forgets what was compressed. */
  reset(): void {
    this.#stream.reset();
  }

  close(): void {
    this.#stream.destroy();
  }
}

// By zlib's settings and the bits of the window; gone when the settings are.
const POOLS = new WeakMap<ZlibOptions, Map<number, DeflateStream[]>>();

/** The streams that nobody uses now. */
function poolOf(settings: ZlibOptions, windowBits: number): DeflateStream[] {
  const pools = POOLS.get(settings) ?? new Map<number, DeflateStream[]>();
  const pool = pools.get(windowBits) ?? [];
  POOLS.set(settings, pools.set(windowBits, pool));
  return pool;
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
