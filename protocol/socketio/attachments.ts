// Bytes taken out of a payload, and put back. Socket.IO "Packet encoding".
//
//   ["file", <01 02>, "x"]   ⇄   ["file",{"_placeholder":true,"num":0},"x"]   and   01 02

import { asGiven, type Bytes } from "../bytes.ts";
import { ProtocolError } from "./rules.ts";

/** Stands in the text for the attachment with its number. */
interface Placeholder {
  readonly _placeholder: true;
  readonly num: number;
}

/** Whether a value holds bytes at any depth: what JSON cannot say. */
export function hasBinary(value: unknown): boolean {
  return holdsBinary(value, false);
}

/** @param replaced it is what a toJSON() gave, which is not asked for its own */
function holdsBinary(value: unknown, replaced: boolean): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (isBinary(value)) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (hasBinary(item)) return true;
    return false;
  }
  const plain = replaced ? value : withoutToJson(value);
  if (plain !== value) return holdsBinary(plain, true);
  for (const item of Object.values(value)) if (hasBinary(item)) return true;
  return false;
}

/** `data` with a placeholder for each value that is bytes, in depth-first order, and those bytes. The caller's data stays as it is. */
export function extract(data: unknown): { data: unknown; attachments: Bytes[] } {
  const attachments: Bytes[] = [];
  return { data: replace(data, attachments), attachments };
}

function replace(value: unknown, attachments: Bytes[], replaced = false): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isBinary(value)) {
    const num = attachments.push(bytesOf(value)) - 1;
    return { _placeholder: true, num } satisfies Placeholder;
  }
  if (Array.isArray(value)) return value.map((item) => replace(item, attachments));
  const plain = replaced ? value : withoutToJson(value);
  if (plain !== value) return replace(plain, attachments, true);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, replace(item, attachments)]),
  );
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

function isBinary(value: object): value is ArrayBuffer | ArrayBufferView {
  if (typeof Blob !== "undefined" && value instanceof Blob) {
    throw new TypeError("a Blob cannot be read at once: send its arrayBuffer()");
  }
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

function bytesOf(value: ArrayBuffer | ArrayBufferView): Bytes {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}
