// Packets to messages and back: the standard way, or that of a parser which the program gives.

import type { Bytes } from "../protocol/bytes.ts";
import { Decoder as StandardDecoder } from "../protocol/socketio/decoder.ts";
import { encode } from "../protocol/socketio/encoder.ts";
import type { Packet } from "../protocol/socketio/packet.ts";
import { fromPacket, type ParserPacket, toPacket } from "../protocol/socketio/parser.ts";

/** The option `parser`. */
export interface Parser {
  readonly Encoder: new () => {
    encode(packet: ParserPacket): readonly (string | Bytes)[];
  };
  readonly Decoder: new () => {
    on(event: "decoded", listener: (packet: ParserPacket) => void): unknown;
    add(message: string | Bytes): unknown;
  };
}

export interface Codec {
  /** The messages that are a packet, in order. */
  encode(packet: Packet): readonly (string | Bytes)[];
  /** Reads the messages of one connection. */
  createDecoder(): PacketDecoder;
}

export interface PacketDecoder {
  /** Takes the next message; gives a packet once it is whole. Throws what it does not take. */
  add(message: string | Bytes): Packet | undefined;
}

const DEFAULT_MAX_ATTACHMENTS = 10;

/** The standard one. Socket.IO "Packet encoding". */
export function standardCodec({
  maxAttachments = DEFAULT_MAX_ATTACHMENTS,
}: {
  readonly maxAttachments?: number;
}): Codec {
  return {
    encode: (packet) => {
      const { text, attachments } = encode(packet);
      return [text, ...attachments];
    },
    createDecoder: () => new StandardDecoder({ maxAttachments }),
  };
}

/** That of a parser. */
export function parserCodec(parser: Parser): Codec {
  const encoder = new parser.Encoder();
  return {
    encode: (packet) => encoder.encode(fromPacket(packet)),
    createDecoder: () => {
      const decoder = new parser.Decoder();
      let decoded: Packet | undefined;
      decoder.on("decoded", (packet) => {
        decoded = toPacket(packet);
      });
      return {
        add: (message) => {
          decoded = undefined;
          decoder.add(message);
          return decoded;
        },
      };
    },
  };
}
