// permessage-deflate without zlib: what a sender cuts off and a receiver puts back, and what a receiver
// remembers of earlier messages. RFC 7692 §7.2.

import { allocateUnfilled, type Bytes, concat, EMPTY } from "../bytes.ts";
import type { DeflateParameters } from "./deflate-negotiation.ts";
import type { Role } from "./frame.ts";

// RFC 7692 §7.2.1: an empty deflate block, with which a sync flush ends.
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);

/** The payload of an empty message. RFC 7692 §7.2.3.6. */
export const EMPTY_BLOCK: Bytes = Uint8Array.of(0x00);

/** Returns compressed data without the last four bytes. RFC 7692 §7.2.1: "Remove 4 octets…". */
export function withoutTail(compressed: Bytes): Bytes {
  return compressed.subarray(0, compressed.length - TAIL.length);
}

/** Returns the payload of a message with those four bytes. RFC 7692 §7.2.2: "Append 4 octets…". */
export function withTail(message: Bytes): Bytes {
  return concat([message, TAIL]);
}

/** What was agreed on for the messages of one direction. */
export interface DeflateDirection {
  /** Base-2 logarithm of the LZ77 sliding window's size in bytes, 8 to 15. RFC 7692 §7.1.2. */
  readonly windowBits: number;
  /** Messages are compressed with the window that the messages before them left. RFC 7692 §7.1.1. */
  readonly takeover: boolean;
}

/** Returns what was agreed on for the messages that `sender` sends. */
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
 * The last bytes that were inflated, to which the next message may refer where the context is taken
 * over. RFC 7692 §7.2.2: the receiver needs no more of the earlier messages than these.
 */
export class SlidingWindow {
  readonly #size: number;
  // The bytes kept end at #end. The buffer grows to a quarter more than the window, so that they are seldom moved.
  #buffer = EMPTY;
  #end = 0;

  /** @param size of the window in bytes */
  constructor(size: number) {
    this.#size = size;
  }

  get bytes(): Bytes {
    return this.#buffer.subarray(Math.max(0, this.#end - this.#size), this.#end);
  }

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
    // set() allows for the overlap where both are the same memory.
    this.#buffer.set(kept);
    this.#end = kept.length;
  }
}
