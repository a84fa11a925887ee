// Encodes and decodes the packets and payloads of revision 3 of Engine.IO, which the legacy clients
// (Socket.IO 1.x and 2.x) use. The differences from revision 4 are in Engine.IO 3 "Encoding":
//
//   over WebSocket   text as in revision 4, bytes after the type:         04 01 02 03
//   as base64        "b", the type, the bytes:                            b4AQID
//   text payload     length ":" packet, length in UTF-16 code units:      6:4hello2:2a
//   binary payload   for each packet: 00 (text) or 01 (bytes), the length of the packet in bytes with
//                    one byte for each decimal digit, FF, the packet:
//                                                          00 06 ff "4hello" 01 04 ff 04 01 02 03
//
// In a text payload, a client 1.x encodes each text in UTF-8, and then encodes the whole HTTP body in UTF-8 again. A
// client 2.x encodes only the HTTP body. In both versions, the lengths count the characters of the body. In binary
// payloads and over WebSocket, both versions encode texts once.
//
// The requests do not contain the version of the client. The type of the payload does not reveal the version either: in
// a browser, both versions send a text payload if no packet is binary. Therefore TextPayloads infers the encoding from
// the payloads of the client.

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

/** The value of "EIO" in the query for this revision. */
export const PROTOCOL_3 = "3";

const TEXT = 0;
const BINARY = 1;
const END_OF_LENGTH = 0xff;
const MESSAGE_BYTE = Number(MESSAGE);
/** The largest number of digits in a length. No body that fits in memory needs more digits. */
const MAX_LENGTH_DIGITS = 15;

/**
 * Encodes a binary message as a binary WebSocket message.
 *
 * @param data the bytes of the message
 */
export function encodeBinaryMessage(data: Bytes): Bytes {
  return concat([Uint8Array.of(MESSAGE_BYTE), data]);
}

/**
 * Decodes a binary WebSocket message.
 *
 * @param bytes the payload of the WebSocket message
 * @throws ProtocolError if the message is empty, or its type is not MESSAGE
 */
export function decodeBinaryMessage(bytes: Bytes): Packet {
  if (bytes.length === 0) throw new ProtocolError("EMPTY_PACKET");
  // Only packets of the type MESSAGE can be binary.
  if (byteAt(bytes, 0) !== MESSAGE_BYTE) throw new ProtocolError("UNKNOWN_PACKET_TYPE");
  return { type: MESSAGE, data: bytes.subarray(1) };
}

/**
 * Encodes a binary message as text, for clients that do not support binary messages.
 *
 * @param data the bytes of the message
 */
export function encodeBase64Message(data: Bytes): string {
  return `b${MESSAGE}${encodeBase64(data)}`;
}

/**
 * Decodes a text packet, or a binary message in base64.
 *
 * @param text the encoded packet
 * @throws ProtocolError if the packet is empty, its type is unknown, or its base64 is invalid
 */
export function decodeTextPacket(text: string): Packet {
  if (!text.startsWith("b")) return decodePacket(text);
  if (text[1] !== MESSAGE) throw new ProtocolError("UNKNOWN_PACKET_TYPE");
  const data = decodeBase64(text.slice(2));
  if (data === undefined) throw new ProtocolError("INVALID_BASE64");
  return { type: MESSAGE, data };
}

/**
 * Encodes packets as a binary payload. Clients 1.x and 2.x decode a binary payload in the same way.
 *
 * @param packets encoded text packets, and the bytes of binary messages
 */
export function encodeBinaryPayload(packets: readonly (string | Bytes)[]): Bytes {
  return concat(packets.flatMap(encodeBinaryItem));
}

function encodeBinaryItem(packet: string | Bytes): readonly Bytes[] {
  const bytes = typeof packet === "string" ? encodeUtf8(packet) : encodeBinaryMessage(packet);
  const digits = Array.from(`${bytes.length}`, Number);
  const kind = typeof packet === "string" ? TEXT : BINARY;
  return [Uint8Array.of(kind, ...digits, END_OF_LENGTH), bytes];
}

/**
 * Encodes and decodes the text payloads of one client. Infers from the received payloads whether the client encodes
 * texts in UTF-8 once (2.x) or twice (1.x).
 *
 * If the characters of a payload, read as bytes, are valid UTF-8, then the client has encoded the payload twice. If
 * these bytes are not valid UTF-8, then the client encodes all its payloads once. A payload that contains only ASCII
 * reveals nothing. One case remains ambiguous: if a client 2.x has only sent non-ASCII characters that look like bytes
 * of UTF-8, such as "Ã©", the server mistakes this client for a client 1.x that has sent "é".
 */
export class TextPayloads {
  #encoding: "unknown" | "once" | "twice" = "unknown";

  /**
   * Encodes packets as a text payload. JSON is sent in ASCII, which both versions decode in the same way. Therefore,
   * while the version of the client is unknown, the client can misread only a non-ASCII name of a namespace.
   *
   * @param packets encoded text packets, and the bytes of binary messages
   */
  encode(packets: readonly (string | Bytes)[]): string {
    if (packets.length === 0) return "0:";
    return packets.map((packet) => this.#encodePacket(packet)).join("");
  }

  #encodePacket(packet: string | Bytes): string {
    const text = typeof packet === "string" ? toAscii(packet) : encodeBase64Message(packet);
    const sent = this.#encoding === "twice" ? encodeOnceMore(text) : text;
    return `${sent.length}:${sent}`;
  }

  /**
   * Yields the packets of a text payload in order.
   *
   * @param body the body of the HTTP request or response
   * @throws ProtocolError at the first invalid packet
   */
  *decode(body: string): Generator<Packet, void, undefined> {
    if (this.#encoding !== "once" && !isAscii(body)) {
      this.#encoding = decodeOnceMore(body) === undefined ? "once" : "twice";
    }
    for (const text of splitPayload(body)) {
      if (COMMA_OF_2.test(text)) this.#encoding = "once";
      const decoded = this.#encoding === "twice" ? decodeOnceMore(text) : undefined;
      yield decodeTextPacket(decoded ?? text);
    }
  }
}

/**
 * Matches a CONNECT or DISCONNECT packet that ends with a comma after the namespace. Only clients 2.x send this comma.
 */
const COMMA_OF_2 = /^4[01]\/[^?,]*,$/;

/** Yields the text of each packet in a text payload. */
function* splitPayload(body: string): Generator<string, void, undefined> {
  if (body === "") throw new ProtocolError("EMPTY_PACKET");
  // "0:" is the payload without packets.
  if (body === "0:") return;
  let at = 0;
  while (at < body.length) {
    const colon = body.slice(at, at + MAX_LENGTH_DIGITS + 1).indexOf(":");
    const digits = body.slice(at, at + Math.max(colon, 0));
    if (!/^(?:0|[1-9]\d*)$/.test(digits)) throw new ProtocolError("PAYLOAD_LENGTH");
    const start = at + colon + 1;
    at = start + Number(digits);
    if (at > body.length) throw new ProtocolError("PAYLOAD_LENGTH");
    yield body.slice(start, at);
  }
}

/**
 * Yields the packets of a binary payload in order.
 *
 * @param body the body of the HTTP request or response
 * @throws ProtocolError at the first invalid packet
 */
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

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}

/** Encodes a text in UTF-8, and returns a string with one character for each byte. */
function encodeOnceMore(text: string): string {
  if (isAscii(text)) return text;
  return Array.from(encodeUtf8(text), (byte) => String.fromCharCode(byte)).join("");
}

/**
 * Decodes a text whose characters are bytes of UTF-8. Returns `undefined` if the characters are not valid UTF-8.
 *
 * @param text the text that was encoded twice
 */
export function decodeOnceMore(text: string): string | undefined {
  if (/[^\0-\xff]/.test(text)) return undefined;
  // Uint8Array.from() is twenty times slower, and a peer can make this code run often.
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return decodeUtf8(bytes);
}

/**
 * Escapes all non-ASCII characters in the JSON of a Socket.IO packet. The escaped JSON has the same meaning. The name
 * of the namespace before the JSON stays unchanged.
 *
 * @param packet the encoded packet
 */
export function toAscii(packet: string): string {
  const start = packet.search(/[[{"]/);
  if (start === -1 || !/[^\0-\x7f]/.test(packet)) return packet;
  const json = packet
    .slice(start)
    .replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return packet.slice(0, start) + json;
}
