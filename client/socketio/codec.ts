// Encodes the client's packets to messages, and decodes those of the server. Socket.IO "Packet encoding".

import type { PacketCodec } from "../../lib/events/parser.ts";
import { SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { Decoder as StandardDecoder } from "../../protocol/socketio/decoder.ts";
import { encode } from "../../protocol/socketio/encoder.ts";

/** Ten times what a client may send to a server of ours: servers relay attachments together. */
const DEFAULT_MAX_ATTACHMENTS = 100;

/** Returns the codec of the protocol document. */
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
