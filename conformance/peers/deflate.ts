// Implements permessage-deflate with node:zlib (RFC 7692 §7), for valid and for invalid messages.

import { constants, deflateRawSync, inflateRawSync, type ZlibOptions } from "node:zlib";

import { expect, Failure, Skip } from "../harness/case.ts";
import type { Context } from "../harness/context.ts";
import { hex } from "../harness/conversation.ts";
import { ENDED } from "./tcp.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  describeFrame,
  TEXT,
  type WebSocketPeer,
} from "./websocket.ts";

/** §7.2.1: the end of a sync flush. The sender removes these bytes, and the receiver appends them again. */
const TAIL = Buffer.of(0x00, 0x00, 0xff, 0xff);

/** The parameters that a server has accepted (§7.1). */
export interface Agreement {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  /** `undefined`: the response does not have the parameter. */
  readonly serverMaxWindowBits: number | undefined;
  readonly clientMaxWindowBits: number | undefined;
}

const WINDOW_BITS = /^(?:[89]|1[0-5])$/;

/**
 * Parses a server's Sec-WebSocket-Extensions. Returns `undefined` if the server accepts no extension.
 *
 * @throws Failure if no offer allows the response
 */
export function readAgreement(header: string): Agreement | undefined {
  if (header === "") return undefined;
  const [name = "", ...rest] = header.split(";").map((part) => part.trim());
  expect(name === "permessage-deflate", "permessage-deflate as the only extension", header);
  const parameters = new Map<string, string | undefined>();
  for (const part of rest) {
    const equals = part.indexOf("=");
    const parameter = equals === -1 ? part : part.slice(0, equals).trim();
    expect(!parameters.has(parameter), "each parameter once", header);
    const value = part.slice(equals + 1).trim();
    parameters.set(parameter, equals === -1 ? undefined : value.replace(/^"(.*)"$/, "$1"));
  }
  const flag = (parameter: string): boolean => {
    const has = parameters.has(parameter);
    expect(parameters.get(parameter) === undefined, `${parameter} without a value`, header);
    parameters.delete(parameter);
    return has;
  };
  const bits = (parameter: string): number | undefined => {
    if (!parameters.has(parameter)) return undefined;
    const value = parameters.get(parameter) ?? "";
    expect(WINDOW_BITS.test(value), `${parameter} with a value from 8 to 15`, header);
    parameters.delete(parameter);
    return Number(value);
  };
  const agreement = {
    serverNoContextTakeover: flag("server_no_context_takeover"),
    clientNoContextTakeover: flag("client_no_context_takeover"),
    serverMaxWindowBits: bits("server_max_window_bits"),
    clientMaxWindowBits: bits("client_max_window_bits"),
  };
  expect(parameters.size === 0, "only the parameters of RFC 7692", header);
  return agreement;
}

/** Opens a WebSocket, and offers permessage-deflate. @throws Skip if the server declines the offer */
export async function openDeflate(
  context: Context,
  offer = "permessage-deflate",
): Promise<DeflatePeer> {
  const peer = await context.websocket({ headers: { "Sec-WebSocket-Extensions": offer } });
  const agreement = readAgreement(peer.header("sec-websocket-extensions"));
  if (agreement === undefined) throw new Skip(`the server declines "${offer}"`);
  return new DeflatePeer(peer, agreement, offer);
}

export interface InflatedMessage {
  readonly opcode: number;
  readonly compressed: boolean;
  /** The payload before inflating. */
  readonly raw: Uint8Array;
  readonly payload: Uint8Array;
}

export class DeflatePeer {
  readonly peer: WebSocketPeer;
  readonly agreement: Agreement;
  readonly #windowBits: number;
  readonly #keepsContext: boolean;
  // The end of the earlier messages. A later message may refer to these bytes.
  #sent: Uint8Array = new Uint8Array(0);
  #received: Uint8Array = new Uint8Array(0);

  /**
   * @param offer the client's parameters for its own context and window. The client obeys them whatever the server
   * responds
   */
  constructor(peer: WebSocketPeer, agreement: Agreement, offer = "") {
    this.peer = peer;
    this.agreement = agreement;
    const offeredBits = /client_max_window_bits=(\d+)/.exec(offer)?.[1] ?? 15;
    this.#windowBits = Math.min(Number(offeredBits), agreement.clientMaxWindowBits ?? 15);
    const alone = offer.includes("client_no_context_takeover");
    this.#keepsContext = !alone && !agreement.clientNoContextTakeover;
    peer.rules.deflate = true;
  }

  /** Compresses the next message, and returns its payload (§7.2.1). */
  compress(message: string | Uint8Array): Uint8Array {
    const clientMaxWindowBits = this.#windowBits;
    const bytes = Buffer.from(message);
    if (bytes.length === 0) return Buffer.of(0);
    const compressed = compressAlone(bytes, {
      // zlib's raw deflate does not support a window of 8 bits. With Huffman codes only, the compressed data does not
      // refer to earlier bytes, so it needs no window.
      windowBits: Math.max(clientMaxWindowBits, 9),
      ...(clientMaxWindowBits < 9 && { strategy: constants.Z_HUFFMAN_ONLY }),
      ...(this.#sent.length > 0 && { dictionary: this.#sent }),
    });
    if (this.#keepsContext) {
      this.#sent = lastOf(this.#sent, bytes, 2 ** clientMaxWindowBits);
    }
    return compressed;
  }

  send(opcode: typeof TEXT | typeof BINARY, message: string | Uint8Array): void {
    this.sendRaw(opcode, this.compress(message));
  }

  /** Sends a payload as a compressed message, in fragments of `size` bytes. Default: one frame. */
  sendRaw(opcode: number, payload: Uint8Array, size = Math.max(payload.length, 1)): void {
    for (let at = 0; at === 0 || at < payload.length; at += size) {
      const first = at === 0;
      this.peer.send({
        opcode: first ? opcode : CONTINUATION,
        rsv: first ? 4 : 0,
        fin: at + size >= payload.length,
        payload: payload.subarray(at, at + size),
      });
    }
  }

  /** Returns the next message, inflated if it is compressed. @throws Failure if it violates RFC 7692 */
  async message(): Promise<InflatedMessage> {
    const payloads: Uint8Array[] = [];
    let opcode = CONTINUATION;
    let compressed = false;
    for (;;) {
      const frame = await this.peer.next();
      if (frame === undefined) throw new Failure("a message", ENDED);
      if (frame.opcode === CLOSE) throw new Failure("a message", describeFrame(frame));
      const first = payloads.length === 0 && frame.opcode < CLOSE;
      if (frame.opcode > CLOSE) continue;
      if (first) {
        opcode = frame.opcode;
        compressed = frame.rsv === 4;
      }
      payloads.push(frame.payload);
      if (!frame.fin) continue;
      const raw = Buffer.concat(payloads);
      return { opcode, compressed, raw, payload: compressed ? this.#inflate(raw) : raw };
    }
  }

  #inflate(raw: Uint8Array): Uint8Array {
    const { serverMaxWindowBits = 15, serverNoContextTakeover } = this.agreement;
    const message = inflateAlone(raw, {
      windowBits: serverMaxWindowBits,
      // zlib checks the window size only at references beyond the current output chunk, so the chunks are small.
      ...(serverMaxWindowBits < 15 && { chunkSize: constants.Z_MIN_CHUNK }),
      ...(this.#received.length > 0 && { dictionary: this.#received }),
    });
    if (!serverNoContextTakeover) {
      this.#received = lastOf(this.#received, message, 2 ** serverMaxWindowBits);
    }
    return message;
  }

  /** Expects this text or these bytes as the next message. */
  async expectMessage(message: string | Uint8Array): Promise<InflatedMessage> {
    this.peer.need("websocket-echo");
    const got = await this.message();
    const wanted = typeof message === "string" ? TEXT : BINARY;
    const kind = wanted === TEXT ? "a text" : "a binary message";
    expect(got.opcode === wanted, kind, `opcode ${got.opcode}`);
    const bytes = Buffer.from(message);
    const same = Buffer.compare(bytes, got.payload) === 0;
    const describe = (each: Uint8Array): string => `${hex(each, 32)} (${each.length} bytes)`;
    expect(same, describe(bytes), describe(got.payload));
    return got;
  }

  /** Sends a compressed message and expects its echo. */
  async echo(message: string | Uint8Array): Promise<InflatedMessage> {
    this.send(typeof message === "string" ? TEXT : BINARY, message);
    return this.expectMessage(message);
  }
}

/** Compresses a single message, without context (§7.2.1). */
export function compressAlone(message: string | Uint8Array, options: ZlibOptions = {}): Uint8Array {
  const settings = { ...options, finishFlush: constants.Z_SYNC_FLUSH };
  return deflateRawSync(message, settings).subarray(0, -TAIL.length);
}

/** Inflates a single message, without context (§7.2.2). @throws Failure if the bytes are invalid */
export function inflateAlone(raw: Uint8Array, options: ZlibOptions = {}): Uint8Array {
  try {
    const settings = { ...options, finishFlush: constants.Z_SYNC_FLUSH };
    return inflateRawSync(Buffer.concat([raw, TAIL]), settings);
  } catch (error) {
    const got = error instanceof Error ? error.message : String(error);
    throw new Failure("a message that can be inflated", `${got}: ${hex(raw, 32)}`);
  }
}

function lastOf(before: Uint8Array, added: Uint8Array, size: number): Uint8Array {
  return Buffer.concat([before, added]).subarray(-size);
}
