// Serializes values that a test and its page exchange: JSON in ASCII, with additional forms for values that JSON
// cannot represent. Only ASCII is used, so that the connection to the page cannot damage the texts under test.

type Callback = (...args: unknown[]) => unknown;

/** Bytes that the client in the page must send as a Blob. */
export class AsBlob {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** Restores the values that JSON cannot represent. */
export interface Making {
  bytes(bytes: Uint8Array<ArrayBuffer>): unknown;
  blob(bytes: Uint8Array<ArrayBuffer>): unknown;
  /** Returns a function that calls the other end's callback with this id. */
  callback(id: number): Callback;
}

/**
 * Serializes a value.
 *
 * @param remember stores a callback for calls from the other end, and returns its id
 */
export function write(value: unknown, remember: (callback: Callback) => number): string {
  return JSON.stringify(pack(value, remember)).replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Restores a value that write() of the other end serialized. */
export function read(text: string, making: Making): unknown {
  return unpack(JSON.parse(text), making);
}

function isCallback(value: unknown): value is Callback {
  return typeof value === "function";
}

function pack(value: unknown, remember: (callback: Callback) => number): unknown {
  const inside = (each: unknown) => pack(each, remember);
  if (value === undefined) return { $: "undefined" };
  if (isCallback(value)) return { $: "callback", id: remember(value) };
  if (value instanceof AsBlob) return { $: "blob", base64: toBase64(value.bytes) };
  if (value instanceof ArrayBuffer) return { $: "bytes", base64: toBase64(new Uint8Array(value)) };
  if (value instanceof Uint8Array) return { $: "bytes", base64: toBase64(value) };
  if (value instanceof Error) {
    return { $: "error", message: value.message, data: inside(Reflect.get(value, "data")) };
  }
  if (Array.isArray(value)) return value.map(inside);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inside(each)]));
}

function unpack(value: unknown, making: Making): unknown {
  if (Array.isArray(value)) return value.map((each) => unpack(each, making));
  if (typeof value !== "object" || value === null) return value;
  const fields = new Map<string, unknown>(Object.entries(value));
  const bytes = () => fromBase64(`${fields.get("base64")}`);
  switch (fields.get("$")) {
    case undefined:
      return Object.fromEntries([...fields].map(([key, each]) => [key, unpack(each, making)]));
    case "undefined":
      return undefined;
    case "callback":
      return making.callback(Number(fields.get("id")));
    case "bytes":
      return making.bytes(bytes());
    case "blob":
      return making.blob(bytes());
    default:
      return Object.assign(new Error(`${fields.get("message")}`), {
        data: unpack(fields.get("data"), making),
      });
  }
}

// The functions below use loops instead of spread arguments, because some tests have large payloads.

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function fromBase64(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
