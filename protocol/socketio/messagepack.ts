// Encodes and decodes MessagePack. https://github.com/msgpack/msgpack/blob/master/spec.md
//
// Like JSON.stringify() and other parsers for Socket.IO, the encoder calls toJSON(), and omits properties whose value
// is undefined or a function. In an array, undefined and functions are encoded as null. Unlike JSON.stringify(), the
// encoder encodes bytes as bytes and a Date as a Date. The encoder writes a Date with the extension type of other
// parsers for Socket.IO, because these parsers cannot decode the timestamp of the specification. The decoder accepts
// both extension types.

import {
  allocateUnfilled,
  type Bytes,
  byteAt,
  copy,
  decodeUtf8,
  uint16At,
  utf8Length,
  writeUtf8,
} from "../bytes.ts";
import { SERVER_LIMITS } from "./check.ts";
import { ProtocolError } from "./rules.ts";

/** The extension type of timestamps: "timestamp extension type is assigned to extension type -1". */
const TIMESTAMP = -1;
/** The extension type that parsers for Socket.IO use for undefined, ArrayBuffers and dates. */
const OWN_TYPE = 0;

/**
 * The largest depth of arrays and maps that are encoded or decoded. The server rejects packets from clients at a
 * smaller depth, see CLIENT_LIMITS.
 */
const MAX_DEPTH = SERVER_LIMITS.maxDepth;

const TWO_32 = 0x1_0000_0000;

/**
 * The longest text whose length fits into the first byte of its encoding, in bytes. If such a text is ASCII, it is
 * encoded and decoded without a call of a Buffer function.
 */
const SHORT_TEXT = 31;

/** Converts numbers to bytes and back. All messages share this DataView, so that no message allocates one. */
const WORD = new DataView(new ArrayBuffer(8));
const WORD_BYTES = new Uint8Array(WORD.buffer);

/**
 * Encodes a value.
 *
 * @throws RangeError if the value is nested too deeply, contains itself, or contains a BigInt of more than 64 bits
 * @throws TypeError if the value contains a symbol, or if the value itself or the result of a toJSON() is a function
 */
export function encode(value: unknown): Bytes {
  const writer = new Writer();
  writer.value(value, 0);
  return writer.take();
}

/**
 * Decodes a value.
 *
 * @throws ProtocolError if the bytes are not valid MessagePack, or the value is nested too deeply
 */
export function decode(bytes: Bytes): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.atEnd) throw new ProtocolError("MESSAGEPACK");
  return value;
}

/**
 * Splits an encoded array into its items, without decoding them. The caller can then decode an item without decoding
 * a large item before it.
 *
 * @throws ProtocolError if the bytes are not a valid array
 */
export function splitArray(bytes: Bytes): Bytes[] {
  return new Reader(bytes).items();
}

class Writer {
  #bytes: Bytes = allocateUnfilled(128);
  #at = 0;

  take(): Bytes {
    return this.#bytes.subarray(0, this.#at);
  }

  value(value: unknown, depth: number): void {
    if (depth > MAX_DEPTH)
      throw new RangeError("the value is nested too deeply, or contains itself");
    switch (typeof value) {
      case "string":
        this.#text(value);
        break;
      case "number":
        this.#number(value);
        break;
      case "boolean":
        this.#byte(value ? 0xc3 : 0xc2);
        break;
      case "undefined":
        this.#byte(0xc0);
        break;
      case "object":
        if (value === null) this.#byte(0xc0);
        else this.#object(value, depth);
        break;
      case "bigint":
        this.#bigint(value);
        break;
      default:
        throw new TypeError(`a ${typeof value} cannot be encoded`);
    }
  }

  #object(value: object, depth: number): void {
    if (Array.isArray(value)) {
      this.#head(value.length, 0x90, 15, 0xdc);
      for (const item of value) this.value(typeof item === "function" ? null : item, depth + 1);
    } else if (value instanceof Date) {
      this.#date(value.getTime());
    } else if (value instanceof ArrayBuffer) {
      this.#binary(new Uint8Array(value));
    } else if (ArrayBuffer.isView(value)) {
      this.#binary(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    } else if ("toJSON" in value && typeof value.toJSON === "function") {
      this.value(value.toJSON(), depth + 1);
    } else {
      this.#map(Object.entries(value), depth);
    }
  }

  #map(fields: readonly (readonly [string, unknown])[], depth: number): void {
    let length = 0;
    for (const [, value] of fields) if (isField(value)) length++;
    this.#head(length, 0x80, 15, 0xde);
    for (const [name, value] of fields) {
      if (!isField(value)) continue;
      this.#text(name);
      this.value(value, depth + 1);
    }
  }

  #text(text: string): void {
    if (text.length <= SHORT_TEXT && this.#shortText(text)) return;
    const length = utf8Length(text);
    if (length <= 0xff && length > SHORT_TEXT) this.#byte(0xd9).#byte(length);
    else this.#head(length, 0xa0, SHORT_TEXT, 0xda);
    this.#reserve(length);
    this.#at += writeUtf8(this.#bytes, text, this.#at);
  }

  /** Writes a text if the text is ASCII. Returns whether the text was written. */
  #shortText(text: string): boolean {
    this.#reserve(1 + text.length);
    let at = this.#at;
    this.#bytes[at++] = 0xa0 | text.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      this.#bytes[at++] = code;
    }
    this.#at = at;
    return true;
  }

  #binary(bytes: Bytes): void {
    if (bytes.length <= 0xff) this.#byte(0xc4).#byte(bytes.length);
    else this.#head(bytes.length, 0, -1, 0xc5);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /**
   * Writes the type and the length of a value. A length of at most `longest` is written into the low bits of the byte
   * `short`. A longer length is written as 16 bits after the byte `wide`, or as 32 bits after the byte `wide` + 1.
   */
  #head(length: number, short: number, longest: number, wide: number): void {
    if (length <= longest) this.#byte(short | length);
    else if (length <= 0xffff) this.#byte(wide).#uint16(length);
    else this.#byte(wide + 1).#uint32(length);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) this.#byte(0xcb).#float64(value);
    else if (value >= 0) this.#positive(value);
    else this.#negative(value);
  }

  #positive(value: number): void {
    if (value < 0x80) this.#byte(value);
    else if (value <= 0xff) this.#byte(0xcc).#byte(value);
    else if (value <= 0xffff) this.#byte(0xcd).#uint16(value);
    else if (value < TWO_32) this.#byte(0xce).#uint32(value);
    else this.#byte(0xcf).#bits64(BigInt(value));
  }

  #negative(value: number): void {
    if (value >= -0x20) this.#byte(value);
    else if (value >= -0x80) this.#byte(0xd0).#byte(value);
    else if (value >= -0x8000) this.#byte(0xd1).#uint16(value);
    else if (value >= -0x8000_0000) this.#byte(0xd2).#uint32(value);
    else this.#byte(0xd3).#bits64(BigInt(value));
  }

  #bigint(value: bigint): void {
    if (value >= 0n && value === BigInt.asUintN(64, value)) this.#byte(0xcf).#bits64(value);
    else if (value === BigInt.asIntN(64, value)) this.#byte(0xd3).#bits64(value);
    else throw new RangeError("a BigInt of more than 64 bits cannot be encoded");
  }

  #date(milliseconds: number): void {
    if (Number.isNaN(milliseconds)) this.#byte(0xc0);
    else this.#byte(0xd7).#byte(OWN_TYPE).#bits64(BigInt(milliseconds));
  }

  #byte(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
    return this;
  }

  #uint16(value: number): this {
    return this.#byte(value >>> 8).#byte(value);
  }

  #uint32(value: number): this {
    return this.#uint16(value >>> 16).#uint16(value);
  }

  #bits64(value: bigint): this {
    WORD.setBigInt64(0, BigInt.asIntN(64, value));
    return this.#word();
  }

  #float64(value: number): this {
    WORD.setFloat64(0, value);
    return this.#word();
  }

  #word(): this {
    for (let i = 0; i < 8; i++) this.#byte(byteAt(WORD_BYTES, i));
    return this;
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const bytes = allocateUnfilled(Math.max(this.#bytes.length * 2, this.#at + length));
    bytes.set(this.take());
    this.#bytes = bytes;
  }
}

class Reader {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Returns the bytes of each item of an array. */
  items(): Bytes[] {
    const type = byteAt(this.#bytes, this.#skip(1));
    if ((type & 0xf0) !== 0x90 && type !== 0xdc && type !== 0xdd) {
      throw new ProtocolError("MESSAGEPACK");
    }
    const length = type < 0xa0 ? type & 0x0f : this.#length(type - 0xdb);
    this.#need(length);
    const items: Bytes[] = [];
    for (let i = 0; i < length; i++) {
      const start = this.#at;
      this.#pass();
      items.push(this.#bytes.subarray(start, this.#at));
    }
    if (!this.atEnd) throw new ProtocolError("MESSAGEPACK");
    return items;
  }

  /**
   * Skips one value, including the values that it contains. The function counts the values that are left instead of
   * calling itself, so that a deeply nested value cannot fill the stack.
   */
  #pass(): void {
    for (let values = 1; values > 0; values--) {
      const type = byteAt(this.#bytes, this.#skip(1));
      if (type >= 0x80 && type < 0x90) values += 2 * (type & 0x0f);
      else if (type >= 0x90 && type < 0xa0) values += type & 0x0f;
      else if (type >= 0xa0 && type < 0xc0) this.#skip(type & 0x1f);
      else if (type >= 0xc4 && type <= 0xc6) this.#skip(this.#length(type - 0xc4));
      else if (type >= 0xc7 && type <= 0xc9) this.#skip(this.#length(type - 0xc7) + 1);
      else if (type === 0xca) this.#skip(4);
      else if (type === 0xcb) this.#skip(8);
      else if (type >= 0xcc && type <= 0xcf) this.#skip(1 << (type - 0xcc));
      else if (type >= 0xd0 && type <= 0xd3) this.#skip(1 << (type - 0xd0));
      else if (type >= 0xd4 && type <= 0xd8) this.#skip((1 << (type - 0xd4)) + 1);
      else if (type >= 0xd9 && type <= 0xdb) this.#skip(this.#length(type - 0xd9));
      else if (type === 0xdc || type === 0xdd) values += this.#length(type - 0xdb);
      else if (type === 0xde || type === 0xdf) values += 2 * this.#length(type - 0xdd);
    }
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new ProtocolError("PAYLOAD_DEPTH");
    const type = byteAt(this.#bytes, this.#skip(1));
    if (type < 0x80) return type;
    if (type < 0x90) return this.#map(type & 0x0f, depth);
    if (type < 0xa0) return this.#array(type & 0x0f, depth);
    if (type < 0xc0) return this.#text(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return copy(this.#take(this.#length(type - 0xc4)));
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#length(type - 0xc7), false);
      case 0xca:
        return this.#word(4).getFloat32(0);
      case 0xcb:
        return this.#word(8).getFloat64(0);
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#length(type - 0xcc);
      case 0xcf:
        return numberOf(this.#word(8).getBigUint64(0));
      case 0xd0:
        return (this.#length(0) << 24) >> 24;
      case 0xd1:
        return (this.#length(1) << 16) >> 16;
      case 0xd2:
        return this.#length(2) | 0;
      case 0xd3:
        return numberOf(this.#word(8).getBigInt64(0));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (type - 0xd4), true);
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#length(type - 0xd9));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#length(type - 0xdb), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#length(type - 0xdd), depth);
      default:
        // The specification marks 0xc1 as "never used".
        throw new ProtocolError("MESSAGEPACK");
    }
  }

  /** Reads a number of 8, 16 or 32 bits, for a `size` of 0, 1 or 2. */
  #length(size: number): number {
    if (size === 0) return byteAt(this.#bytes, this.#skip(1));
    if (size === 1) return uint16At(this.#bytes, this.#skip(2));
    const start = this.#skip(4);
    return uint16At(this.#bytes, start) * 0x1_0000 + uint16At(this.#bytes, start + 2);
  }

  /** Copies the next `length` bytes into WORD, and returns WORD. */
  #word(length: number): DataView {
    const start = this.#skip(length);
    for (let i = 0; i < length; i++) WORD_BYTES[i] = byteAt(this.#bytes, start + i);
    return WORD;
  }

  #text(length: number): string {
    const start = this.#skip(length);
    const short = length <= SHORT_TEXT ? this.#shortText(start, length) : undefined;
    const text = short ?? decodeUtf8(this.#bytes.subarray(start, this.#at));
    if (text === undefined) throw new ProtocolError("MESSAGEPACK");
    return text;
  }

  /** Reads a text if the text is ASCII. Otherwise returns `undefined`. */
  #shortText(start: number, length: number): string | undefined {
    let text = "";
    for (let i = start; i < start + length; i++) {
      const code = byteAt(this.#bytes, i);
      if (code > 0x7f) return undefined;
      text += String.fromCharCode(code);
    }
    return text;
  }

  #array(length: number, depth: number): unknown[] {
    // Each item has at least one byte. Therefore a length that exceeds the remaining bytes is rejected before an item
    // is read.
    this.#need(length);
    const items: unknown[] = [];
    for (let i = 0; i < length; i++) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): object {
    this.#need(length * 2);
    const fields: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const name = this.value(depth + 1);
      if (typeof name !== "string" && typeof name !== "number") {
        throw new ProtocolError("MESSAGEPACK");
      }
      const value = this.value(depth + 1);
      // An assignment to "__proto__" would set the prototype of the object.
      if (name === "__proto__") Object.defineProperty(fields, name, { ...FIELD, value });
      else fields[name] = value;
    }
    return fields;
  }

  /**
   * Reads an extension.
   *
   * @param fixed whether the format determines the length ("fixext 1" to "fixext 16"). The specification treats both
   * formats of an extension alike. However, other parsers for Socket.IO encode undefined with a fixed length of one
   * byte, and a date with a fixed length of eight bytes. They encode an ArrayBuffer of one or eight bytes in the format that
   * contains the length. Therefore only `fixed` distinguishes these values.
   */
  #extension(length: number, fixed: boolean): unknown {
    const type = (this.#length(0) << 24) >> 24;
    const data = this.#take(length);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    if (type === TIMESTAMP && length === 4) return new Date(view.getUint32(0) * 1000);
    if (type === TIMESTAMP && length === 8) {
      const bits = view.getBigUint64(0);
      return dateOf(Number(bits & 0x3_ffff_ffffn), Number(bits >> 34n));
    }
    if (type === TIMESTAMP && length === 12) {
      return dateOf(Number(view.getBigInt64(4)), view.getUint32(0));
    }
    if (type === OWN_TYPE && fixed && length === 1) return undefined;
    if (type === OWN_TYPE && fixed && length === 8) return new Date(Number(view.getBigInt64(0)));
    if (type === OWN_TYPE) return copy(data).buffer;
    throw new ProtocolError("MESSAGEPACK");
  }

  #take(length: number): Bytes {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Skips `length` bytes, and returns the index of the first skipped byte. */
  #skip(length: number): number {
    this.#need(length);
    const start = this.#at;
    this.#at += length;
    return start;
  }

  #need(length: number): void {
    if (this.#at + length > this.#bytes.length) throw new ProtocolError("MESSAGEPACK");
  }
}

function dateOf(seconds: number, nanoseconds: number): Date {
  return new Date(seconds * 1000 + Math.floor(nanoseconds / 1_000_000));
}

/** Converts an integer to a number, or returns the BigInt if no number is equal to it. */
function numberOf(value: bigint): number | bigint {
  const number = Number(value);
  // Other parsers for Socket.IO encode a number above 2^53 as an integer. The decoder must return this number, not a BigInt.
  return BigInt(number) === value ? number : value;
}

const FIELD = { configurable: true, enumerable: true, writable: true } as const;

function isField(value: unknown): boolean {
  return value !== undefined && typeof value !== "function";
}
