// The generations of socket.io-client, with the API that they have in common.

import type { RequestListener } from "node:http";
import { createRequire } from "node:module";

import type { Untyped } from "../../lib/events/emitter.ts";

/** A client socket, with the members that all versions of socket.io-client in GENERATIONS have. */
export interface StockClient {
  readonly connected: boolean;
  readonly io: {
    readonly engine: { readonly transport: { readonly name: string }; close(): unknown };
    socket(namespace: string, options?: object): StockClient;
  };
  emit(event: string, ...args: unknown[]): unknown;
  send(...args: unknown[]): unknown;
  on(event: string, listener: (...args: Untyped[]) => void): unknown;
  once(event: string, listener: (...args: Untyped[]) => void): unknown;
  disconnect(): unknown;
}

export interface Generation {
  readonly version: string;
  /** The revision of the Engine.IO protocol that the client implements. */
  readonly revision: 3 | 4;
  /** The event that the client emits when the server rejects it. */
  readonly refused: "error" | "connect_error";
  /** Whether the client sends the query of a namespace when it joins. */
  readonly namespaceQueries: boolean;
  /** Whether the client has timeout() and emitWithAck(). */
  readonly promises: boolean;
  connect(url: string, options: object): StockClient;
  /** Converts bytes to a type that this client can send. */
  bytes(given: Buffer): Buffer;
  /** Converts bytes to a Blob, if the client can send one. */
  blob?(given: Buffer): unknown;
  /** Serves the page of the client, if the client runs in a page. */
  readonly listener?: RequestListener;
}

const asTheyAre = (given: Buffer): Buffer => given;

/**
 * Hides the property `buffer`, which Buffers of Node 0.10 did not have. If the property exists, the oldest client
 * sends the whole ArrayBuffer, or as many zeros.
 */
function withoutBuffer(given: Buffer): Buffer {
  return Object.defineProperty(given, "buffer", { value: undefined });
}

type Connect = Generation["connect"];

function isConnect(value: unknown): value is Connect {
  return typeof value === "function";
}

function load(name: string): Connect {
  const connect: unknown = createRequire(import.meta.url)(name);
  if (!isConnect(connect)) throw new TypeError(`${name} does not export a client`);
  return connect;
}

// biome-ignore format: aligned table
export const GENERATIONS: readonly Generation[] = [
  { version: "1.3.6", revision: 3, refused: "error",         namespaceQueries: false, promises: false, connect: load("socket.io-client-1.3"), bytes: withoutBuffer },
  { version: "1.7.4", revision: 3, refused: "error",         namespaceQueries: true,  promises: false, connect: load("socket.io-client-1.7"), bytes: asTheyAre },
  { version: "2.5.0", revision: 3, refused: "error",         namespaceQueries: true,  promises: false, connect: load("socket.io-client-2"), bytes: asTheyAre },
  { version: "3.1.3", revision: 4, refused: "connect_error", namespaceQueries: false, promises: false, connect: load("socket.io-client-3"), bytes: asTheyAre },
  { version: "4.8.4", revision: 4, refused: "connect_error", namespaceQueries: false, promises: true,  connect: load("socket.io-client"), bytes: asTheyAre },
];

/** Returns the generation with this version. */
export function generation(version: string): Generation {
  const found = GENERATIONS.find((each) => each.version === version);
  if (found === undefined) throw new RangeError(`no client ${version}`);
  return found;
}
