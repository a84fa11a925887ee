// The frame: RFC 6455 §5.2, "Base Framing Protocol".
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-------+-+-------------+-------------------------------+
//   |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//   |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
//   |N|V|V|V|       |S|             |   (if payload len==126/127)   |
//   | |1|2|3|       |K|             |                               |
//   +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//   |     Extended payload length continued, if payload len == 127  |
//   + - - - - - - - - - - - - - - - +-------------------------------+
//   |                               |Masking-key, if MASK set to 1  |
//   +-------------------------------+-------------------------------+
//   | Masking-key (continued)       |          Payload Data         |
//   +-------------------------------- - - - - - - - - - - - - - - - +

import { allocateUnfilled, type Bytes, utf8Length, writeUtf8 } from "../bytes.ts";
import { mask, readKey } from "./mask.ts";

// First byte.
export const FIN = 0x80;
export const RSV1 = 0x40;
export const RSV2_RSV3 = 0x30;
export const OPCODE = 0x0f;

// Second byte.
export const MASK = 0x80;
export const LENGTH = 0x7f;
export const LENGTH_16 = 126;
export const LENGTH_64 = 127;

// Opcodes (RFC 6455 §11.8).
export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

/** RFC 6455 §5.5: "All control frames MUST have a payload length of 125 bytes or less". */
export const MAX_CONTROL_PAYLOAD = 125;

/** Which end of the connection an endpoint is; it decides who masks (RFC 6455 §5.1). */
export type Role = "client" | "server";

/** Control frames have the highest bit of the opcode set (RFC 6455 §5.5). */
export function isControl(opcode: number): boolean {
  return opcode >= CLOSE;
}

// RFC 6455 §5.2: "%x3-7 are reserved for further non-control frames", "%xB-F … for further control frames".
/** Returns whether an opcode is reserved. */
export function isReserved(opcode: number): boolean {
  return opcode > PONG || (opcode > BINARY && opcode < CLOSE);
}

/** How many bytes the header of an unmasked frame takes: the length is written in its shortest form. */
export function headerLength(payloadLength: number): number {
  return payloadLength < LENGTH_16 ? 2 : payloadLength < 0x1_0000 ? 4 : 10;
}

/**
 * One frame that ends its message, ready for the wire, with room left for the masking key and
 * the payload behind it.
 *
 * @param first the first byte: FIN, RSV1 and the opcode
 * @param masked whether four bytes for a masking key are left in front of the payload
 */
function startFrame(first: number, payloadLength: number, masked: boolean): Bytes {
  const frame = allocateUnfilled(headerLength(payloadLength) + (masked ? 4 : 0) + payloadLength);
  writeHeader(frame, first, payloadLength, masked);
  return frame;
}

/** Writes the first bytes of a frame, up to the masking key, in the shortest form (RFC 6455 §5.2). */
export function writeHeader(
  frame: Bytes,
  first: number,
  payloadLength: number,
  masked: boolean,
): void {
  const header = headerLength(payloadLength);
  frame[0] = first;
  const mask = masked ? MASK : 0;
  if (header === 2) {
    frame[1] = mask | payloadLength;
  } else if (header === 4) {
    frame[1] = mask | LENGTH_16;
    frame[2] = payloadLength >>> 8;
    frame[3] = payloadLength & 0xff;
  } else {
    frame[1] = mask | LENGTH_64;
    const high = Math.floor(payloadLength / 0x1_0000_0000);
    for (let i = 0; i < 4; i++) {
      frame[2 + i] = (high >>> (24 - 8 * i)) & 0xff;
      frame[6 + i] = (payloadLength >>> (24 - 8 * i)) & 0xff;
    }
  }
}

/** What fills a masking key. RFC 6455 §5.3: it "MUST be derived from a strong source of entropy". */
export type RandomFill = (key: Bytes) => void;

/**
 * One unfragmented frame around bytes (RFC 6455 §5.2).
 *
 * @param first the first byte: FIN, RSV1 and the opcode
 * @param randomFill given by a client: the frame is masked with a fresh key (RFC 6455 §5.3)
 */
export function encodeFrame(first: number, payload: Bytes, randomFill?: RandomFill): Bytes {
  const frame = startFrame(first, payload.length, randomFill !== undefined);
  const start = frame.length - payload.length;
  frame.set(payload, start);
  if (randomFill !== undefined) maskPayload(frame, start, randomFill);
  return frame;
}

/** One unfragmented text frame (RFC 6455 §5.6). Does not copy the text's bytes, as encodeFrame() would. */
export function encodeTextFrame(text: string, randomFill?: RandomFill): Bytes {
  const length = utf8Length(text);
  const frame = startFrame(FIN | TEXT, length, randomFill !== undefined);
  const start = frame.length - length;
  writeUtf8(frame, text, start);
  if (randomFill !== undefined) maskPayload(frame, start, randomFill);
  return frame;
}

function maskPayload(frame: Bytes, start: number, randomFill: RandomFill): void {
  randomFill(frame.subarray(start - 4, start));
  mask(frame, readKey(frame, start - 4), start, frame.length);
}
