// Adapts a user-supplied parser to the codec interface. A program passes the parser in the option `parser` of the
// server or the client.

import type { Bytes } from "../../protocol/bytes.ts";
import type { PacketLimits } from "../../protocol/socketio/check.ts";
import type { Packet } from "../../protocol/socketio/packet.ts";
import { fromPacket, type ParserPacket, toPacket } from "../../protocol/socketio/parser.ts";
import { ProtocolError } from "../../protocol/socketio/rules.ts";

/**
 * The option `parser`: the two classes that a parser package for Socket.IO exports, such as
 * socket.io-msgpack-parser.
 */
export interface Parser {
  /** The class that encodes packets. */
  readonly Encoder: {
    /** Creates an encoder. */
    new (): ParserEncoder;
  };
  /** The class that decodes messages. */
  readonly Decoder: {
    /** Creates a decoder for one connection. */
    new (): ParserDecoder;
  };
}

/** Encodes packets to messages. */
export interface ParserEncoder {
  /**
   * Returns the messages of a packet in order: texts and bytes.
   *
   * @param packet the packet to encode
   */
  encode(packet: ParserPacket): readonly (string | Bytes)[];
}

/** Decodes the messages of one connection to packets. */
export interface ParserDecoder {
  /**
   * Adds a listener that receives each decoded packet.
   *
   * @param event always "decoded"
   * @param listener receives each decoded packet
   */
  on(event: "decoded", listener: (packet: ParserPacket) => void): unknown;
  /**
   * Adds the next message. Calls the listeners if the message completes a packet. May throw if the message is
   * invalid.
   *
   * @param message a text or a binary message of the transport
   */
  add(message: string | Bytes): unknown;
  /** Exists for parsers written for socket.io. barewire does not call this method. */
  destroy?(): void;
}

/** Encodes packets to messages, and creates the decoders of connections. */
export interface PacketCodec {
  /**
   * Returns the messages of a packet in order. No other message may be sent between these messages.
   *
   * @param packet the packet to encode
   */
  encode(packet: Packet): readonly (string | Bytes)[];
  /** Creates a decoder for one connection. */
  createDecoder(): PacketDecoder;
}

/** Decodes the messages of one connection. */
export interface PacketDecoder {
  /** The number of attachments that the current packet still lacks. */
  readonly pending: number;
  /**
   * Adds the next message. Returns the packet that the message completes, or `undefined`.
   *
   * @param message a text or a binary message of the transport
   * @throws ProtocolError if the packet breaks a rule of the protocol
   * @throws ParserError if a user-supplied parser throws
   */
  add(message: string | Bytes): Packet | undefined;
}

/** An error that a user-supplied parser threw while it decoded a message. `cause` is that error. */
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
 * @param limits the limits for packets from the other end
 */
export function parserCodec(parser: Parser, limits: PacketLimits): PacketCodec {
  const encoder = new parser.Encoder();
  return {
    encode: (packet) => encoder.encode(fromPacket(packet)),
    createDecoder: () => new DecoderAdapter(new parser.Decoder(), limits),
  };
}

class DecoderAdapter implements PacketDecoder {
  /** Always `Infinity`, because a user-supplied decoder does not say how many messages it still needs. */
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
