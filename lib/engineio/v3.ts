// The transports as clients 1.x and 2.x have them: revision 3 of Engine.IO.

import type { Bytes } from "../../protocol/bytes.ts";
import type { Packet } from "../../protocol/engineio/packet.ts";
import {
  decodeBinaryMessage,
  decodeBinaryPayload,
  decodePayload,
  decodeTextPacket,
  encodeBase64Message,
  encodeBinaryMessage,
  encodePayload,
} from "../../protocol/engineio/v3.ts";
import type { Connection } from "../websocket/connection.ts";
import type { Outgoing } from "./outgoing.ts";
import type { PayloadFormat } from "./polling.ts";
import { WebSocketTransport } from "./websocket.ts";

/**
 * Bodies of revision 3.
 *
 * @param supportsBinary the client can receive bytes
 */
export function formatOf3(supportsBinary: boolean): PayloadFormat {
  return {
    encode: (messages) => {
      const packets = messages.flatMap((message) => message.packets);
      return encodePayload(packets, supportsBinary);
    },
    decode: (body) => decodePayload(body, supportsBinary),
    decodeBinary: decodeBinaryPayload,
  };
}

export class WebSocketTransport3 extends WebSocketTransport {
  readonly #supportsBinary: boolean;

  /** @param supportsBinary the client can receive bytes */
  constructor(connection: Connection, supportsBinary: boolean) {
    super(connection);
    this.#supportsBinary = supportsBinary;
  }

  override send(message: Outgoing): void {
    const { connection } = this;
    for (const packet of message.packets) {
      if (typeof packet === "string") {
        connection.sendText(packet, message.compress);
      } else if (this.#supportsBinary) {
        connection.sendBinary(encodeBinaryMessage(packet), message.compress);
      } else {
        connection.sendText(encodeBase64Message(packet), message.compress);
      }
    }
  }

  protected override decodeText(text: string): Packet {
    return decodeTextPacket(text);
  }

  protected override decodeBinary(data: Bytes): Packet {
    return decodeBinaryMessage(data);
  }
}
