/**
 * `barewire/msgpack` is a parser that encodes each packet as one binary message in MessagePack. Binary values need no
 * attachments. The encoding is the same as in socket.io-msgpack-parser. The server and the client must use the same
 * parser.
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

/** The revision of the Socket.IO protocol that this parser encodes. */
export const protocol = 5;

/** Encodes packets in MessagePack. */
export class Encoder {
  /**
   * Encodes a packet. Returns a list that contains one binary message.
   *
   * @param packet the packet
   * @throws TypeError if the data contains a symbol
   * @throws RangeError if the data is nested more than 1000 deep, contains itself, or contains a BigInt of more than
   * 64 bits
   */
  encode({ type, nsp, data, id }: ParserPacket): Bytes[] {
    return [encode({ type, nsp, data, id })];
  }
}

/**
 * Called with each decoded packet.
 *
 * @param packet the decoded packet
 */
export type DecodedListener = (packet: ParserPacket) => void;

/** Decodes packets in MessagePack. */
export class Decoder {
  #listeners: readonly DecodedListener[] = [];

  /**
   * Adds a listener, which is called with each decoded packet.
   *
   * @param _event "decoded", the only event
   * @param listener the listener
   */
  on(_event: "decoded", listener: DecodedListener): this {
    this.#listeners = [...this.#listeners, listener];
    return this;
  }

  /**
   * Removes a listener.
   *
   * @param _event "decoded", the only event
   * @param listener the listener. Default: all listeners.
   */
  off(_event?: "decoded", listener?: DecodedListener): this {
    this.#listeners = this.#listeners.filter((each) => listener !== undefined && each !== listener);
    return this;
  }

  /**
   * Removes a listener, as off() does.
   *
   * @param event "decoded", the only event
   * @param listener the listener. Default: all listeners.
   */
  removeListener(event?: "decoded", listener?: DecodedListener): this {
    return this.off(event, listener);
  }

  /** Removes all listeners. */
  removeAllListeners(): this {
    return this.off();
  }

  /**
   * Decodes a message, and calls the listeners with the packet.
   *
   * @param message a Uint8Array or an ArrayBuffer
   * @throws ProtocolError if the message is not valid MessagePack, or the packet is invalid
   */
  add(message: unknown): void {
    const packet = decodePacket(message);
    for (const listener of this.#listeners) listener(packet);
  }

  /**
   * Does nothing, because the decoder keeps no data between messages. Socket.IO calls this method of every parser.
   */
  destroy(): void {}
}

function decodePacket(message: unknown): ParserPacket {
  const bytes = message instanceof ArrayBuffer ? new Uint8Array(message) : message;
  if (!(bytes instanceof Uint8Array)) throw new ProtocolError("MESSAGEPACK");
  return checkParserPacket(decode(bytes));
}
