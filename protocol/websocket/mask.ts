// Masking: RFC 6455 §5.3, "Client-to-Server Masking".
//
// A key is held as one number, its first byte lowest, so that a payload that arrives in pieces
// goes on with the key turned by the bytes already done.

import { type Bytes, byteAt, wordAt } from "../bytes.ts";

/** The masking key at `bytes[i..i+4)`. */
export function readKey(bytes: Bytes, i: number): number {
  return (
    byteAt(bytes, i) |
    (byteAt(bytes, i + 1) << 8) |
    (byteAt(bytes, i + 2) << 16) |
    (byteAt(bytes, i + 3) << 24)
  );
}

/** The key for what follows `length` masked bytes: octet i takes key octet (i MOD 4). */
export function turnKey(key: number, length: number): number {
  const bits = (length & 3) * 8;
  return (key >>> bits) | (key << (32 - bits));
}

/**
 * Masks, or unmasks, `bytes[start..end)` in place.
 *
 * RFC 6455 §5.3: "transformed-octet-i = original-octet-i XOR masking-key-octet-(i MOD 4)"
 */
export function mask(bytes: Bytes, key: number, start: number, end: number): void {
  if (key === 0) return;
  if (LITTLE_ENDIAN && end - start >= WORTH_WORDS) maskWords(bytes, key, start, end);
  else maskBytes(bytes, key, start, end);
}

/** Words have a key's first byte lowest, as the key has here. */
const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** From so many bytes on a view for words costs less than it saves (`binary` in bench/). */
const WORTH_WORDS = 256;

/** Four octets at a time, but for those in front of the first whole word and behind the last. */
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
