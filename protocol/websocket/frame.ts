// Encodes frames. RFC 6455 §5.2, "Base Framing Protocol":
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

/** The bit of the first byte that is set in the last frame of a message (RFC 6455 §5.2). */
export const FIN = 0x80;
/** The bit of the first byte that is set in the first frame of a compressed message (RFC 7692 §6). */
export const RSV1 = 0x40;
/** The reserved bits of the first byte that no supported extension uses (RFC 6455 §5.2). */
export const RSV2_RSV3 = 0x30;
/** The bits of the first byte that contain the opcode (RFC 6455 §5.2). */
export const OPCODE = 0x0f;

/** The bit of the second byte that is set if the payload is masked (RFC 6455 §5.2). */
export const MASK = 0x80;
/** The bits of the second byte that contain the payload length (RFC 6455 §5.2). */
export const LENGTH = 0x7f;
/** The payload length in the second byte if the next 16 bits contain the length (RFC 6455 §5.2). */
export const LENGTH_16 = 126;
/** The payload length in the second byte if the next 64 bits contain the length (RFC 6455 §5.2). */
export const LENGTH_64 = 127;

/** The opcode of a continuation frame (RFC 6455 §11.8). */
export const CONTINUATION = 0x0;
/** The opcode of a text frame (RFC 6455 §11.8). */
export const TEXT = 0x1;
/** The opcode of a binary frame (RFC 6455 §11.8). */
export const BINARY = 0x2;
/** The opcode of a close frame (RFC 6455 §11.8). */
export const CLOSE = 0x8;
/** The opcode of a ping frame (RFC 6455 §11.8). */
export const PING = 0x9;
/** The opcode of a pong frame (RFC 6455 §11.8). */
export const PONG = 0xa;

/**
 * The largest payload of a control frame, in bytes. RFC 6455 §5.5: "All control frames MUST have a payload length of
 * 125 bytes or less".
 */
export const MAX_CONTROL_PAYLOAD = 125;

/** The role of one end of a connection. The client masks its frames, and the server does not (RFC 6455 §5.1). */
export type Role = "client" | "server";

/**
 * Returns whether an opcode belongs to a control frame: the highest bit of the opcode is set (RFC 6455 §5.5).
 *
 * @param opcode the opcode, 0 to 15
 */
export function isControl(opcode: number): boolean {
  return opcode >= CLOSE;
}

/**
 * Returns whether an opcode is reserved.
 *
 * RFC 6455 §5.2: "%x3-7 are reserved for further non-control frames", "%xB-F … for further control frames".
 *
 * @param opcode the opcode, 0 to 15
 */
export function isReserved(opcode: number): boolean {
  return opcode > PONG || (opcode > BINARY && opcode < CLOSE);
}

/**
 * Returns the length of the header of an unmasked frame, in bytes. The header has the shortest form of the payload
 * length (RFC 6455 §5.2).
 *
 * @param payloadLength the length of the payload in bytes
 */
export function headerLength(payloadLength: number): number {
  return payloadLength < LENGTH_16 ? 2 : payloadLength < 0x1_0000 ? 4 : 10;
}

/**
 * Allocates a frame and writes its header. The caller fills in the masking key and the payload.
 *
 * @param first the first byte: FIN, RSV1 and the opcode
 * @param masked whether the frame has room for a masking key of four bytes before the payload
 */
function startFrame(first: number, payloadLength: number, masked: boolean): Bytes {
  const frame = allocateUnfilled(headerLength(payloadLength) + (masked ? 4 : 0) + payloadLength);
  writeHeader(frame, first, payloadLength, masked);
  return frame;
}

/**
 * Writes the header of a frame, up to the masking key. The payload length has its shortest form (RFC 6455 §5.2).
 *
 * @param frame the frame, which has room for headerLength() bytes
 * @param first the first byte: FIN, RSV1 and the opcode
 * @param payloadLength the length of the payload in bytes
 * @param masked whether the MASK bit is set
 */
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

/**
 * Fills a masking key with random bytes. RFC 6455 §5.3: the key "MUST be derived from a strong source of entropy".
 *
 * @param key the bytes to fill with random values
 */
export type RandomFill = (key: Bytes) => void;

/**
 * Encodes one frame (RFC 6455 §5.2).
 *
 * @param first the first byte: FIN, RSV1 and the opcode
 * @param payload the payload, which is copied
 * @param randomFill fills a new masking key for the frame of a client (RFC 6455 §5.3). Default: the frame is not
 * masked.
 */
export function encodeFrame(first: number, payload: Bytes, randomFill?: RandomFill): Bytes {
  const frame = startFrame(first, payload.length, randomFill !== undefined);
  const start = frame.length - payload.length;
  frame.set(payload, start);
  if (randomFill !== undefined) maskPayload(frame, start, randomFill);
  return frame;
}

/**
 * Encodes a text message as one frame (RFC 6455 §5.6). Writes the text directly into the frame, which saves the copy
 * that encodeFrame() makes.
 *
 * @param text the text of the message
 * @param randomFill fills a new masking key for the frame of a client (RFC 6455 §5.3). Default: the frame is not
 * masked.
 */
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
