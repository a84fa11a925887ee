// Adapts a user-supplied parser, the option `parser` of server and client, to the codec interface.

import type { Bytes } from "../../protocol/bytes.ts";
import type { PacketLimits } from "../../protocol/socketio/check.ts";
import type { Packet } from "../../protocol/socketio/packet.ts";
import { fromPacket, type ParserPacket, toPacket } from "../../protocol/socketio/parser.ts";
import { ProtocolError } from "../../protocol/socketio/rules.ts";

/** The option `parser`: two classes, as in the packages for Socket.IO that are called parsers. */
export interface Parser {
  readonly Encoder: new () => ParserEncoder;
  readonly Decoder: new () => ParserDecoder;
}

export interface ParserEncoder {
  /** Returns the messages of a packet in order: texts and bytes. */
  encode(packet: ParserPacket): readonly (string | Bytes)[];
}

export interface ParserDecoder {
  on(event: "decoded", listener: (packet: ParserPacket) => void): unknown;
  /** Adds the next message. Calls the listeners when a packet is complete. May throw. */
  add(message: string | Bytes): unknown;
  destroy?(): void;
}

/** Encodes packets to messages, and creates decoders. */
export interface PacketCodec {
  /** Returns the messages of a packet in order. Nothing may be sent between them. */
  encode(packet: Packet): readonly (string | Bytes)[];
  /** Creates a decoder for one connection. */
  createDecoder(): PacketDecoder;
}

/** Decodes the messages of one connection. */
export interface PacketDecoder {
  /** How many messages the packet still needs. */
  readonly pending: number;
  /** Adds the next message. Returns a packet if it is complete. @throws ProtocolError, ParserError */
  add(message: string | Bytes): Packet | undefined;
}

/** A message that a user-supplied parser rejected. */
export class ParserError extends Error {
  override readonly name = "ParserError";
  readonly code = "ERR_PARSER";

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/**
 * Adapts a user-supplied parser to the codec interface.
 *
 * @param limits what a packet from the other end may hold
 */
export function parserCodec(parser: Parser, limits: PacketLimits): PacketCodec {
  const encoder = new parser.Encoder();
  return {
    encode: (packet) => encoder.encode(fromPacket(packet)),
    createDecoder: () => new DecoderAdapter(new parser.Decoder(), limits),
  };
}

class DecoderAdapter implements PacketDecoder {
  /** Such a decoder does not tell. */
  readonly pending = Number.POSITIVE_INFINITY;
  private readonly decoder: ParserDecoder;
  private decoded: Packet | undefined;

  constructor(decoder: ParserDecoder, limits: PacketLimits) {
    this.decoder = decoder;
    decoder.on("decoded", (packet) => {
      this.decoded = toPacket(packet, limits);
    });
  }

  add(message: string | Bytes): Packet | undefined {
    this.decoded = undefined;
    try {
      this.decoder.add(message);
    } catch (error) {
      throw error instanceof ProtocolError ? error : new ParserError(error);
    }
    return this.decoded;
  }
}
