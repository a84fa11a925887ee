// Reads numbers and text from byte arrays, and writes them to byte arrays. This is the only file of `protocol/` that
// uses Node's Buffer.

import { Buffer, isUtf8 } from "node:buffer";

/** Bytes. In Node, most values of this type that the package returns are Buffers. */
export type Bytes = Uint8Array;

export const EMPTY: Bytes = new Uint8Array(0);

/** Returns the byte at index `i`. The caller has checked that the byte exists. */
export function byteAt(bytes: Bytes, i: number): number {
  return bytes[i] as number;
}

/** Returns the 32-bit word at index `i`. The caller has checked that the word exists. */
export function wordAt(words: Uint32Array, i: number): number {
  return words[i] as number;
}

/** Reads two bytes in network byte order, starting at index `i`. */
export function uint16At(bytes: Bytes, i: number): number {
  return (byteAt(bytes, i) << 8) | byteAt(bytes, i + 1);
}

/**
 * Reads eight bytes in network byte order, starting at index `i`. The result is exact up to 2^53 - 1. A larger number
 * is rounded, and the result is above 2^53 - 1.
 */
export function uint64At(bytes: Bytes, i: number): number {
  return (
    (uint16At(bytes, i) * 0x10000 + uint16At(bytes, i + 2)) * 0x1_0000_0000 +
    uint16At(bytes, i + 4) * 0x10000 +
    uint16At(bytes, i + 6)
  );
}

/** Allocates bytes with unknown content. The caller writes every byte before anyone else can read the bytes. */
export function allocateUnfilled(length: number): Bytes {
  return Buffer.allocUnsafe(length);
}

/** Concatenates `pieces`. */
export function concat(pieces: readonly Bytes[]): Bytes {
  return Buffer.concat(pieces);
}

/**
 * Copies `bytes` into newly allocated memory, which no other array uses. Buffer's `slice()` would
 * return a view of the old memory, and Buffer.allocUnsafe() would return a part of Node's shared
 * pool.
 */
export function copy(bytes: Bytes): Bytes {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}

/**
 * Returns `bytes` in the type that applications receive. In Node, the result is the same object, usually a Buffer. In
 * browsers, the result is an ArrayBuffer.
 */
export function asGiven(bytes: Bytes): Bytes | ArrayBufferLike {
  return bytes;
}

/**
 * Returns whether a value that the application passes is binary.
 *
 * @throws TypeError for a Blob, because its bytes can only be read asynchronously
 */
export function isBinary(value: object): value is ArrayBuffer | ArrayBufferView {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return true;
  if (value instanceof Blob) {
    throw new TypeError(
      "a Blob cannot be sent, because it is read asynchronously: send its arrayBuffer()",
    );
  }
  return false;
}

/** Returns the bytes of a value for which isBinary() returns `true`, without copying. */
export function bytesOf(value: ArrayBuffer | ArrayBufferView): Bytes {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** Returns the length of `text` in UTF-8, in bytes. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text);
}

/** Writes `text` in UTF-8, starting at index `at`, and returns how many bytes were written. */
export function writeUtf8(bytes: Bytes, text: string, at: number): number {
  return asBuffer(bytes).write(text, at);
}

/** Encodes `text` in UTF-8. */
export function encodeUtf8(text: string): Bytes {
  return Buffer.from(text);
}

/** Decodes bytes that are known to be valid UTF-8. */
export function decodeValidUtf8(bytes: Bytes): string {
  return asBuffer(bytes).toString();
}

/** Decodes `bytes`. Returns `undefined` if the bytes are not valid UTF-8. */
export function decodeUtf8(bytes: Bytes): string | undefined {
  return isUtf8(bytes) ? decodeValidUtf8(bytes) : undefined;
}

/** Returns whether `bytes` are valid UTF-8. */
export function isValidUtf8(bytes: Bytes): boolean {
  return isUtf8(bytes);
}

/** Encodes `bytes` in base64, with padding (RFC 4648 §4). */
export function encodeBase64(bytes: Bytes): string {
  return asBuffer(bytes).toString("base64");
}

/** Decodes base64 with padding (RFC 4648 §4). Returns `undefined` if `text` is invalid. */
export function decodeBase64(text: string): Bytes | undefined {
  // Buffer.from() also accepts base64url, and uses only the low byte of a non-ASCII character. Therefore the characters
  // are checked first.
  if (text.length % 4 !== 0 || NOT_BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  // Buffer stops at a misplaced "=". The result is then shorter than expected.
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return bytes.length === (text.length / 4) * 3 - padding ? bytes : undefined;
}

const NOT_BASE64 = /[^A-Za-z0-9+/=]/;

function asBuffer(bytes: Bytes): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
