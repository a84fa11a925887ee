/**
 * `barewire/msgpack`: packets as MessagePack, one binary message each, with their bytes inside. On
 * the wire it is what socket.io-msgpack-parser is; both ends must have the same.
 *
 * ```ts
 * const parser = await import("barewire/msgpack");
 * new Server(3000, { parser });          io(url, { parser });
 * ```
 *
 * @module barewire/msgpack
 */

import type { Bytes } from "../bytes.ts";
import { decode, encode } from "./messagepack.ts";
import { checkParserPacket, type ParserPacket } from "./parser.ts";
import { ProtocolError } from "./rules.ts";

export type { ParserPacket };

/** The revision of Socket.IO whose packets these are. */
export const protocol = 5;

export class Encoder {
  /** The messages that are a packet: one. @throws TypeError or RangeError for data that cannot be encoded */
  encode({ type, nsp, data, id }: ParserPacket): Bytes[] {
    return [encode({ type, nsp, data, id })];
  }
}

type DecodedListener = (packet: ParserPacket) => void;

export class Decoder {
  #listeners: readonly DecodedListener[] = [];

  /** Calls `listener` for each packet. */
  on(_event: "decoded", listener: DecodedListener): this {
    this.#listeners = [...this.#listeners, listener];
    return this;
  }

  /** Calls it no more; without it, none. */
  off(_event?: "decoded", listener?: DecodedListener): this {
    this.#listeners = this.#listeners.filter((each) => listener !== undefined && each !== listener);
    return this;
  }

  /** The same as off(). */
  removeListener(event?: "decoded", listener?: DecodedListener): this {
    return this.off(event, listener);
  }

  /** The same as off() without a listener. */
  removeAllListeners(): this {
    return this.off();
  }

  /** Takes a message, and gives its packet to the listeners. Throws ProtocolError. */
  add(message: unknown): void {
    const packet = decodePacket(message);
    for (const listener of this.#listeners) listener(packet);
  }

  /** Nothing is kept from one message to the next, so there is nothing to be let go. */
  destroy(): void {}
}

function decodePacket(message: unknown): ParserPacket {
  const bytes = message instanceof ArrayBuffer ? new Uint8Array(message) : message;
  if (!(bytes instanceof Uint8Array)) throw new ProtocolError("MESSAGEPACK");
  return checkParserPacket(decode(bytes));
}
