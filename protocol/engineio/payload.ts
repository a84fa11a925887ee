// Encodes and decodes payloads. A payload consists of the packets in the body of one HTTP request or response.
// Engine.IO "HTTP long-polling".
//
//   4hello<U+001E>2<U+001E>bAQIDBA==

import { type Bytes, decodeBase64, encodeBase64 } from "../bytes.ts";
import { decodePacket, MESSAGE, type Packet } from "./packet.ts";
import { ProtocolError } from "./rules.ts";

/** Separates two packets: "the record separator character". */
export const SEPARATOR = "\x1e";

/** The prefix of a binary packet: "The binary payload MUST be base64-encoded, and prefixed with a `b` character". */
const BINARY = "b";

/**
 * Encodes packets as one payload ("HTTP long-polling").
 *
 * @param packets text packets that encodePacket() has returned, and the bytes of binary messages
 */
export function encodePayload(packets: readonly (string | Bytes)[]): string {
  const [only] = packets;
  if (packets.length === 1 && typeof only === "string") return only;
  return packets
    .map((packet) => (typeof packet === "string" ? packet : BINARY + encodeBase64(packet)))
    .join(SEPARATOR);
}

/**
 * Yields the packets of a payload in order ("HTTP long-polling").
 *
 * @param body the body of the HTTP request or response
 * @throws ProtocolError at the first invalid packet, after the packets before it were yielded
 */
export function* decodePayload(body: string): Generator<Packet, void, undefined> {
  let start = 0;
  for (;;) {
    const end = body.indexOf(SEPARATOR, start);
    yield decodePayloadPacket(end === -1 ? body.slice(start) : body.slice(start, end));
    if (end === -1) return;
    start = end + 1;
  }
}

/**
 * Decodes one packet of a payload. Packets over WebSocket also have this form if one end does not support binary
 * messages.
 *
 * @param text the encoded packet
 * @throws ProtocolError if the packet is empty, its type is unknown, or its base64 is invalid
 */
export function decodePayloadPacket(text: string): Packet {
  if (!text.startsWith(BINARY)) return decodePacket(text);
  const data = decodeBase64(text.slice(1));
  if (data === undefined) throw new ProtocolError("INVALID_BASE64");
  return { type: MESSAGE, data };
}
