// The formats of revision 3 of Engine.IO, for clients of Socket.IO 1.x and 2.x.

import {
  decodeBinaryMessage,
  decodeBinaryPayload,
  decodeTextPacket,
  encodeBase64Message,
  encodeBinaryMessage,
  encodeBinaryPayload,
  TextPayloads,
} from "../../protocol/engineio/legacy.ts";
import type { PayloadFormat } from "./polling.ts";
import type { MessageFormat } from "./websocket.ts";

/**
 * Creates the payload format of one session of revision 3.
 *
 * @param supportsBinary whether the client can receive binary data
 */
export function legacyFormat(supportsBinary: boolean): PayloadFormat {
  const texts = new TextPayloads();
  return {
    encode: (messages) => {
      const packets = messages.flatMap((message) => message.packets);
      return supportsBinary ? encodeBinaryPayload(packets) : texts.encode(packets);
    },
    decode: (body) => texts.decode(body),
    decodeBinary: decodeBinaryPayload,
  };
}

/**
 * Returns the message format of revision 3.
 *
 * @param supportsBinary whether the client can receive binary data
 */
export function legacyMessages(supportsBinary: boolean): MessageFormat {
  return supportsBinary ? BINARY_MESSAGES : BASE64_MESSAGES;
}

const BINARY_MESSAGES: MessageFormat = {
  encodeBytes: encodeBinaryMessage,
  decodeText: decodeTextPacket,
  decodeBinary: decodeBinaryMessage,
};

const BASE64_MESSAGES: MessageFormat = { ...BINARY_MESSAGES, encodeBytes: encodeBase64Message };
