// Writes and reads WebSocket frames for tests and the bench, without the code under test. A frame has any header bits,
// is masked or unmasked, and has the shortest length form. The conformance kit has its own writer, which supports every
// length form.

import { Buffer } from "node:buffer";

export interface FrameOptions {
  /** RSV1 to RSV3 as a number from 0 to 7, with RSV1 as the highest bit. */
  readonly rsv?: number;
  readonly fin?: boolean;
  /** The masking key. Default: the frame is not masked. */
  readonly key?: Uint8Array;
}

/** Encodes one frame. A string payload is encoded as UTF-8. */
export function frame(
  opcode: number,
  payload: Uint8Array | string = "",
  { rsv = 0, fin = true, key }: FrameOptions = {},
): Buffer {
  const data = Buffer.from(payload);
  const length = Buffer.alloc(data.length < 126 ? 1 : data.length < 65536 ? 3 : 9);
  if (length.length === 1) {
    length[0] = data.length;
  } else if (length.length === 3) {
    length[0] = 126;
    length.writeUInt16BE(data.length, 1);
  } else {
    length[0] = 127;
    length.writeBigUInt64BE(BigInt(data.length), 1);
  }
  const head = Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode]), length]);
  if (key === undefined) return Buffer.concat([head, data]);
  head.writeUInt8(head.readUInt8(1) | 0x80, 1);
  for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) ^ (key[i % 4] ?? 0);
  return Buffer.concat([head, key, data]);
}

export interface ReadFrame {
  readonly first: number;
  readonly masked: boolean;
  readonly payload: Buffer;
}

/** Decodes `input`, which must contain only complete frames. */
export function readFrames(input: Uint8Array): ReadFrame[] {
  const bytes = Buffer.from(input);
  const frames: ReadFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes.readUInt8(at);
    const second = bytes.readUInt8(at + 1);
    let length = second & 0x7f;
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    const masked = second >= 0x80;
    const key = masked ? bytes.subarray(at, at + 4) : Buffer.alloc(4);
    if (masked) at += 4;
    if (at + length > bytes.length) throw new RangeError("the last frame is cut off");
    const payload = Buffer.from(bytes.subarray(at, at + length));
    for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (key[i % 4] ?? 0);
    frames.push({ first, masked, payload });
    at += length;
  }
  return frames;
}

const NAMES = new Map([
  [0x0, "continuation"],
  [0x1, "text"],
  [0x2, "binary"],
  [0x8, "close"],
  [0x9, "ping"],
  [0xa, "pong"],
]);

/** Describes a frame or message in one line: `"text Hello"`, `"binary 00 ff"`, `"close 1000"`. */
export function describe(opcode: number, payload: Uint8Array): string {
  const bytes = Buffer.from(payload);
  const name = NAMES.get(opcode) ?? `opcode ${opcode}`;
  if (name === "close") {
    if (bytes.length < 2) return bytes.length === 0 ? name : `${name} ${hex(bytes)}`;
    return `${name} ${bytes.readUInt16BE(0)} ${bytes.toString("utf8", 2)}`.trimEnd();
  }
  const says = name === "binary" ? hex(bytes) : bytes.toString();
  return says === "" ? name : `${name} ${says}`;
}

/** Describes each frame of `input` in one line. "cut" marks a frame without FIN, "rsv" marks reserved bits. */
export function describeFrames(input: Uint8Array): string[] {
  return readFrames(input).map(({ first, payload }) => {
    const marks = (first & 0x80 ? "" : "cut ") + (first & 0x70 ? "rsv " : "");
    return marks + describe(first & 0x0f, payload);
  });
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex").replace(/..(?!$)/g, "$& ");
}
