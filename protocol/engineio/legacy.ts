// Legacy clients, Socket.IO 1.x and 2.x, speak revision 3 of Engine.IO: the differences from
// revision 4 in packets and payloads. Engine.IO 3 "Encoding".
//
//   over WebSocket   text as in revision 4; bytes with the type in front:  04 01 02 03
//   as base64        "b", the type, the bytes:                            b4AQID
//   text payload     length ":" packet, length in UTF-16 code units:      6:4hello2:2a
//   binary payload   for each packet 00 (text) or 01 (bytes), the digits of its length in bytes as
//                    bytes of 0 to 9, FF, and the packet:  00 06 ff "4hello" 01 04 ff 04 01 02 03
//
// Clients 1.x encode each text of a text payload in UTF-8 themselves, and HTTP encodes the body again;
// clients 2.x leave it to HTTP. The lengths count the characters of the body in both. In binary
// payloads and over WebSocket, both encode texts once. Which version a client is stands nowhere in its
// requests, and whether it can receive bytes tells nothing: in a browser, both send a text payload
// whenever none of its packets holds bytes. TextPayloads infers the encoding from what the client sends.

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
 * Encodes packets as a binary payload, which clients 1.x and 2.x read alike.
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
 * The text payloads of one client: finds out whether it encodes texts once (2.x) or twice (1.x), from the
 * payloads that it sends.
 *
 * A payload has been encoded twice if its characters can be the bytes of UTF-8. If they cannot, the
 * client encodes once, and so do all its later payloads. What remains ambiguous is a client 2.x all of whose
 * non-ASCII characters so far look like UTF-8, such as "Ã©": it is mistaken for a client 1.x that sent "é".
 */
export class TextPayloads {
  #encoding: "unknown" | "once" | "twice" = "unknown";

  /**
   * Encodes packets as a text payload. Where the client's encoding is unknown, only the name of a namespace
   * can be misread, because JSON is sent in ASCII.
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

  /** Yields the packets of a text payload in order. Throws a ProtocolError at the first invalid packet. */
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

/** CONNECT or DISCONNECT of a namespace: only clients 2.x end it with a comma. */
const COMMA_OF_2 = /^4[01]\/[^?,]*,$/;

/** Yields the texts of a text payload's packets. */
function* splitPayload(body: string): Generator<string, void, undefined> {
  if (body === "") throw new ProtocolError("EMPTY_PACKET");
  // A payload of no packets.
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

/** Yields the packets of a binary payload in order. Throws a ProtocolError at the first invalid packet. */
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

/** Encodes a text in UTF-8, each byte as a character. */
function encodeOnceMore(text: string): string {
  if (isAscii(text)) return text;
  return Array.from(encodeUtf8(text), (byte) => String.fromCharCode(byte)).join("");
}

/** Decodes a text whose characters are the bytes of UTF-8. Returns `undefined` if they are not. */
export function decodeOnceMore(text: string): string | undefined {
  if (/[^\0-\xff]/.test(text)) return undefined;
  // Uint8Array.from() takes twenty times as long, and a peer says how often.
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return decodeUtf8(bytes);
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
