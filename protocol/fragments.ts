// Buffers the bytes of an incomplete message: the fragments of a WebSocket message (RFC 6455 §5.4), or
// the body of an Engine.IO POST request.
//
// Rule: the buffer is never larger than the received bytes plus one block, however small the sender
// makes the fragments. Therefore the bytes are copied into blocks. The buffer does not keep the
// chunks that the network delivered, and does not keep an object for each frame.

import { allocateUnfilled, type Bytes, concat, EMPTY } from "./bytes.ts";

const SMALLEST_BLOCK = 256;
const LARGEST_BLOCK = 64 * 1024;

/** The received part of a message. */
export class Fragments {
  /** The number of bytes in the buffer. */
  length = 0;
  #full: Bytes[] = [];
  #block: Bytes = EMPTY;
  #used = 0;

  /**
   * Appends a copy of `bytes`.
   *
   * @param expected how many bytes are known to follow. A new block has room for all of them, up to the size of the
   * largest block.
   */
  add(bytes: Bytes, expected: number): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#used === this.#block.length) this.#grow(rest.length + expected);
      const piece = rest.subarray(0, this.#block.length - this.#used);
      this.#block.set(piece, this.#used);
      this.#used += piece.length;
      this.length += piece.length;
      rest = rest.subarray(piece.length);
    }
  }

  /** Returns all bytes, and clears the buffer. */
  take(): Bytes {
    const last = this.#block.subarray(0, this.#used);
    const whole = this.#full.length === 0 ? last : concat([...this.#full, last]);
    this.clear();
    return whole;
  }

  /** Removes all bytes. */
  clear(): void {
    this.length = 0;
    this.#full = [];
    this.#block = EMPTY;
    this.#used = 0;
  }

  // A new block has room for all bytes that are known to follow, and is at least as large as all earlier blocks
  // together, up to LARGEST_BLOCK. Therefore a message of many small frames needs few blocks.
  #grow(announced: number): void {
    if (this.#used > 0) this.#full.push(this.#block);
    const size = Math.max(announced, this.length, SMALLEST_BLOCK);
    this.#block = allocateUnfilled(Math.min(size, LARGEST_BLOCK));
    this.#used = 0;
  }
}
