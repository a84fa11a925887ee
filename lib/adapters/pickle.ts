// Reads Python's pickles as data: protocols 2 to 5, and only the opcodes that create data. Python's own reader executes
// the instructions of a pickle. This reader rejects all opcodes that refer to a class, call a function or create an
// instance. https://github.com/python/cpython/blob/main/Lib/pickletools.py
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

/** Reported if a pickle is invalid, is larger than the limits, or contains more than data. */
export class PickleError extends Error {
  /** The name of this class. */
  override readonly name = "PickleError";
  /** The code of this error. */
  readonly code = "ERR_PICKLE";
}

/** The limits for the contents of a pickle. */
export interface PickleLimits {
  /** Largest depth of nested containers. */
  readonly depth: number;
  /** Largest number of opcodes, and of values. A value counts once for each reference. */
  readonly values: number;
  /** Largest number of bytes of the pickle, and of its strings and byte arrays. A value counts once for each reference. */
  readonly size: number;
}

export const PICKLE_LIMITS: PickleLimits = {
  depth: 500,
  values: 1_000_000,
  size: 64 * 1024 * 1024,
};

export interface Unpickled {
  readonly value: unknown;
  /** The arrays that were tuples in Python. */
  readonly tuples: ReadonlySet<unknown>;
}

/**
 * Returns the value of a pickle. A dict becomes an object, a list or a tuple becomes an array, and an int becomes the
 * nearest number. The keys of a dict become strings, as in Python's json module, but the float 1.0 becomes "1".
 *
 * @throws PickleError if the pickle is invalid, too large, or has an opcode that does more than create data
 */
export function unpickle(bytes: Bytes, limits: PickleLimits = PICKLE_LIMITS): Unpickled {
  return new Unpickler(bytes, limits).read();
}

type Fields = Record<string, unknown>;

const LOWEST_PROTOCOL = 2;
const HIGHEST_PROTOCOL = 5;
const PROTO = 0x80;
const STOP = 0x2e;
/** Largest number of bytes of an int. Larger ints are outside the range of a JavaScript number. */
const MAX_INT_BYTES = 128;

class Unpickler {
  readonly tuples = new Set<unknown>();
  readonly memo = new Map<number, unknown>();
  private readonly bytes: Bytes;
  private readonly view: DataView;
  private readonly limits: PickleLimits;
  private readonly stack: unknown[] = [];
  // The length of the stack at each MARK whose values takeMarked() has not removed yet.
  private readonly marks: number[] = [];
  private at = 0;

  constructor(bytes: Bytes, limits: PickleLimits) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.limits = limits;
  }

  read(): Unpickled {
    const { depth, values, size } = this.limits;
    if (this.bytes.length > size) throw new PickleError(`the pickle is larger than ${size} bytes`);
    if (this.byte() !== PROTO) throw new PickleError("the data is not a pickle of protocol 2 to 5");
    const protocol = this.byte();
    if (protocol < LOWEST_PROTOCOL || protocol > HIGHEST_PROTOCOL) {
      throw new PickleError(`pickle protocol ${protocol} is not supported`);
    }
    for (let count = 0; ; count++) {
      if (count > values) throw new PickleError(`the pickle has more than ${values} values`);
      const opcode = this.byte();
      if (opcode === STOP) break;
      const run = OPCODES[opcode];
      if (run === undefined) throw refused(opcode, this.at - 1);
      run(this);
    }
    const value = this.pop();
    if (this.stack.length > 0 || this.marks.length > 0 || this.at < this.bytes.length) {
      throw new PickleError("the pickle has data after its value");
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

  /** Reads a length that is encoded in eight bytes. */
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

  /** Reads the start of a frame. Throws if the pickle ends before the end of the frame. */
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

  /** Removes the values since the last MARK from the stack. */
  takeMarked(): unknown[] {
    const mark = this.marks.pop();
    if (mark === undefined)
      throw new PickleError("the pickle has no MARK where an opcode requires a MARK");
    return this.stack.splice(mark);
  }

  pushTuple(items: unknown[]): void {
    this.tuples.add(items);
    this.stack.push(items);
  }

  /** Removes values from the stack, and pushes a tuple of them. */
  tuple(length: number): void {
    const items: unknown[] = [];
    for (let i = 0; i < length; i++) items.unshift(this.pop());
    this.pushTuple(items);
  }

  append(items: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list) || this.tuples.has(list)) {
      throw new PickleError("the pickle appends to a value that is not a list");
    }
    for (const item of items) list.push(item);
  }

  setItems(items: readonly unknown[]): void {
    const dict = this.top();
    if (!isDict(dict) || items.length % 2 !== 0) {
      throw new PickleError("the pickle sets items of a value that is not a dict");
    }
    for (let i = 0; i < items.length; i += 2) setItem(dict, keyOf(items[i]), items[i + 1]);
  }

  memoize(index: number): void {
    this.memo.set(index, this.top());
  }

  recall(index: number): void {
    if (!this.memo.has(index))
      throw new PickleError(`the pickle refers to the unknown memo entry ${index}`);
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
      throw new PickleError("the pickle uses a value that its stack does not contain");
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

/** The names of known opcodes that are not supported, for the error message. */
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
    `the opcode ${name} at byte ${at} of the pickle is not supported: only opcodes that encode data are supported`,
  );
}

function truncated(): PickleError {
  return new PickleError("the pickle is truncated");
}

function notNegative(length: number): number {
  if (length < 0) throw new PickleError("a length in the pickle is negative");
  return length;
}

/** Returns the number nearest to an int, which is encoded in two's complement with the lowest byte first. */
function int(bytes: Bytes): number {
  if (bytes.length > MAX_INT_BYTES) throw new PickleError("an int in the pickle is too large");
  let value = 0n;
  for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte);
  return Number(BigInt.asIntN(bytes.length * 8, value));
}

/** Decodes a string. Python encodes an unpaired surrogate as three bytes that are not valid UTF-8 ("surrogatepass"). */
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
  if (!isValidUtf8(bytes)) throw new PickleError("a string in the pickle is not valid UTF-8");
  return decodeValidUtf8(bytes);
}

/** Returns a key as a string, as Python's json module does, but the float 1.0 becomes "1". */
function keyOf(key: unknown): string {
  if (typeof key === "string") return key;
  if (key === null || typeof key === "number" || typeof key === "boolean") return String(key);
  throw new PickleError("a dict key in the pickle is not a string, number, boolean or None");
}

function setItem(dict: Fields, key: string, value: unknown): void {
  if (key !== "__proto__") dict[key] = value;
  else {
    // Like JSON.parse(), creates a property and does not set the prototype.
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
 * Computes the size of a value as if each reference were a copy. A container that contains itself has no such size. A
 * small pickle can have a huge size in this sense: if each of 50 nested lists contains the next list twice, the
 * innermost list counts 2^50 times.
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
    if (this.open.has(value)) throw new PickleError("a container in the pickle contains itself");
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
      throw new PickleError(
        "the pickle is too large if each reference to a value is counted as a copy of the value",
      );
    }
    return { depth: depth + 1, values, size };
  }

  private tooDeep(): PickleError {
    return new PickleError(`the pickle has more than ${this.limits.depth} levels of containers`);
  }
}

const SCALAR: Size = { depth: 0, values: 1, size: 0 };
