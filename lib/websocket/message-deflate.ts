// Compresses and inflates messages with node:zlib. RFC 7692 §7.2.
//
// Small messages are processed synchronously, because passing them to the thread pool would cost the main thread more time.
// Large messages are processed in the thread pool, a few at a time.
//
// A connection keeps a zlib stream between two messages only if it sends with context takeover. Without takeover, a large
// message is compressed with a stream from a pool, and the stream is then reset. To receive with takeover, a connection keeps
// only the last bytes of the earlier messages. These bytes are the dictionary for inflating the next message.

import type { DeflateRaw, ZlibOptions } from "node:zlib";

import { type Bytes, concat } from "../../protocol/bytes.ts";
import {
  type DeflateDirection,
  directionOf,
  SlidingWindow,
  withoutTail,
  withTail,
} from "../../protocol/websocket/deflate.ts";
import type { DeflateParameters } from "../../protocol/websocket/deflate-negotiation.ts";
import type { Role } from "../../protocol/websocket/frame.ts";
import { ProtocolError } from "../../protocol/websocket/rules.ts";
import { zlib } from "../zlib.ts";

// The largest number of streams that work at the same time. The system's allocator frees the memory of zlib late if very many
// streams work at the same time.
const CONCURRENCY = 10;

// Messages of at most SMALL bytes are compressed and inflated synchronously, except if the inflated message has more than
// SMALL_INFLATED bytes. Processing such a message takes about 50 µs, which the main thread would also need to pass the
// message to the thread pool.
const SMALL = 4096;
const SMALL_INFLATED = 32 * 1024;
// The size of the output buffers, in bytes. For messages that are inflated synchronously, the buffers are small, because the
// last buffer is kept in memory as long as the message, even if the message fills only a part of it.
const SMALL_PIECE = 4096;
const LARGE_PIECE = 64 * 1024;

// The number of bytes at the end of zlib's window in which zlib finds no match: MIN_LOOKAHEAD in zlib's deflate.h.
const LOOKAHEAD = 262;
// node:zlib supports no smaller window for raw deflate.
const LEAST_WINDOW_BITS = 9;

// The largest `maxOutputLength` that is passed to node:zlib, in bytes. node:zlib rejects a value that is greater than the
// length of the longest possible Buffer.
const LARGEST_LIMIT = 2 ** 31 - 1;

/** The settings of permessage-deflate for one connection. */
export interface DeflateSettings {
  /** Whether this end is the client or the server. Each end has its own parameters. */
  readonly role: Role;
  /** The negotiated parameters. */
  readonly parameters: DeflateParameters;
  /** Largest inflated message, in bytes. A larger message fails the connection. */
  readonly maxPayload: number;
  /**
   * Options of node:zlib for the compression of sent messages, such as `level` and `memLevel`. Connections with the same
   * options object share a pool of streams.
   */
  readonly zlib: ZlibOptions;
}

/** Compresses the messages of this end, and inflates those of the peer. Processes one message at a time in each direction. */
export class MessageDeflate {
  readonly #settings: DeflateSettings;
  // The parameters of this end, and of the peer.
  readonly #ours: DeflateDirection;
  readonly #theirs: DeflateDirection;
  // `#stream` and `#window` are only set with context takeover, when the first message is processed.
  #stream: DeflateStream | undefined;
  #window: SlidingWindow | undefined;
  // Whether the last small message had more than SMALL_INFLATED bytes when inflated. The next message is then inflated in the
  // thread pool, without an attempt to inflate it synchronously.
  #grows = false;
  #closed = false;

  constructor(settings: DeflateSettings) {
    this.#settings = settings;
    const { role, parameters } = settings;
    this.#ours = directionOf(role, parameters);
    this.#theirs = directionOf(role === "server" ? "client" : "server", parameters);
  }

  /**
   * Compresses a message synchronously. Returns `undefined` if the caller must use compress(). RFC 7692 §7.2.1.
   *
   * @param message must not be empty
   */
  compressNow(message: Bytes): Bytes | undefined {
    if (message.length > SMALL || this.#ours.takeover || this.#closed) return undefined;
    // A smaller window that the message fits into takes less time to set up, and does not change the result.
    const wanted = Math.ceil(Math.log2(message.length + LOOKAHEAD));
    const options: ZlibOptions = {
      ...this.#settings.zlib,
      windowBits: Math.min(this.#ours.windowBits, Math.max(wanted, LEAST_WINDOW_BITS)),
      finishFlush: zlib().constants.Z_SYNC_FLUSH,
      // The output fits into one buffer even if the message cannot be compressed.
      chunkSize: message.length + 64,
    };
    try {
      return withoutTail(zlib().deflateRawSync(message, options));
    } catch {
      // zlib has no memory left, or its options are invalid. compress() will reject with the error.
      return undefined;
    }
  }

  /** Compresses a message in the thread pool. RFC 7692 §7.2.1. @param message must not be empty */
  async compress(message: Bytes): Promise<Bytes> {
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

  /** Compresses a message with a stream of a pool. A pool never has more than CONCURRENCY streams. */
  async #compressBorrowing(message: Bytes, options: ZlibOptions): Promise<Bytes> {
    const pool = poolOf(this.#settings.zlib, this.#ours.windowBits);
    const stream = pool.pop() ?? new DeflateStream(options);
    const compressed = await stream.compress(message);
    stream.reset();
    pool.push(stream);
    if (this.#closed) throw CLOSED;
    return compressed;
  }

  /**
   * Inflates a message synchronously. Returns `undefined` if the caller must use inflate(). RFC 7692 §7.2.2.
   *
   * @throws ProtocolError if the message is not valid deflate data or becomes too large
   */
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

  /**
   * Inflates a message in the thread pool. RFC 7692 §7.2.2.
   *
   * @throws ProtocolError (the promise rejects) if the message is not valid deflate data or becomes too large
   */
  async inflate(message: Bytes): Promise<Bytes> {
    const release = await SLOTS.take();
    return this.#inflateInPool(message).finally(release);
  }

  async #inflateInPool(message: Bytes): Promise<Bytes> {
    try {
      if (this.#closed) throw CLOSED;
      const options = this.#inflateOptions(this.#settings.maxPayload);
      // node:zlib schedules a job in the thread pool for each output buffer, so larger buffers are faster.
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

  /** Frees the memory of zlib. Pending calls reject. */
  close(): void {
    this.#closed = true;
    this.#stream?.close();
    this.#window = undefined;
  }
}

const CLOSED = new Error("the connection was closed");

/** Returns the protocol error for an error of zlib. */
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

/** Returns a Node-style callback that settles a promise. */
function settling(
  resolve: (bytes: Bytes) => void,
  reject: (error: Error) => void,
): (error: Error | null | undefined, bytes: Bytes) => void {
  return (error, bytes) => {
    if (error) reject(error);
    else resolve(bytes);
  };
}

/** A zlib stream that compresses messages one after another, with context takeover. */
class DeflateStream {
  readonly #stream: DeflateRaw;
  #output: Bytes[] = [];
  #fail: ((error: Error) => void) | undefined;

  constructor(options: ZlibOptions) {
    // With the option `flush`, write() also flushes the output, in the same job of the thread pool. The method flush() would
    // be a second job, and by default makes a full flush, which discards the context.
    const { constants, createDeflateRaw } = zlib();
    this.#stream = createDeflateRaw({ ...options, flush: constants.Z_SYNC_FLUSH });
    this.#stream
      .on("data", (chunk: Bytes) => this.#output.push(chunk))
      .on("error", (error) => this.#fail?.(error))
      // If the stream is closed during a write, the callback of write() reports success. But "close" is emitted before
      // that callback is called, so this listener rejects the promise first.
      .on("close", () => this.#fail?.(CLOSED));
  }

  /** Compresses a message. @param message must not be empty, since zlib outputs nothing if it flushes without new input */
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

  /** Discards the context of the earlier messages. */
  reset(): void {
    this.#stream.reset();
  }

  close(): void {
    this.#stream.destroy();
  }
}

// The pools of streams, by the options of zlib and the size of the window. A pool is freed together with its options.
const POOLS = new WeakMap<ZlibOptions, Map<number, DeflateStream[]>>();

/** Returns the pool of unused streams for these settings. */
function poolOf(settings: ZlibOptions, windowBits: number): DeflateStream[] {
  const pools = POOLS.get(settings) ?? new Map<number, DeflateStream[]>();
  const pool = pools.get(windowBits) ?? [];
  POOLS.set(settings, pools.set(windowBits, pool));
  return pool;
}

/** A semaphore: limits how many callers work at the same time. Further callers wait in the order of their calls. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Waits for a free slot. Resolves to a function that releases the slot. */
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
