// A message while it arrives: the bytes that have come so far (RFC 6455 §5.4; a POST of Engine.IO).
//
// Rule: what is held is never more than what has arrived plus one block, however finely the sender
// cuts it. So bytes are copied into blocks, and neither the network's chunks nor a piece for each
// frame are kept.

import { allocateUnfilled, type Bytes, concat, EMPTY } from "./bytes.ts";

const SMALLEST_BLOCK = 256;
const LARGEST_BLOCK = 64 * 1024;

export class Fragments {
  /** How many bytes are held. */
  length = 0;
  #full: Bytes[] = [];
  #block: Bytes = EMPTY;
  #used = 0;

  /**
   * Copies `bytes` behind what is held.
   *
   * @param expected how many bytes are known to follow these: no block is made too small for them, up to its largest size
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

  /** All that is held, in one; it holds nothing afterwards. */
  take(): Bytes {
    const last = this.#block.subarray(0, this.#used);
    const whole = this.#full.length === 0 ? last : concat([...this.#full, last]);
    this.clear();
    return whole;
  }

  clear(): void {
    this.length = 0;
    this.#full = [];
    this.#block = EMPTY;
    this.#used = 0;
  }

  // A block is as large as what is known to come; where little is announced, as large as all so
  // far, so that the number of blocks stays small for a message of many small frames.
  #grow(announced: number): void {
    if (this.#used > 0) this.#full.push(this.#block);
    const size = Math.max(announced, this.length, SMALLEST_BLOCK);
    this.#block = allocateUnfilled(Math.min(size, LARGEST_BLOCK));
    this.#used = 0;
  }
}
