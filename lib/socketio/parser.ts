// Packets to what travels and back, in the way of a parser which the program gives.

import type { Bytes } from "../../protocol/bytes.ts";
import { checkFunction } from "../../protocol/errors.ts";
import type { Packet } from "../../protocol/socketio/packet.ts";
import { fromPacket, type ParserPacket, toPacket } from "../../protocol/socketio/parser.ts";
import { ProtocolError } from "../../protocol/socketio/rules.ts";
import { Outgoing, textMessage } from "../engineio/outgoing.ts";
import type { Codec, PacketDecoder } from "./codec.ts";

/** An option `parser`: classes as those of the packages that are called parsers. */
export interface Parser {
  readonly Encoder: new () => ParserEncoder;
  readonly Decoder: new () => ParserDecoder;
}

export interface ParserEncoder {
  /** The messages that are a packet, in order: texts and bytes. */
  encode(packet: ParserPacket): readonly (string | Bytes)[];
}

export interface ParserDecoder {
  on(event: "decoded", listener: (packet: ParserPacket) => void): unknown;
  /** Takes the next message; calls the listeners when a packet is whole. May throw. */
  add(message: string | Bytes): unknown;
  destroy?(): void;
}

/** A message that the program's parser did not take. */
export class ParserError extends Error {
  override readonly name = "ParserError";
  readonly code = "ERR_PARSER";

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/**
 * As a parser has it that the program gives.
 *
 * @throws TypeError for what is none
 */
export function codecOf(parser: Parser): Codec {
  checkFunction("the parser's Encoder", parser.Encoder);
  checkFunction("the parser's Decoder", parser.Decoder);
  const encoder = new parser.Encoder();
  return {
    encode: (packet, compress) => {
      const chunks = encoder.encode(fromPacket(packet));
      const packets = chunks.map((chunk) =>
        typeof chunk === "string" ? textMessage(chunk) : chunk,
      );
      return new Outgoing(packets, compress);
    },
    createDecoder: () => new ParserPackets(new parser.Decoder()),
  };
}

/** A parser's decoder, as one that gives what it has decoded. */
class ParserPackets implements PacketDecoder {
  /** It does not say. */
  readonly pending = Number.POSITIVE_INFINITY;
  readonly #decoder: ParserDecoder;
  #decoded: Packet | undefined;

  constructor(decoder: ParserDecoder) {
    this.#decoder = decoder;
    decoder.on("decoded", (packet) => {
      this.#decoded = toPacket(packet);
    });
  }

  add(message: string | Bytes): Packet | undefined {
    this.#decoded = undefined;
    try {
      this.#decoder.add(message);
    } catch (error) {
      throw error instanceof ProtocolError ? error : new ParserError(error);
    }
    return this.#decoded;
  }
}
