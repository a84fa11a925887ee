// Packets to what travels and back, in the standard way; parser.ts has that of the program's own.

import type { Bytes } from "../../protocol/bytes.ts";
import { Decoder } from "../../protocol/socketio/decoder.ts";
import { encode } from "../../protocol/socketio/encoder.ts";
import type { Packet } from "../../protocol/socketio/packet.ts";
import { messages, type Outgoing } from "../engineio/outgoing.ts";

/** Messages of one client to packets. */
export interface PacketDecoder {
  /** Messages that are still to come before there is a packet. */
  readonly pending: number;
  /** Takes the next message; gives a packet once it is whole. @throws ProtocolError, ParserError */
  add(message: string | Bytes): Packet | undefined;
}

/** How a server's packets travel. */
export interface Codec {
  /** A packet on its way out, with its attachments: nothing comes between them. */
  encode(packet: Packet, compress: boolean): Outgoing;
  createDecoder(): PacketDecoder;
}

/** As the protocol document says. Socket.IO "Packet encoding". */
export function standardCodec(maxAttachments: number): Codec {
  return {
    encode: encodePacket,
    createDecoder: () => new Decoder({ maxAttachments }),
  };
}

export function encodePacket(packet: Packet, compress: boolean): Outgoing {
  const { text, attachments } = encode(packet);
  return messages(text, attachments, compress);
}
