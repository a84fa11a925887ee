// Extracts binary values from a payload as attachments, and restores them. Socket.IO "Packet encoding".
//
//   ["file", <01 02>, "x"]   ⇄   ["file",{"_placeholder":true,"num":0},"x"]   and   01 02

import { asGiven, type Bytes, bytesOf, isBinary } from "../bytes.ts";
import { ProtocolError } from "./rules.ts";

/** Represents an attachment in the JSON of the packet. `num` is the index of the attachment. */
interface Placeholder {
  readonly _placeholder: true;
  readonly num: number;
}

type Fields = Record<string, unknown>;

/** The result of extract(). */
export interface Extracted {
  /** The value with placeholders. */
  data: unknown;
  /** The extracted bytes, in the order of the placeholders. */
  attachments: readonly Bytes[];
}

/**
 * Replaces each binary value in `data` with a placeholder, in depth-first order ("Packet encoding"). The function
 * does not change `data`: it copies the arrays and objects that contain binary values.
 *
 * @param data any value
 * @param maxDepth how deeply arrays and objects may be nested. Default: unlimited.
 * @throws RangeError if `data` is nested more than `maxDepth` deep, or contains itself
 * @throws TypeError if `data` contains a Blob
 */
export function extract(data: unknown, maxDepth: number = Number.POSITIVE_INFINITY): Extracted {
  const attachments: Bytes[] = [];
  return { data: isObject(data) ? replace(data, attachments, maxDepth) : data, attachments };
}

// Every event is searched for binary values when it is encoded, and few events contain any. Therefore nothing is
// allocated before a binary value is found, and a value that is not an object costs no function call. With
// Object.values() and Object.fromEntries(), encoding an event with binary values took about twice as long (measured by
// `codecs` in bench/).

/** @param depth how deeply arrays and objects may be nested in `value` */
function replace(value: Fields, attachments: Bytes[], depth: number): unknown {
  if (depth === 0) throw new RangeError("the data is nested too deeply, or contains itself");
  if (Array.isArray(value)) return replaceInArray(value, attachments, depth);
  if (isBinary(value)) {
    const num = attachments.push(bytesOf(value)) - 1;
    return { _placeholder: true, num } satisfies Placeholder;
  }
  // JSON.stringify() encodes the result of toJSON() instead of the object, for example for a Date.
  return typeof value.toJSON === "function"
    ? replaceInJson(value.toJSON(), attachments, depth)
    : replaceInFields(value, attachments, depth);
}

/**
 * Replaces binary values in the result of a toJSON() method. Like JSON.stringify(), this function does not call
 * toJSON() of the result.
 */
function replaceInJson(value: unknown, attachments: Bytes[], depth: number): unknown {
  if (!isObject(value)) return value;
  if (Array.isArray(value) || isBinary(value)) return replace(value, attachments, depth);
  const copy = replaceInFields(value, attachments, depth);
  // The toJSON() method is removed from the copy, so that JSON.stringify() does not call it. The encoded JSON lacks no
  // property, because JSON.stringify() omits functions.
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
    // If `array` is an instance of a subclass of Array, slice() would create an instance of this subclass instead of a plain
    // array.
    copy ??= [...array];
    copy[i] = replaced;
  }
  return copy ?? array;
}

function replaceInFields(object: Fields, attachments: Bytes[], depth: number): Fields {
  // If the object has another prototype, a copy of its own properties is searched. Inherited properties must not be
  // read, because they may be getters.
  const fields = Object.getPrototypeOf(object) === Object.prototype ? object : { ...object };
  let copy: Fields | undefined;
  for (const key in fields) {
    const value = fields[key];
    if (!isObject(value) || !hasOwn.call(fields, key)) continue;
    const replaced = replace(value, attachments, depth - 1);
    if (replaced === value) continue;
    copy ??= { ...fields };
    // This assignment cannot set the prototype: if the key is "__proto__", the copy already has an own property with
    // this name.
    copy[key] = replaced;
  }
  return copy ?? object;
}

/**
 * Replaces the placeholders in `data` with attachments, in place ("Packet encoding").
 *
 * @param data the result of JSON.parse(), whose depth the caller has checked
 * @param attachments the attachments in order
 * @returns `data`, or the attachment if `data` itself is a placeholder
 * @throws ProtocolError if a placeholder has no attachment
 */
export function restore(data: unknown, attachments: readonly Bytes[]): unknown {
  if (!isObject(data)) return data;
  if (data._placeholder === true) return attachmentOf(data.num, attachments);
  if (Array.isArray(data)) {
    for (let i = 0; i < data.length; i++) data[i] = restore(data[i], attachments);
  } else {
    // These assignments cannot set the prototype, because JSON.parse() has made "__proto__" an own property.
    for (const key of Object.keys(data)) data[key] = restore(data[key], attachments);
  }
  return data;
}

function attachmentOf(num: unknown, attachments: readonly Bytes[]): Bytes | ArrayBufferLike {
  const bytes = typeof num === "number" && attachments[num];
  if (!bytes) throw new ProtocolError("PLACEHOLDER");
  return asGiven(bytes);
}

/** Returns whether a value is an object or an array. */
export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

/**
 * hasOwnProperty.call() takes a third of the time of Object.hasOwn(). It is called only for properties whose value is
 * an object. If it were called for all properties, the calls would take nearly half of the time of the search.
 * Object.keys() would be equally slow.
 */
const hasOwn = Object.prototype.hasOwnProperty;
