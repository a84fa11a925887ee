// Masks and unmasks payloads. RFC 6455 §5.3, "Client-to-Server Masking".
//
// In this file, a masking key is a 32-bit number whose lowest byte is the first byte of the key. If a payload arrives
// in pieces, turnKey() rotates the key for the next piece.

import { type Bytes, byteAt, wordAt } from "../bytes.ts";

/**
 * Reads the masking key of four bytes at index `i` (RFC 6455 §5.3). The lowest byte of the result is the first byte
 * of the key.
 *
 * @param bytes the frame
 * @param i the index of the first byte of the key
 */
export function readKey(bytes: Bytes, i: number): number {
  return (
    byteAt(bytes, i) |
    (byteAt(bytes, i + 1) << 8) |
    (byteAt(bytes, i + 2) << 16) |
    (byteAt(bytes, i + 3) << 24)
  );
}

/**
 * Returns the key for the bytes after the first `length` bytes of a payload (RFC 6455 §5.3). The key is rotated,
 * because octet i of the payload is masked with octet (i MOD 4) of the key.
 *
 * @param key the key for the first byte of the payload
 * @param length the number of bytes that were already masked
 */
export function turnKey(key: number, length: number): number {
  const bits = (length & 3) * 8;
  return (key >>> bits) | (key << (32 - bits));
}

/**
 * Masks or unmasks the bytes from index `start` to before index `end`, in place.
 *
 * RFC 6455 §5.3: "transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4)"
 *
 * @param bytes the bytes, which are changed
 * @param key the key for the byte at index `start`, see readKey()
 * @param start the index of the first byte
 * @param end the index after the last byte
 */
export function mask(bytes: Bytes, key: number, start: number, end: number): void {
  if (key === 0) return;
  if (LITTLE_ENDIAN && end - start >= WORTH_WORDS) maskWords(bytes, key, start, end);
  else maskBytes(bytes, key, start, end);
}

/**
 * Whether this machine stores the lowest byte of a 32-bit word first. The lowest byte of a key is also its first byte.
 */
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/**
 * The smallest length, in bytes, for which a Uint32Array saves more time than its creation costs (measured by `binary`
 * in bench/).
 */
const WORTH_WORDS = 256;

/** Masks 32-bit words. The bytes before the first whole word and after the last whole word are masked as bytes. */
function maskWords(bytes: Bytes, key: number, start: number, end: number): void {
  const first = start + (-(bytes.byteOffset + start) & 3);
  const count = (end - first) >>> 2;
  maskBytes(bytes, key, start, first);
  const turned = turnKey(key, first - start);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + first, count);
  for (let i = 0; i < count; i++) words[i] = wordAt(words, i) ^ turned;
  maskBytes(bytes, turned, first + count * 4, end);
}

function maskBytes(bytes: Bytes, key: number, start: number, end: number): void {
  const k0 = key & 0xff;
  const k1 = (key >>> 8) & 0xff;
  const k2 = (key >>> 16) & 0xff;
  const k3 = key >>> 24;
  let i = start;
  for (const whole = end - 3; i < whole; i += 4) {
    bytes[i] = byteAt(bytes, i) ^ k0;
    bytes[i + 1] = byteAt(bytes, i + 1) ^ k1;
    bytes[i + 2] = byteAt(bytes, i + 2) ^ k2;
    bytes[i + 3] = byteAt(bytes, i + 3) ^ k3;
  }
  if (i < end) bytes[i] = byteAt(bytes, i++) ^ k0;
  if (i < end) bytes[i] = byteAt(bytes, i++) ^ k1;
  if (i < end) bytes[i] = byteAt(bytes, i) ^ k2;
}
