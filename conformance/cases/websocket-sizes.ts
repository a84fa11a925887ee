// Messages up to the limit of the server under test, which is 16 MiB, and beyond it.

import type { Case } from "../kit/case.ts";
import { BINARY, CONTINUATION, encodeFrame, TEXT, type WebSocketPeer } from "../kit/websocket.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** What the target must take, and no more (docs/conformance.md). */
const LIMIT = 16 * MIB;

const KINDS = [
  { kind: "text", opcode: TEXT },
  { kind: "binary", opcode: BINARY },
] as const;

type Kind = (typeof KINDS)[number];

/** A text of characters of three bytes and some of one, or bytes that are no text. */
function filled({ opcode }: Kind, size: number): Uint8Array {
  if (opcode === BINARY) return Buffer.alloc(size, Buffer.of(0, 0xff, 0x80, 7, 0xc0));
  return Buffer.concat([Buffer.alloc(size % 3, "x"), Buffer.alloc(size - (size % 3), "€")]);
}

function sendFragments(
  peer: WebSocketPeer,
  opcode: number,
  payload: Uint8Array,
  size: number,
): void {
  const frames: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const fin = at + size >= payload.length;
    const piece = payload.subarray(at, at + size);
    frames.push(encodeFrame({ opcode: at === 0 ? opcode : CONTINUATION, fin, payload: piece }));
  }
  peer.sendBytes(Buffer.concat(frames), `${frames.length} fragments of ${size} bytes`);
}

async function expectSame(peer: WebSocketPeer, opcode: number, payload: Uint8Array): Promise<void> {
  await peer.expectMessage(opcode === TEXT ? Buffer.from(payload).toString() : payload);
}

// What takes the kit itself long would keep it from the cases beside it: it runs alone.
const WHOLE: readonly Case[] = [
  { size: 256 * KIB, name: "256-kib", words: "256 KiB" },
  { size: MIB, name: "1-mib", words: "1 MiB" },
  { size: 4 * MIB, name: "4-mib", words: "4 MiB" },
  { size: LIMIT, name: "16-mib", words: "16 MiB, the limit" },
].flatMap(({ size, name, words }) =>
  KINDS.map((kind) => ({
    id: `websocket.sizes.${kind.kind}-${name}`,
    title: `echoes a ${kind.kind} message of ${words} in one frame`,
    clause: "RFC 6455 §5.2",
    severity: "SHOULD",
    sends: `a ${kind.kind} frame of ${size} bytes`,
    alone: size > MIB,
    expects: "the same message",
    run: async (context) => {
      const peer = await context.websocket();
      peer.need("websocket-echo");
      const payload = filled(kind, size);
      peer.send({ opcode: kind.opcode, payload });
      await expectSame(peer, kind.opcode, payload);
    },
  })),
);

const FRAGMENTED: readonly Case[] = [
  { size: MIB, piece: 64, name: "1-mib-in-64" },
  { size: MIB, piece: 4 * KIB, name: "1-mib-in-4-kib" },
  { size: 4 * MIB, piece: 64 * KIB, name: "4-mib-in-64-kib" },
  { size: LIMIT, piece: MIB, name: "16-mib-in-1-mib" },
].flatMap(({ size, piece, name }) =>
  KINDS.map((kind) => ({
    id: `websocket.sizes.fragmented-${kind.kind}-${name}`,
    title: `echoes a ${kind.kind} message of ${size / MIB} MiB in fragments of ${piece} bytes`,
    clause: "RFC 6455 §5.4",
    severity: "SHOULD",
    sends: `a ${kind.kind} message of ${size} bytes in ${size / piece} fragments`,
    alone: size > MIB,
    expects: "the same message",
    run: async (context) => {
      const peer = await context.websocket();
      peer.need("websocket-echo");
      const payload = filled(kind, size);
      sendFragments(peer, kind.opcode, payload, piece);
      await expectSame(peer, kind.opcode, payload);
    },
  })),
);

const IN_PIECES: readonly Case[] = [
  { size: 256 * KIB, piece: 4099 },
  { size: MIB, piece: 16_411 },
].flatMap(({ size, piece }) =>
  KINDS.map((kind) => ({
    id: `websocket.sizes.${kind.kind}-${size / KIB}-kib-in-pieces-of-${piece}`,
    title: `echoes a ${kind.kind} message of ${size / KIB} KiB that arrives in pieces of ${piece} bytes`,
    clause: "RFC 6455 §5.2",
    severity: "SHOULD",
    sends: `a ${kind.kind} frame of ${size} bytes in TCP segments of ${piece}`,
    expects: "the same message",
    run: async (context) => {
      const peer = await context.websocket();
      peer.need("websocket-echo");
      const payload = filled(kind, size);
      await peer.sendInPieces({ opcode: kind.opcode, payload }, piece);
      await expectSame(peer, kind.opcode, payload);
    },
  })),
);

/** §10.4: "Implementations … MUST impose limits on frame sizes and the total message size", where they have some. */
const TOO_LARGE: readonly Case[] = KINDS.map((kind) => ({
  id: `websocket.sizes.${kind.kind}-beyond-limit`,
  title: `fails the connection for a ${kind.kind} message that is one byte beyond the limit`,
  clause: "RFC 6455 §10.4",
  severity: "SHOULD",
  sends: `a ${kind.kind} frame of 16 MiB and one byte`,
  expects: "the connection failed with 1009",
  alone: true,
  run: async (context) => {
    const peer = await context.websocket();
    peer.need("websocket-limit");
    peer.send({ opcode: kind.opcode, payload: filled(kind, LIMIT + 1) });
    await peer.expectFailed([1009]);
  },
}));

const CLAIMED: readonly Case[] = [
  { length: BigInt(LIMIT + 1), name: "16-mib-and-1", words: "16 MiB and one byte" },
  { length: 2n ** 32n, name: "4-gib", words: "4 GiB" },
  { length: 2n ** 53n, name: "8-pib", words: "8 PiB" },
  { length: 2n ** 63n - 1n, name: "most", words: "2^63 - 1 bytes, the most there may be" },
].map(({ length, name, words }) => ({
  id: `websocket.sizes.claimed-${name}`,
  title: `fails the connection for a frame that claims ${words}, before its payload comes`,
  clause: "RFC 6455 §10.4",
  severity: "SHOULD",
  sends: "the header of a binary frame with that length",
  expects: "the connection failed with 1009",
  run: async (context) => {
    const peer = await context.websocket();
    peer.need("websocket-limit");
    const frame = encodeFrame({ opcode: BINARY, lengthBytes: 8, length });
    peer.sendBytes(frame, `the header of a binary frame of ${length} bytes`);
    await peer.expectFailed([1009]);
  },
}));

const FRAGMENTS_TOO_LARGE: readonly Case[] = [
  {
    id: "websocket.sizes.fragments-beyond-limit",
    title: "fails the connection for fragments that are beyond the limit together",
    clause: "RFC 6455 §10.4",
    severity: "SHOULD",
    sends: "17 fragments of 1 MiB",
    expects: "the connection failed with 1009",
    alone: true,
    run: async (context) => {
      const peer = await context.websocket();
      peer.need("websocket-limit");
      sendFragments(peer, BINARY, Buffer.alloc(17 * MIB), MIB);
      await peer.expectFailed([1009]);
    },
  },
  {
    id: "websocket.sizes.last-fragment-beyond-limit",
    title:
      "fails the connection for a last fragment that claims what is beyond the limit with the first",
    clause: "RFC 6455 §10.4",
    severity: "SHOULD",
    sends: "a fragment of 1 byte, and the header of one of 16 MiB",
    expects: "the connection failed with 1009",
    run: async (context) => {
      const peer = await context.websocket();
      peer.need("websocket-limit");
      peer.send({ opcode: BINARY, fin: false, payload: "x" });
      const frame = encodeFrame({ opcode: CONTINUATION, lengthBytes: 8, length: LIMIT });
      peer.sendBytes(frame, "the header of a continuation frame of 16 MiB");
      await peer.expectFailed([1009]);
    },
  },
];

const SEVERAL: Case = {
  id: "websocket.sizes.limit-is-of-one-message",
  title: "takes messages that are beyond the limit only together",
  clause: "RFC 6455 §10.4",
  severity: "SHOULD",
  sends: "20 binary messages of 1 MiB",
  expects: "the same messages",
  alone: true,
  run: async (context) => {
    const peer = await context.websocket();
    peer.need("websocket-echo");
    const payload = Buffer.alloc(MIB, 0xa5);
    for (let i = 0; i < 20; i++) {
      peer.sendBinary(payload);
      await peer.expectMessage(payload);
    }
  },
};

export const SIZES: readonly Case[] = [
  ...WHOLE,
  ...FRAGMENTED,
  ...IN_PIECES,
  ...TOO_LARGE,
  ...CLAIMED,
  ...FRAGMENTS_TOO_LARGE,
  SEVERAL,
];
