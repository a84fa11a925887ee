// Encodes the client's packets, and decodes the server's packets. Socket.IO "Packet encoding".

import type { PacketCodec } from "../../lib/events/parser.ts";
import { SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { Decoder as StandardDecoder } from "../../protocol/socketio/decoder.ts";
import { encode } from "../../protocol/socketio/encoder.ts";

/**
 * The default of the option `maxAttachments`. It is ten times the default of the server, because a server may send the
 * attachments of several clients in one packet.
 */
const DEFAULT_MAX_ATTACHMENTS = 100;

/** Returns the codec for the encoding of the Socket.IO protocol. */
export function standardCodec({
  maxAttachments = DEFAULT_MAX_ATTACHMENTS,
}: {
  readonly maxAttachments?: number;
}): PacketCodec {
  return {
    encode: (packet) => {
      const { text, attachments } = encode(packet);
      return [text, ...attachments];
    },
    createDecoder: () => new StandardDecoder({ maxAttachments, limits: SERVER_LIMITS }),
  };
}
