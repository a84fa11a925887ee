// Encodes the server's packets into Engine.IO messages, and decodes the packets of its clients.

import { CLIENT_LIMITS } from "../../protocol/socketio/check.ts";
import { Decoder } from "../../protocol/socketio/decoder.ts";
import { encode } from "../../protocol/socketio/encoder.ts";
import { EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import { messages, Outgoing, textMessage } from "../engineio/outgoing.ts";
import { type PacketDecoder, type Parser, parserCodec } from "../events/parser.ts";

export interface Codec {
  /**
   * Encodes a packet with its attachments. No other message may be sent between the messages of one
   * packet.
   */
  encode(packet: Packet, compress: boolean): Outgoing;
  /** Creates a decoder for one client. */
  createDecoder(): PacketDecoder;
}

/** Returns the codec of the protocol specification. Socket.IO "Packet encoding". */
export function standardCodec(maxAttachments: number): Codec {
  return {
    encode: encodePacket,
    createDecoder: () => new Decoder({ maxAttachments, limits: CLIENT_LIMITS }),
  };
}

export function encodePacket(packet: Packet, compress: boolean): Outgoing {
  const { text, attachments } = encode(packet);
  return messages(text, attachments, compress, isDroppable(packet));
}

/**
 * Returns whether a packet may be dropped for a client that reads too slowly. A packet that
 * requests an acknowledgement must not be dropped. Its acknowledgement would never arrive, and the
 * pending callback would be kept until the client disconnects.
 */
export function isDroppable(packet: Packet): boolean {
  return packet.type === EVENT && packet.id === undefined;
}

/** Returns the codec of a user-supplied parser. */
export function codecOf(parser: Parser): Codec {
  const { encode, createDecoder } = parserCodec(parser, CLIENT_LIMITS);
  return {
    encode: (packet, compress) => {
      const packets = encode(packet).map((message) =>
        typeof message === "string" ? textMessage(message) : message,
      );
      return new Outgoing(packets, compress, isDroppable(packet));
    },
    createDecoder,
  };
}
