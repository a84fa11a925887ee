// Reads Python's pickles as data: protocols 2 to 5, and only the opcodes that build data. Python's own
// reader runs what a pickle says; this one has no opcode that names, calls or builds an object.
// https://github.com/python/cpython/blob/main/Lib/pickletools.py
//
//   80 04  95 …  7d 94  28 8c 01 "a" 94 4b 01 … 75  2e
//   PROTO  FRAME {} MEMO (  "a"         1       }   STOP        {"a": 1}

import {
  type Bytes,
  byteAt,
  decodeUtf8,
  decodeValidUtf8,
  isValidUtf8,
} from "../../protocol/bytes.ts";

/** A pickle is invalid, is larger than the limits, or does more than hold data. `code` "ERR_PICKLE". */
export class PickleError extends Error {
  override readonly name = "PickleError";
  readonly code = "ERR_PICKLE";
}

/** What a pickle may hold. */
export interface PickleLimits {
  /** Containers within each other. */
  readonly depth: number;
  /** Opcodes, and so values. What is referred to several times counts each time. */
  readonly values: number;
  /** Bytes of the pickle, and of its strings and bytes where each reference counts. */
  readonly size: number;
}

export const PICKLE_LIMITS: PickleLimits = {
  depth: 500,
  values: 1_000_000,
  size: 64 * 1024 * 1024,
};

export interface Unpickled {
  readonly value: unknown;
  /** The arrays that were tuples. */
  readonly tuples: ReadonlySet<unknown>;
}

/**
 * Returns the value of a pickle. A dict is an object, a list and a tuple are arrays, an int is the
 * nearest number. Keys of a dict are strings as Python's json module writes them.
 *
 * @throws PickleError for a pickle that is invalid or too large, and for every opcode that does more
 * than build data
 */
export function unpickle(bytes: Bytes, limits: PickleLimits = PICKLE_LIMITS): Unpickled {
  return new Unpickler(bytes, limits).read();
}

type Fields = Record<string, unknown>;

const LOWEST_PROTOCOL = 2;
const HIGHEST_PROTOCOL = 5;
const PROTO = 0x80;
const STOP = 0x2e;
/** Bytes of the longest int. Larger ones have no number near them. */
const MAX_INT_BYTES = 128;

class Unpickler {
  readonly tuples = new Set<unknown>();
  readonly memo = new Map<number, unknown>();
  private readonly bytes: Bytes;
  private readonly view: DataView;
  private readonly limits: PickleLimits;
  private readonly stack: unknown[] = [];
  // How long the stack was at each MARK that is still to be used.
  private readonly marks: number[] = [];
  private at = 0;

  constructor(bytes: Bytes, limits: PickleLimits) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.limits = limits;
  }

  read(): Unpickled {
    const { depth, values, size } = this.limits;
    if (this.bytes.length > size) throw new PickleError(`a pickle of more than ${size} bytes`);
    if (this.byte() !== PROTO) throw new PickleError("no pickle of protocol 2 to 5");
    const protocol = this.byte();
    if (protocol < LOWEST_PROTOCOL || protocol > HIGHEST_PROTOCOL) {
      throw new PickleError(`pickle protocol ${protocol} is not supported`);
    }
    for (let count = 0; ; count++) {
      if (count > values) throw new PickleError(`a pickle of more than ${values} values`);
      const opcode = this.byte();
      if (opcode === STOP) break;
      const run = OPCODES[opcode];
      if (run === undefined) throw refused(opcode, this.at - 1);
      run(this);
    }
    const value = this.pop();
    if (this.stack.length > 0 || this.marks.length > 0 || this.at < this.bytes.length) {
      throw new PickleError("a pickle goes on after its value");
    }
    new Measure({ depth, values, size }).measure(value);
    return { value, tuples: this.tuples };
  }

  byte(): number {
    return byteAt(this.bytes, this.skip(1));
  }

  uint16(): number {
    return this.view.getUint16(this.skip(2), true);
  }

  int32(): number {
    return this.view.getInt32(this.skip(4), true);
  }

  uint32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  /** A length of eight bytes. */
  uint64(): number {
    return Number(this.view.getBigUint64(this.skip(8), true));
  }

  float(): number {
    return this.view.getFloat64(this.skip(8), false);
  }

  take(length: number): Bytes {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  /** The start of a frame of this length, which must be there. */
  frame(length: number): void {
    if (length > this.bytes.length - this.at) throw truncated();
  }

  push(value: unknown): void {
    this.stack.push(value);
  }

  pop(): unknown {
    this.needOne();
    return this.stack.pop();
  }

  top(): unknown {
    this.needOne();
    return this.stack.at(-1);
  }

  mark(): void {
    this.marks.push(this.stack.length);
  }

  /** Takes the values since the last MARK. */
  takeMarked(): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined) throw new PickleError("a pickle without a MARK where one is needed");
    return this.stack.splice(mark);
  }

  pushTuple(items: unknown[]): void {
    this.tuples.add(items);
    this.stack.push(items);
  }

  /** Takes so many values, and pushes a tuple of them. */
  tuple(length: number): void {
    const items: unknown[] = [];
    for (let i = 0; i < length; i++) items.unshift(this.pop());
    this.pushTuple(items);
  }

  append(items: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list) || this.tuples.has(list)) {
      throw new PickleError("a pickle appends to what is no list");
    }
    for (const item of items) list.push(item);
  }

  setItems(items: readonly unknown[]): void {
    const dict = this.top();
    if (!isDict(dict) || items.length % 2 !== 0) {
      throw new PickleError("a pickle sets items of what is no dict");
    }
    for (let i = 0; i < items.length; i += 2) setItem(dict, keyOf(items[i]), items[i + 1]);
  }

  memoize(index: number): void {
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.memo.has(index))
      throw new PickleError(`a pickle refers to ${index}, which is unknown`);
    this.stack.push(this.memo.get(index));
  }

  private skip(length: number): number {
    const start = this.at;
    if (length > this.bytes.length - start) throw truncated();
    this.at += length;
    return start;
  }

  private needOne(): void {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) {
      throw new PickleError("a pickle uses a value that is not there");
    }
  }
}

type Run = (pickle: Unpickler) => void;

// biome-ignore format: aligned table
const OPCODES: Readonly<Record<number, Run>> = {
  149: (pickle) => pickle.frame(pickle.uint64()),               // FRAME
  40: (pickle) => pickle.mark(),                               // MARK
  78: (pickle) => pickle.push(null),                           // NONE
  136: (pickle) => pickle.push(true),                           // NEWTRUE
  137: (pickle) => pickle.push(false),                          // NEWFALSE
  74: (pickle) => pickle.push(pickle.int32()),                 // BININT
  75: (pickle) => pickle.push(pickle.byte()),                  // BININT1
  77: (pickle) => pickle.push(pickle.uint16()),                // BININT2
  138: (pickle) => pickle.push(int(pickle.take(pickle.byte()))),                   // LONG1
  139: (pickle) => pickle.push(int(pickle.take(notNegative(pickle.int32())))),     // LONG4
  71: (pickle) => pickle.push(pickle.float()),                 // BINFLOAT
  140: (pickle) => pickle.push(text(pickle.take(pickle.byte()))),                  // SHORT_BINUNICODE
  88: (pickle) => pickle.push(text(pickle.take(pickle.uint32()))),                // BINUNICODE
  141: (pickle) => pickle.push(text(pickle.take(pickle.uint64()))),                // BINUNICODE8
  67: (pickle) => pickle.push(pickle.take(pickle.byte())),     // SHORT_BINBYTES
  66: (pickle) => pickle.push(pickle.take(pickle.uint32())),   // BINBYTES
  142: (pickle) => pickle.push(pickle.take(pickle.uint64())),   // BINBYTES8
  150: (pickle) => pickle.push(pickle.take(pickle.uint64())),   // BYTEARRAY8
  125: (pickle) => pickle.push({}),                             // EMPTY_DICT
  93: (pickle) => pickle.push([]),                             // EMPTY_LIST
  41: (pickle) => pickle.pushTuple([]),                        // EMPTY_TUPLE
  116: (pickle) => pickle.pushTuple(pickle.takeMarked()),       // TUPLE
  133: (pickle) => pickle.tuple(1),                             // TUPLE1
  134: (pickle) => pickle.tuple(2),                             // TUPLE2
  135: (pickle) => pickle.tuple(3),                             // TUPLE3
  97: (pickle) => pickle.append([pickle.pop()]),               // APPEND
  101: (pickle) => pickle.append(pickle.takeMarked()),          // APPENDS
  115: (pickle) => pickle.setItems([pickle.pop(), pickle.pop()].reverse()),        // SETITEM
  117: (pickle) => pickle.setItems(pickle.takeMarked()),        // SETITEMS
  148: (pickle) => pickle.memoize(pickle.memo.size),            // MEMOIZE
  113: (pickle) => pickle.memoize(pickle.byte()),               // BINPUT
  114: (pickle) => pickle.memoize(pickle.uint32()),             // LONG_BINPUT
  104: (pickle) => pickle.recall(pickle.byte()),                // BINGET
  106: (pickle) => pickle.recall(pickle.uint32()),              // LONG_BINGET
};

/** Opcodes that are known and not run, for the error. */
// biome-ignore format: aligned table
const REFUSED: Readonly<Record<number, string>> = {
  99: "GLOBAL",         147: "STACK_GLOBAL",    82: "REDUCE",       98: "BUILD",
  105: "INST",           111: "OBJ",             129: "NEWOBJ",       146: "NEWOBJ_EX",
  130: "EXT1",           131: "EXT2",            132: "EXT4",         80: "PERSID",
  81: "BINPERSID",      48: "POP",             49: "POP_MARK",     50: "DUP",
  70: "FLOAT",          73: "INT",             76: "LONG",         83: "STRING",
  84: "BINSTRING",      85: "SHORT_BINSTRING", 86: "UNICODE",      100: "DICT",
  103: "GET",            108: "LIST",            112: "PUT",          143: "EMPTY_SET",
  144: "ADDITEMS",       145: "FROZENSET",       151: "NEXT_BUFFER",  152: "READONLY_BUFFER",
  128: "PROTO",
};

function refused(opcode: number, at: number): PickleError {
  const name = REFUSED[opcode] ?? `0x${opcode.toString(16).padStart(2, "0")}`;
  return new PickleError(
    `the opcode ${name} at byte ${at} of a pickle is not one of those for data`,
  );
}

function truncated(): PickleError {
  return new PickleError("a pickle ends in the middle");
}

function notNegative(length: number): number {
  if (length < 0) throw new PickleError("a length in a pickle is negative");
  return length;
}

/** The number nearest to an int: two's complement, the lowest byte first. */
function int(bytes: Bytes): number {
  if (bytes.length > MAX_INT_BYTES) throw new PickleError("an int in a pickle is too large");
  let value = 0n;
  for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte);
  return Number(BigInt.asIntN(bytes.length * 8, value));
}

/** Python keeps half of a surrogate pair as it is, in three bytes that are not UTF-8: "surrogatepass". */
function text(bytes: Bytes): string {
  const whole = decodeUtf8(bytes);
  if (whole !== undefined) return whole;
  let result = "";
  let start = 0;
  for (let at = 0; at + 2 < bytes.length; at++) {
    const second = byteAt(bytes, at + 1);
    const third = byteAt(bytes, at + 2);
    if (byteAt(bytes, at) !== 0xed || (second & 0xe0) !== 0xa0 || (third & 0xc0) !== 0x80) continue;
    const low = ((second & 0x3f) << 6) | (third & 0x3f);
    result += valid(bytes.subarray(start, at)) + String.fromCharCode(0xd000 | low);
    start = at + 3;
    at += 2;
  }
  return result + valid(bytes.subarray(start));
}

function valid(bytes: Bytes): string {
  if (!isValidUtf8(bytes)) throw new PickleError("a string in a pickle is not UTF-8");
  return decodeValidUtf8(bytes);
}

/** A key as Python's json module writes it. */
function keyOf(key: unknown): string {
  if (typeof key === "string") return key;
  if (key === null || typeof key === "number" || typeof key === "boolean") return String(key);
  throw new PickleError("a key in a pickle is no string, number, boolean or None");
}

function setItem(dict: Fields, key: string, value: unknown): void {
  if (key !== "__proto__") dict[key] = value;
  else {
    // As JSON.parse() has it: a field, not a prototype.
    Object.defineProperty(dict, key, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
}

function isDict(value: unknown): value is Fields {
  return isContainer(value) && !Array.isArray(value);
}

function isContainer(value: unknown): value is Fields | unknown[] {
  return typeof value === "object" && value !== null && !(value instanceof Uint8Array);
}

interface Size {
  readonly depth: number;
  readonly values: number;
  readonly size: number;
}

/**
 * What a value takes once it is written out, where each reference is a copy. A container that is in
 * itself has no such size, and one that is doubled often enough has one that nobody can send.
 */
class Measure {
  private readonly limits: PickleLimits;
  private readonly known = new Map<object, Size>();
  private readonly open = new Set<object>();

  constructor(limits: PickleLimits) {
    this.limits = limits;
  }

  measure(value: unknown): Size {
    if (typeof value === "string") return { depth: 0, values: 1, size: value.length };
    if (value instanceof Uint8Array) return { depth: 0, values: 1, size: value.length };
    if (!isContainer(value)) return SCALAR;
    const known = this.known.get(value);
    if (known !== undefined) return known;
    if (this.open.has(value)) throw new PickleError("a container in a pickle is in itself");
    if (this.open.size >= this.limits.depth) throw this.tooDeep();
    this.open.add(value);
    const measured = this.measureItems(value);
    this.open.delete(value);
    this.known.set(value, measured);
    return measured;
  }

  private measureItems(container: Fields | unknown[]): Size {
    let depth = 0;
    let values = 1;
    let size = 0;
    const add = (item: unknown): void => {
      const measured = this.measure(item);
      depth = Math.max(depth, measured.depth);
      values += measured.values;
      size += measured.size;
    };
    if (Array.isArray(container)) container.forEach(add);
    else {
      for (const [key, item] of Object.entries(container)) {
        size += key.length;
        add(item);
      }
    }
    const { limits } = this;
    if (depth >= limits.depth) throw this.tooDeep();
    if (values > limits.values || size > limits.size) {
      throw new PickleError("a pickle is too large once it is written out");
    }
    return { depth: depth + 1, values, size };
  }

  private tooDeep(): PickleError {
    return new PickleError(`a pickle of more than ${this.limits.depth} containers in each other`);
  }
}

const SCALAR: Size = { depth: 0, values: 1, size: 0 };
