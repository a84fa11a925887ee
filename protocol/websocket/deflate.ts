// Implements the parts of permessage-deflate that need no zlib: the four bytes that the sender removes and the receiver
// appends, and the sliding window of earlier messages (RFC 7692 §7.2).

import { allocateUnfilled, type Bytes, concat, EMPTY } from "../bytes.ts";
import type { DeflateParameters } from "./deflate-negotiation.ts";
import type { Role } from "./frame.ts";

// The empty deflate block at the end of a sync flush (RFC 7692 §7.2.1).
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** The compressed payload of an empty message (RFC 7692 §7.2.3.6). */
export const EMPTY_BLOCK: Bytes = Uint8Array.of(0x00);

/**
 * Removes the last four bytes of compressed data. RFC 7692 §7.2.1: "Remove 4 octets…".
 *
 * @param compressed the output of a sync flush
 */
export function withoutTail(compressed: Bytes): Bytes {
  return compressed.subarray(0, compressed.length - TAIL.length);
}

/**
 * Appends the four bytes that the sender has removed. RFC 7692 §7.2.2: "Append 4 octets…".
 *
 * @param message the payload of a compressed message
 */
export function withTail(message: Bytes): Bytes {
  return concat([message, TAIL]);
}

/** The agreed parameters for the messages of one direction. */
export interface DeflateDirection {
  /** The base-2 logarithm of the size of the LZ77 sliding window in bytes, 8 to 15 (RFC 7692 §7.1.2). */
  readonly windowBits: number;
  /**
   * Whether the sender compresses each message with the sliding window that contains the end of the earlier messages
   * (RFC 7692 §7.1.1).
   */
  readonly takeover: boolean;
}

/**
 * Returns the agreed parameters for the messages that `sender` sends.
 *
 * @param sender the end that sends the messages
 * @param parameters the agreed parameters of both directions
 */
export function directionOf(sender: Role, parameters: DeflateParameters): DeflateDirection {
  return sender === "server"
    ? {
        windowBits: parameters.serverMaxWindowBits,
        takeover: !parameters.serverNoContextTakeover,
      }
    : {
        windowBits: parameters.clientMaxWindowBits,
        takeover: !parameters.clientNoContextTakeover,
      };
}

/**
 * The last inflated bytes of one direction. With context takeover, the next message may refer to these bytes. The
 * receiver needs nothing else of the earlier messages (RFC 7692 §7.2.2).
 */
export class SlidingWindow {
  readonly #size: number;
  // The window ends at the index #end of the buffer. The buffer grows to 1.25 times the size of the window, so that the
  // bytes are seldom moved to the start of the buffer.
  #buffer = EMPTY;
  #end = 0;

  /**
   * Creates an empty window.
   *
   * @param size the size of the window in bytes
   */
  constructor(size: number) {
    this.#size = size;
  }

  /** The contents of the window, at most `size` bytes. */
  get bytes(): Bytes {
    return this.#buffer.subarray(Math.max(0, this.#end - this.#size), this.#end);
  }

  /**
   * Appends an inflated message.
   *
   * @param message the inflated message
   */
  add(message: Bytes): void {
    const added = message.subarray(Math.max(0, message.length - this.#size));
    if (this.#end + added.length > this.#buffer.length) this.#makeRoom(added.length);
    this.#buffer.set(added, this.#end);
    this.#end += added.length;
  }

  #makeRoom(length: number): void {
    const kept = this.#buffer.subarray(Math.max(0, this.#end + length - this.#size), this.#end);
    const room = Math.min(1.25 * this.#size, 2 * (kept.length + length));
    if (room > this.#buffer.length) this.#buffer = allocateUnfilled(room);
    // set() also copies correctly if the source and the destination overlap.
    this.#buffer.set(kept);
    this.#end = kept.length;
  }
}
