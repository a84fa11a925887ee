// Replaces protocol/bytes.ts in bundles for browsers, which have no Buffer. The functions for WebSocket frames are
// missing, because the browser creates the frames.

export type Bytes = Uint8Array;

export const EMPTY: Bytes = /* @__PURE__ */ new Uint8Array();

export function byteAt(bytes: Bytes, i: number): number {
  return bytes[i] ?? 0;
}

export function uint16At(bytes: Bytes, i: number): number {
  return (byteAt(bytes, i) << 8) | byteAt(bytes, i + 1);
}

export function copy(bytes: Bytes): Bytes {
  return new Uint8Array(bytes);
}

/** Returns `bytes` as an ArrayBuffer, the type that a program receives. */
export function asGiven(bytes: Bytes): ArrayBufferLike {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : copy(bytes).buffer;
}

export function isBinary(value: object): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof Blob;
}

/**
 * Returns the bytes of a value. A Blob is returned unchanged: a WebSocket can send a Blob, and polling.ts reads
 * its bytes.
 */
export function bytesOf(value: ArrayBuffer | ArrayBufferView | Blob): Bytes | Blob {
  if (value instanceof Blob) return value;
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
}

const ENCODER = /* @__PURE__ */ new TextEncoder();
const DECODER = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8Length(text: string): number {
  return encodeUtf8(text).length;
}

export function writeUtf8(bytes: Bytes, text: string, at: number): number {
  return ENCODER.encodeInto(text, bytes.subarray(at)).written;
}

export function encodeUtf8(text: string): Bytes {
  return ENCODER.encode(text);
}

export function decodeUtf8(bytes: Bytes): string | undefined {
  try {
    return DECODER.decode(bytes);
  } catch {
    return undefined;
  }
}

export function encodeBase64(bytes: Bytes): string {
  let text = "";
  // The bytes are converted in slices, because browsers limit the number of arguments of a call.
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

export function decodeBase64(text: string): Bytes | undefined {
  // atob() also accepts whitespace and missing padding, so this function rejects them first.
  if (text.length % 4 !== 0 || /\s/.test(text)) return undefined;
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** Returns a new array. The caller overwrites all its bytes. */
export function allocateUnfilled(length: number): Bytes {
  return new Uint8Array(length);
}
