// RFC 6455 §5.2: the frame's header.

import { type Case, expect, Failure } from "../kit/case.ts";
import type { Context } from "../kit/context.ts";
import { hex } from "../kit/conversation.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  encodeFrame,
  type FrameOptions,
  measureFrame,
  PING,
  PONG,
  TEXT,
} from "../kit/websocket.ts";
import {
  NEXT_MESSAGE,
  OWN_RESERVED_BIT,
  PARSE,
  RESERVED_BIT,
  SHORTEST_LENGTH,
  UNKNOWN_OPCODE,
  VALIDATE,
} from "./websocket-sentences.ts";

const KINDS = [
  { kind: "text", opcode: TEXT },
  { kind: "binary", opcode: BINARY },
] as const;

/** Both ends of each form of the length, and what is beside them. */
const SIZES: readonly Case[] = [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537].flatMap(
  (size) =>
    KINDS.map(({ kind, opcode }) => ({
      id: `websocket.framing.${kind}-of-${size}`,
      title: `echoes a ${kind} message of ${size} bytes`,
      ...PARSE,
      clause: "RFC 6455 §5.2",
      severity: "MUST",
      sends: `a ${kind} message of ${size} bytes`,
      expects: "the same message",
      run: async (context) => {
        const peer = await context.websocket();
        const payload = Buffer.alloc(size, "x");
        peer.send({ opcode, payload });
        await peer.expectMessage(opcode === TEXT ? payload.toString() : payload);
      },
    })),
);

/** Each reserved bit, alone and with others, where no extension was agreed on. */
const RESERVED_BITS: readonly Case[] = [1, 2, 3, 4, 5, 6, 7].map((rsv) => ({
  id: `websocket.framing.rsv-${rsv.toString(2).padStart(3, "0")}`,
  title: `fails the connection for the reserved bits ${rsv.toString(2).padStart(3, "0")}`,
  ...RESERVED_BIT,
  severity: "MUST",
  sends: "a text frame with reserved bits that no extension has defined",
  expects: "the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: TEXT, rsv, payload: "reserved" });
    await peer.expectFailed([1002]);
  },
}));

/** The same on every other frame. */
const RESERVED_BITS_ELSEWHERE: readonly Case[] = [
  { kind: "binary", opcode: BINARY },
  { kind: "continuation", opcode: CONTINUATION },
  { kind: "close", opcode: CLOSE },
  { kind: "ping", opcode: PING },
  { kind: "pong", opcode: PONG },
].flatMap(({ kind, opcode }) =>
  [4, 2, 1].map((rsv): Case => {
    const name = { 4: "rsv1", 2: "rsv2", 1: "rsv3" }[rsv] ?? "";
    return {
      id: `websocket.framing.${name}-${kind}`,
      title: `fails the connection for a ${kind} frame with ${name.toUpperCase()}`,
      ...RESERVED_BIT,
      severity: "MUST",
      sends: `a ${kind} frame with ${name.toUpperCase()}, which no extension has defined`,
      expects: "the connection failed with 1002",
      run: async (context) => {
        const peer = await context.websocket();
        if (opcode === CONTINUATION) peer.send({ opcode: BINARY, fin: false, payload: "first" });
        peer.send({ opcode, rsv });
        await peer.expectFailed([1002]);
      },
    };
  }),
);

const RESERVED_OPCODES: readonly Case[] = [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf].flatMap(
  (opcode): readonly Case[] => {
    const name = `0x${opcode.toString(16).toUpperCase()}`;
    const id = `websocket.framing.opcode-${opcode.toString(16)}`;
    const kind = opcode < CLOSE ? "data" : "control";
    const common = {
      ...UNKNOWN_OPCODE,
      severity: "MUST",
      expects: "the connection failed with 1002",
    } as const;
    const reserved: Case = {
      id,
      title: `fails the connection for the reserved ${kind} opcode ${name}`,
      sends: `a frame of the opcode ${name}, and a text message`,
      ...common,
      run: async (context) => {
        const peer = await context.websocket();
        peer.send({ opcode, payload: "reserved" });
        peer.sendText("behind it");
        await peer.expectFailed([1002]);
      },
    };
    // One of each kind where a message is under way as well.
    if (opcode !== 3 && opcode !== 0xb) return [reserved];
    const inside: Case = {
      id: `${id}-inside-message`,
      title: `fails the connection for the reserved ${kind} opcode ${name} inside a fragmented message`,
      sends: `a fragment, a frame of the opcode ${name}, and the last fragment`,
      ...common,
      run: async (context) => {
        const peer = await context.websocket();
        peer.send({ opcode: TEXT, fin: false, payload: "first" });
        peer.send({ opcode });
        peer.send({ opcode: CONTINUATION, payload: "last" });
        await peer.expectFailed([1002]);
      },
    };
    const unfinished: Case = {
      id: `${id}-unfinished`,
      title: `fails the connection for the reserved ${kind} opcode ${name} without FIN`,
      sends: `a frame of the opcode ${name} without FIN`,
      ...common,
      run: async (context) => {
        const peer = await context.websocket();
        peer.send({ opcode, fin: false, payload: "reserved" });
        await peer.expectFailed([1002]);
      },
    };
    return [reserved, inside, unfinished];
  },
);

// "…the minimal number of bytes MUST be used to encode the length" is said to who sends. What such a
// frame means is clear all the same, and no sentence tells the one who reads it to fail: SHOULD.
const NOT_MINIMAL: readonly Case[] = (
  [
    [2, 0],
    [2, 1],
    [2, 125],
    [8, 0],
    [8, 125],
    [8, 126],
    [8, 65_535],
  ] as const
).map(([lengthBytes, size]) => ({
  id: `websocket.framing.length-${size}-in-${lengthBytes * 8}-bits`,
  title: `fails the connection for a length of ${size} written in ${lengthBytes * 8} bits`,
  clause: "RFC 6455 §5.2",
  severity: "SHOULD",
  sends: `a binary frame of ${size} bytes whose length is not in its shortest form`,
  expects: "the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: BINARY, lengthBytes, payload: Buffer.alloc(size) });
    await peer.expectFailed([1002]);
  },
}));

// "…the most significant bit MUST be 0" (§5.2) is said to the sender, and no sentence says what such a frame
// means. A server may find it wrong or too long, or wait for its end, which never comes.
const HIGHEST_BIT: readonly Case[] = [2n ** 63n, 2n ** 63n + 5n, 2n ** 64n - 1n].map((length) => ({
  id: `websocket.framing.length-${length.toString(16)}`,
  title: `fails the connection for the length 0x${length.toString(16)}, whose highest bit is set`,
  ...VALIDATE,
  clause: "RFC 6455 §5.2",
  severity: "MUST",
  silence: "SHOULD",
  sends: "a binary frame with that length and five bytes of payload",
  expects: "the connection failed with 1002 or 1009",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: BINARY, lengthBytes: 8, length, payload: "hello" });
    await peer.expectFailed([1002, 1009]);
  },
}));

/** TCP is a stream: where it is cut means nothing. */
const IN_PIECES: readonly Case[] = [
  { size: 100, piece: 1 },
  { size: 100, piece: 2 },
  { size: 100, piece: 7 },
  { size: 150, piece: 1 },
  { size: 150, piece: 2 },
  { size: 150, piece: 7 },
  { size: 70_000, piece: 1009 },
  { size: 70_000, piece: 20_011 },
].map(({ size, piece }) => ({
  id: `websocket.framing.text-of-${size}-in-pieces-of-${piece}`,
  title: `echoes a message of ${size} bytes that arrives in pieces of ${piece}`,
  ...PARSE,
  clause: "RFC 6455 §5.2",
  severity: "MUST",
  sends: `a text frame of ${size} bytes in TCP segments of ${piece}`,
  expects: "the same message",
  run: async (context) => {
    const peer = await context.websocket();
    const payload = digits(size);
    await peer.sendInPieces({ opcode: TEXT, payload }, piece);
    await peer.expectMessage(payload);
  },
}));

/** A text that shows bytes which are lost, repeated or in another order. */
function digits(size: number): string {
  return "0123456789abcdefghijklmnopqrstuvwxyz-".repeat(Math.ceil(size / 37)).slice(0, size);
}

/** Each form of the header, cut in two at every place of it. */
const SPLIT_HEADERS: readonly Case[] = [
  { bits: 7, size: 20, header: 6 },
  { bits: 16, size: 300, header: 8 },
  { bits: 64, size: 66_000, header: 14 },
].map(({ bits, size, header }) => ({
  id: `websocket.framing.header-of-${bits}-bits-split`,
  title: `reads a header with a length of ${bits} bits wherever it is split`,
  ...PARSE,
  clause: "RFC 6455 §5.2",
  severity: "MUST",
  sends: `${header} messages of ${size} bytes, the header of each split in another place`,
  expects: "the same messages",
  run: async (context) => {
    const peer = await context.websocket();
    const payload = digits(size);
    for (let at = 1; at <= header; at++) {
      const frame = encodeFrame({ opcode: TEXT, payload });
      await peer.sendBytesInPieces(frame.subarray(0, at), "the beginning of a frame", at);
      peer.sendBytes(frame.subarray(at), "the rest of it");
      await peer.expectMessage(payload);
    }
  },
}));

const SEVERAL_AT_ONCE: readonly Case[] = [2, 100].map((count) => ({
  id: `websocket.framing.${count}-messages-at-once`,
  title: `echoes ${count} messages that arrive at once, in their order`,
  ...NEXT_MESSAGE,
  clause: "RFC 6455 §5.2",
  severity: "MUST",
  sends: `${count} text messages in one write`,
  expects: "the same messages in the same order",
  run: async (context) => {
    const peer = await context.websocket();
    const texts = Array.from({ length: count }, (_, i) => `message ${i}`);
    const frames = texts.map((payload) => encodeFrame({ opcode: TEXT, payload }));
    peer.sendBytes(Buffer.concat(frames), `${count} text frames`);
    for (const text of texts) await peer.expectMessage(text);
  },
}));

/** The bytes of the next frame, as they are. */
async function frameOf(context: Context, sent: FrameOptions): Promise<Uint8Array> {
  const peer = await context.websocket();
  peer.need("websocket-echo");
  peer.send(sent);
  const frame = await peer.tcp.next(measureFrame);
  if (frame === undefined) throw new Failure("a frame", "the end of the connection");
  context.conversation.received(frame, `a frame of ${frame.length} bytes`);
  return frame;
}

const SERVER_LENGTHS: readonly Case[] = [0, 125, 126, 65_535, 65_536].map((size) => ({
  id: `websocket.framing.server-length-${size}`,
  title: `writes a length of ${size} in its shortest form`,
  ...SHORTEST_LENGTH,
  severity: "MUST",
  sends: `a binary message of ${size} bytes`,
  expects: "a frame whose length takes the fewest bytes",
  run: async (context) => {
    const frame = await frameOf(context, { opcode: BINARY, payload: Buffer.alloc(size) });
    const form = (frame[1] ?? 0) & 0x7f;
    const view = new DataView(frame.buffer, frame.byteOffset);
    // A server may send a message in fragments: each has a length of its own.
    const shortest =
      form < 126 || (form === 126 ? view.getUint16(2) >= 126 : view.getBigUint64(2) >= 65_536n);
    expect(shortest, "the shortest form", hex(frame, 10));
  },
}));

const SERVER_BITS: Case = {
  id: "websocket.framing.server-rsv",
  title: "sets no reserved bit where no extension was agreed on",
  ...OWN_RESERVED_BIT,
  severity: "MUST",
  sends: "a text message that could be compressed",
  expects: "a frame without RSV1 to RSV3",
  run: async (context) => {
    const [first = 0] = await frameOf(context, { opcode: TEXT, payload: "x".repeat(5000) });
    expect((first & 0x70) === 0, "no reserved bit", hex(Buffer.of(first)));
  },
};

export const FRAMING: readonly Case[] = [
  ...SIZES,
  ...RESERVED_BITS,
  ...RESERVED_BITS_ELSEWHERE,
  ...RESERVED_OPCODES,
  ...NOT_MINIMAL,
  ...HIGHEST_BIT,
  ...IN_PIECES,
  ...SPLIT_HEADERS,
  ...SEVERAL_AT_ONCE,
  ...SERVER_LENGTHS,
  SERVER_BITS,
];
