// Bytes taken out of a payload, and put back. Socket.IO "Packet encoding".
//
//   ["file", <01 02>, "x"]   ⇄   ["file",{"_placeholder":true,"num":0},"x"]   and   01 02

import { asGiven, type Bytes, bytesOf, isBinary } from "../bytes.ts";
import { ProtocolError } from "./rules.ts";

/** Stands in the text for the attachment with its number. */
interface Placeholder {
  readonly _placeholder: true;
  readonly num: number;
}

type Fields = Record<string, unknown>;

/**
 * Returns `data` with a placeholder for each value that is bytes, in depth-first order, and those bytes.
 * The caller's data stays as it is: what holds bytes is copied, and nothing else.
 *
 * @throws RangeError for data that is nested more than `maxDepth` deep, or in itself: the caller's mistake
 */
export function extract(
  data: unknown,
  maxDepth: number = Number.POSITIVE_INFINITY,
): { data: unknown; attachments: readonly Bytes[] } {
  const attachments: Bytes[] = [];
  return { data: isObject(data) ? replace(data, attachments, maxDepth) : data, attachments };
}

// Every event is walked through in both directions, and few hold bytes. So nothing is allocated
// before some are found, and what is no object costs no call: with Object.values() and fromEntries()
// for each object an event with bytes took about twice as long (`codecs` in bench/).

/** @param depth how many arrays and objects may be inside each other from here on */
function replace(value: Fields, attachments: Bytes[], depth: number): unknown {
  if (depth === 0) throw new RangeError("the data is nested too deeply, or in itself");
  if (Array.isArray(value)) return replaceInArray(value, attachments, depth);
  if (isBinary(value)) {
    const num = attachments.push(bytesOf(value)) - 1;
    return { _placeholder: true, num } satisfies Placeholder;
  }
  // What JSON.stringify() would see in place of an object that says so itself, such as a Date.
  return typeof value.toJSON === "function"
    ? replaceInJson(value.toJSON(), attachments, depth)
    : replaceInFields(value, attachments, depth);
}

/** In what a toJSON() gave, which is not asked for its own. */
function replaceInJson(value: unknown, attachments: Bytes[], depth: number): unknown {
  if (!isObject(value)) return value;
  if (Array.isArray(value) || isBinary(value)) return replace(value, attachments, depth);
  const copy = replaceInFields(value, attachments, depth);
  // Nor is the copy, by JSON.stringify(): of an object's fields it leaves out those that are functions.
  return typeof copy.toJSON === "function" ? { ...copy, toJSON: undefined } : copy;
}

function replaceInArray(
  array: readonly unknown[],
  attachments: Bytes[],
  depth: number,
): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let i = 0; i < array.length; i++) {
    const item = array[i];
    if (!isObject(item)) continue;
    const replaced = replace(item, attachments, depth - 1);
    if (replaced === item) continue;
    // Not slice(), which makes one of the caller's own class, with a say in what is put into it.
    copy ??= [...array];
    copy[i] = replaced;
  }
  return copy ?? array;
}

function replaceInFields(object: Fields, attachments: Bytes[], depth: number): Fields {
  // What is inherited is not asked for, since it may be a getter.
  const fields = Object.getPrototypeOf(object) === Object.prototype ? object : { ...object };
  let copy: Fields | undefined;
  for (const key in fields) {
    const value = fields[key];
    if (!isObject(value) || !hasOwn.call(fields, key)) continue;
    const replaced = replace(value, attachments, depth - 1);
    if (replaced === value) continue;
    copy ??= { ...fields };
    // Not of a new prototype: where the key is "__proto__" the copy has it as a field of its own.
    copy[key] = replaced;
  }
  return copy ?? object;
}

/**
 * Puts attachments back where `data` has placeholders, in `data` itself, which is what JSON.parse()
 * gave and no deeper than the limit. Throws ProtocolError.
 */
export function restore(data: unknown, attachments: readonly Bytes[]): unknown {
  if (!isObject(data)) return data;
  if (data._placeholder === true) return attachmentOf(data.num, attachments);
  if (Array.isArray(data)) {
    for (let i = 0; i < data.length; i++) data[i] = restore(data[i], attachments);
  } else {
    // Not a new prototype: where a key is "__proto__" JSON.parse() has made it a field of its own.
    for (const key of Object.keys(data)) data[key] = restore(data[key], attachments);
  }
  return data;
}

function attachmentOf(num: unknown, attachments: readonly Bytes[]): Bytes | ArrayBufferLike {
  const bytes = typeof num === "number" && attachments[num];
  if (!bytes) throw new ProtocolError("PLACEHOLDER");
  return asGiven(bytes);
}

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

/**
 * A third of what Object.hasOwn() takes. Asked for every field, and not only for those that hold an
 * object, it would still be nearly half of the walk, as would a list of Object.keys().
 */
const hasOwn = Object.prototype.hasOwnProperty;
