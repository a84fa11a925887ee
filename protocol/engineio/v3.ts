// Revision 3 of Engine.IO, which clients of Socket.IO 1.x and 2.x speak: what differs from
// revision 4 in packets and payloads. Engine.IO 3 "Encoding".
//
//   over WebSocket   text as in revision 4; bytes with the type in front:  04 01 02 03
//   as base64        "b", the type, the bytes:                            b4AQID
//   text payload     length ":" packet, length in UTF-16 code units:      6:4hello2:2a
//   binary payload   for each packet 00 (text) or 01 (bytes), the digits of its length in bytes as
//                    bytes of 0 to 9, FF, and the packet:  00 06 ff "4hello" 01 04 ff 04 01 02 03
//
// Clients 1.x and 2.x do not fit each other, and nothing in their requests tells which they are.
// Those of 1.x read no text payload where they can receive bytes: so whoever can is sent bytes,
// which those of 2.x read as well. And those of 1.x encode the texts of a text payload in UTF-8, and
// HTTP does it again, both ways; those of 2.x do not. So a server sends in text payloads what is the
// same either way, ASCII, with the escapes that JSON has; and takes what can have been encoded twice
// for that, unless the client can receive bytes: one of 1.x would have sent bytes then.

import {
  type Bytes,
  byteAt,
  concat,
  decodeBase64,
  decodeUtf8,
  encodeBase64,
  encodeUtf8,
} from "../bytes.ts";
import { decodePacket, MESSAGE, type Packet } from "./packet.ts";
import { ProtocolError } from "./rules.ts";

/** This revision ("EIO" in the query). */
export const PROTOCOL_3 = "3";

const TEXT = 0;
const BINARY = 1;
const END_OF_LENGTH = 0xff;
const MESSAGE_BYTE = Number(MESSAGE);
/** No length that memory can hold has more. */
const MAX_LENGTH_DIGITS = 15;

/** The bytes of a message as a WebSocket message. */
export function encodeBinaryMessage(data: Bytes): Bytes {
  return concat([Uint8Array.of(MESSAGE_BYTE), data]);
}

/** Reads a binary WebSocket message. Throws ProtocolError. */
export function decodeBinaryMessage(bytes: Bytes): Packet {
  if (bytes.length === 0) throw new ProtocolError("EMPTY_PACKET");
  // Only messages can be bytes.
  if (byteAt(bytes, 0) !== MESSAGE_BYTE) throw new ProtocolError("UNKNOWN_PACKET_TYPE");
  return { type: MESSAGE, data: bytes.subarray(1) };
}

/** The bytes of a message as text, for clients that cannot receive bytes. */
export function encodeBase64Message(data: Bytes): string {
  return `b${MESSAGE}${encodeBase64(data)}`;
}

/** Reads a text packet, which may be bytes in base64. Throws ProtocolError. */
export function decodeTextPacket(text: string): Packet {
  if (!text.startsWith("b")) return decodePacket(text);
  if (text[1] !== MESSAGE) throw new ProtocolError("UNKNOWN_PACKET_TYPE");
  const data = decodeBase64(text.slice(2));
  if (data === undefined) throw new ProtocolError("INVALID_BASE64");
  return { type: MESSAGE, data };
}

/**
 * Packets as the body of a response.
 *
 * @param packets encoded text packets, and the bytes of binary messages
 * @param supportsBinary the client can receive bytes
 */
export function encodePayload(
  packets: readonly (string | Bytes)[],
  supportsBinary: boolean,
): string | Bytes {
  if (supportsBinary) return concat(packets.flatMap(encodeBinaryItem));
  if (packets.length === 0) return "0:";
  return packets
    .map((packet) => (typeof packet === "string" ? toAscii(packet) : encodeBase64Message(packet)))
    .map((text) => `${text.length}:${text}`)
    .join("");
}

function encodeBinaryItem(packet: string | Bytes): readonly Bytes[] {
  const bytes = typeof packet === "string" ? encodeUtf8(packet) : encodeBinaryMessage(packet);
  const digits = Array.from(`${bytes.length}`, Number);
  const kind = typeof packet === "string" ? TEXT : BINARY;
  return [Uint8Array.of(kind, ...digits, END_OF_LENGTH), bytes];
}

/**
 * The packets of a text body, one by one; throws ProtocolError when it comes to one that is none.
 *
 * @param supportsBinary the client can receive bytes, so it is one of 2.x: those of 1.x send bytes then
 */
export function* decodePayload(
  body: string,
  supportsBinary = false,
): Generator<Packet, void, undefined> {
  if (body === "") throw new ProtocolError("EMPTY_PACKET");
  let at = 0;
  while (at < body.length) {
    const colon = body.slice(at, at + MAX_LENGTH_DIGITS + 1).indexOf(":");
    const digits = body.slice(at, at + Math.max(colon, 0));
    if (!/^(?:0|[1-9]\d*)$/.test(digits)) throw new ProtocolError("PAYLOAD_LENGTH");
    const start = at + colon + 1;
    at = start + Number(digits);
    if (at > body.length) throw new ProtocolError("PAYLOAD_LENGTH");
    // A payload of nothing is one packet of no characters, and that is none.
    if (digits !== "0") {
      const text = body.slice(start, at);
      yield decodeTextPacket(supportsBinary ? text : decodeOnceMore(text));
    } else if (body !== "0:") throw new ProtocolError("EMPTY_PACKET");
  }
}

/** The packets of a binary body, one by one; throws ProtocolError when it comes to one that is none. */
export function* decodeBinaryPayload(body: Bytes): Generator<Packet, void, undefined> {
  if (body.length === 0) throw new ProtocolError("EMPTY_PACKET");
  let at = 0;
  while (at < body.length) {
    const kind = byteAt(body, at);
    if (kind !== TEXT && kind !== BINARY) throw new ProtocolError("PAYLOAD_LENGTH");
    const end = body.subarray(at + 1, at + 2 + MAX_LENGTH_DIGITS).indexOf(END_OF_LENGTH);
    const digits = body.subarray(at + 1, at + 1 + end);
    if (end < 1 || digits.some((digit) => digit > 9)) throw new ProtocolError("PAYLOAD_LENGTH");
    if (end > 1 && byteAt(digits, 0) === 0) throw new ProtocolError("PAYLOAD_LENGTH");
    const start = at + end + 2;
    at = start + digits.reduce((length, digit) => length * 10 + digit, 0);
    if (at > body.length) throw new ProtocolError("PAYLOAD_LENGTH");
    const bytes = body.subarray(start, at);
    yield kind === BINARY ? decodeBinaryMessage(bytes) : decodeTextPacket(textOf(bytes));
  }
}

function textOf(bytes: Bytes): string {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new ProtocolError("INVALID_UTF8");
  return text;
}

/**
 * A text that may have been encoded in UTF-8 twice and decoded once. Where its characters can be the
 * bytes of UTF-8 they are taken for that: a client of 2.x would have to send just such a text,
 * like "Ã©", to be misread.
 */
export function decodeOnceMore(text: string): string {
  if (!/[\x80-\xff]/.test(text) || /[^\0-\xff]/.test(text)) return text;
  // Uint8Array.from() takes twenty times as long, and a peer says how often.
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return decodeUtf8(bytes) ?? text;
}

/**
 * A message of Socket.IO with nothing but ASCII in its JSON, which then means the same. What stands
 * in front of that, the name of a namespace, is left as it is.
 */
export function toAscii(packet: string): string {
  const start = packet.search(/[[{"]/);
  if (start === -1 || !/[^\0-\x7f]/.test(packet)) return packet;
  const json = packet
    .slice(start)
    .replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return packet.slice(0, start) + json;
}
