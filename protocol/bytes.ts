// Numbers and text out of bytes. The only file of `protocol/` that knows Node's Buffer.

import { Buffer, isUtf8 } from "node:buffer";

export type Bytes = Uint8Array;

export const EMPTY: Bytes = new Uint8Array(0);

/** The byte at `i`. The caller has checked that it exists. */
export function byteAt(bytes: Bytes, i: number): number {
  return bytes[i] as number;
}

/** The word at `i`. The caller has checked that it exists. */
export function wordAt(words: Uint32Array, i: number): number {
  return words[i] as number;
}

/** The two bytes at `i`, in network byte order. */
export function uint16At(bytes: Bytes, i: number): number {
  return (byteAt(bytes, i) << 8) | byteAt(bytes, i + 1);
}

/** The eight bytes at `i`, in network byte order; exact up to 2^53 - 1, and larger than that beyond. */
export function uint64At(bytes: Bytes, i: number): number {
  return (
    (uint16At(bytes, i) * 0x10000 + uint16At(bytes, i + 2)) * 0x1_0000_0000 +
    uint16At(bytes, i + 4) * 0x10000 +
    uint16At(bytes, i + 6)
  );
}

/** New bytes of unknown content, for a caller that writes every one of them before letting go. */
export function allocateUnfilled(length: number): Bytes {
  return Buffer.allocUnsafe(length);
}

/** `pieces` in one. */
export function concat(pieces: readonly Bytes[]): Bytes {
  return Buffer.concat(pieces);
}

/** The same bytes in memory of their own. Not `slice()`, which for a Buffer is a view, nor a Buffer of a pool. */
export function copy(bytes: Bytes): Bytes {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}

/** Bytes as an application is given them: in Node as they came, which is a Buffer; in browsers an ArrayBuffer. */
export function asGiven(bytes: Bytes): Bytes | ArrayBufferLike {
  return bytes;
}

/** Whether a value of a program is bytes. @throws TypeError for a Blob, whose bytes are not there yet */
export function isBinary(value: object): value is ArrayBuffer | ArrayBufferView {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return true;
  if (value instanceof Blob) {
    throw new TypeError("a Blob cannot be read at once: send its arrayBuffer()");
  }
  return false;
}

/** The bytes of what isBinary(). */
export function bytesOf(value: ArrayBuffer | ArrayBufferView): Bytes {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** How many bytes `text` takes in UTF-8. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text);
}

/** Writes `text` at `at`, in UTF-8, and returns how many bytes it took. */
export function writeUtf8(bytes: Bytes, text: string, at: number): number {
  return asBuffer(bytes).write(text, at);
}

export function encodeUtf8(text: string): Bytes {
  return Buffer.from(text);
}

/** The text of `bytes`, which are known to be UTF-8. */
export function decodeValidUtf8(bytes: Bytes): string {
  return asBuffer(bytes).toString();
}

/** The text of `bytes`, or `undefined` where they are not UTF-8. */
export function decodeUtf8(bytes: Bytes): string | undefined {
  return isUtf8(bytes) ? decodeValidUtf8(bytes) : undefined;
}

export function isValidUtf8(bytes: Bytes): boolean {
  return isUtf8(bytes);
}

export function encodeBase64(bytes: Bytes): string {
  return asBuffer(bytes).toString("base64");
}

/** The bytes of `text`, or `undefined` where it is not base64 with its padding (RFC 4648 §4). */
export function decodeBase64(text: string): Bytes | undefined {
  // Buffer takes base64url too, and a character beyond ASCII by its low byte.
  if (text.length % 4 !== 0 || NOT_BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  // Buffer passes over what is not base64, so that a shorter result tells of it.
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return bytes.length === (text.length / 4) * 3 - padding ? bytes : undefined;
}

const NOT_BASE64 = /[^A-Za-z0-9+/=]/;

function asBuffer(bytes: Bytes): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
