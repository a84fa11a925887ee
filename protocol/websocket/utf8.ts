// Checks the UTF-8 of text that arrives in pieces (RFC 6455 §8.1). The syntax is in RFC 3629 §4.
//
// A text may be split anywhere, even inside a character. The connection fails at the first byte after which no valid
// text is possible. Between two pieces, the checker remembers how many bytes the current character still needs, and the
// range of its next byte:
//
//   lead byte      second byte      further bytes
//   00-7F
//   C2-DF          80-BF
//   E0             A0-BF            80-BF              (no overlong form)
//   E1-EC EE-EF    80-BF            80-BF
//   ED             80-9F            80-BF              (no surrogate)
//   F0             90-BF            80-BF 80-BF        (no overlong form)
//   F1-F3          80-BF            80-BF 80-BF
//   F4             80-8F            80-BF 80-BF        (nothing above U+10FFFF)

import { type Bytes, byteAt, isValidUtf8 } from "../bytes.ts";

/** Checks the UTF-8 of a text that arrives in pieces (RFC 6455 §8.1). */
export class Utf8Checker {
  #needed = 0;
  #low = 0x80;
  #high = 0xbf;

  /**
   * Checks the next bytes of the text. Returns `false` if a valid UTF-8 text cannot continue with these bytes.
   *
   * @param bytes the next bytes of the text, of any length
   */
  push(bytes: Bytes): boolean {
    let i = 0;
    while (this.#needed > 0 && i < bytes.length) {
      if (!this.#step(byteAt(bytes, i++))) return false;
    }
    const whole = lastBoundary(bytes, i);
    if (i < whole && !isValidUtf8(bytes.subarray(i, whole))) return false;
    for (i = whole; i < bytes.length; i++) if (!this.#step(byteAt(bytes, i))) return false;
    return true;
  }

  /** Whether the text may end here, with no incomplete character. */
  get complete(): boolean {
    return this.#needed === 0;
  }

  /** Resets the checker for the next text. */
  reset(): void {
    this.#needed = 0;
    this.#low = 0x80;
    this.#high = 0xbf;
  }

  #step(byte: number): boolean {
    if (this.#needed > 0) {
      if (byte < this.#low || byte > this.#high) return false;
      this.#needed--;
      this.#low = 0x80;
      this.#high = 0xbf;
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.#needed = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.#low = 0xa0;
    else if (byte === 0xed) this.#high = 0x9f;
    else if (byte === 0xf0) this.#low = 0x90;
    else if (byte === 0xf4) this.#high = 0x8f;
    return true;
  }
}

/**
 * Returns the index of the lead byte of the last multi-byte character, if this character starts in the last three bytes and
 * may therefore be incomplete. Otherwise returns the length of `bytes`.
 */
function lastBoundary(bytes: Bytes, start: number): number {
  const stop = Math.max(start, bytes.length - 3);
  for (let i = bytes.length - 1; i >= stop; i--) if (byteAt(bytes, i) >= 0xc0) return i;
  return bytes.length;
}
