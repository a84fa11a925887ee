// protocol/bytes.ts for browsers, which have no Buffer: a bundle takes this one in its place. What
// only WebSocket frames need is not here, since the browser makes them.

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

/** Bytes as an application is given them. */
export function asGiven(bytes: Bytes): ArrayBufferLike {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : copy(bytes).buffer;
}

export function isBinary(value: object): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof Blob;
}

/** A Blob stays one: a WebSocket sends it as it is, and polling.ts reads it. */
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
  // Not all at once: a call takes no more than some tens of thousands of arguments.
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text);
}

export function decodeBase64(text: string): Bytes | undefined {
  // atob() passes over blanks, and does without padding.
  if (text.length % 4 !== 0 || /\s/.test(text)) return undefined;
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** New bytes, for a caller that writes every one of them. */
export function allocateUnfilled(length: number): Bytes {
  return new Uint8Array(length);
}
