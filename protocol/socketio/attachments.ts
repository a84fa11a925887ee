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

/**
 * `data` with a placeholder for each value that is bytes, in depth-first order, and those bytes. The
 * caller's data stays as it is: what holds bytes is copied, and nothing else.
 */
export function extract(data: unknown): { data: unknown; attachments: readonly Bytes[] } {
  const attachments: Bytes[] = [];
  return { data: replace(data, attachments, false), attachments };
}

/** @param replaced it is what a toJSON() gave, which is not asked for its own */
function replace(value: unknown, attachments: Bytes[], replaced: boolean): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isBinary(value)) {
    const num = attachments.push(bytesOf(value)) - 1;
    return { _placeholder: true, num } satisfies Placeholder;
  }
  if (Array.isArray(value)) {
    let copy: unknown[] = value;
    for (let i = 0; i < value.length; i++) {
      const item = replace(value[i], attachments, false);
      if (item === value[i]) continue;
      if (copy === value) copy = [...value];
      copy[i] = item;
    }
    return copy;
  }
  const plain = replaced ? value : withoutToJson(value);
  if (plain !== value) return replace(plain, attachments, true);
  const before: unknown[] = Object.values(value);
  const after = replace(before, attachments, false);
  // A copy has no toJSON() that JSON.stringify() would call once more.
  if (!Array.isArray(after) || (after === before && !replaced)) return value;
  return Object.fromEntries(Object.keys(value).map((key, i) => [key, after[i]]));
}

/** What JSON.stringify() would see in place of an object that says so itself, such as a Date. */
function withoutToJson(value: object): unknown {
  return "toJSON" in value && typeof value.toJSON === "function" ? value.toJSON() : value;
}

/**
 * Puts attachments back where `data` has placeholders, in `data` itself.
 *
 * With a list of its own instead of recursion: how deep it goes is the sender's choice. Throws ProtocolError.
 */
export function restore(data: unknown, attachments: readonly Bytes[]): unknown {
  const root = { data };
  const open: object[] = [root];
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    for (const [key, value] of Object.entries(parent)) {
      if (typeof value !== "object" || value === null) continue;
      if (value._placeholder === true) setOwn(parent, key, attachmentOf(value.num, attachments));
      else open.push(value);
    }
  }
  return root.data;
}

function attachmentOf(num: unknown, attachments: readonly Bytes[]): Bytes | ArrayBufferLike {
  const bytes = typeof num === "number" ? attachments[num] : undefined;
  if (bytes === undefined) throw new ProtocolError("PLACEHOLDER");
  return asGiven(bytes);
}

/** Not an assignment: "__proto__" is a key like any other in JSON. */
function setOwn(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
