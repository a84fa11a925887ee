// RFC 6455 §5.1 and §5.3: a client masks, a server does not.

import { type Case, expect } from "../kit/case.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closePayload,
  encodeFrame,
  type FrameOptions,
  measureFrame,
  PING,
  PONG,
  TEXT,
} from "../kit/websocket.ts";
import { NEVER_MASKS, NOT_MASKED, UNMASK } from "./websocket-sentences.ts";

interface Unmasked {
  readonly id: string;
  readonly what: string;
  readonly before?: FrameOptions;
  readonly frame: FrameOptions;
}

// "The server MUST close the connection upon receiving a frame that is not masked" (§5.1); of the
// code 1002 it says MAY.
const UNMASKED: readonly Case[] = [
  { id: "framing.unmasked", what: "a text frame", frame: { opcode: TEXT, payload: "bare" } },
  { id: "masking.unmasked-empty", what: "an empty text frame", frame: { opcode: TEXT } },
  {
    id: "masking.unmasked-binary",
    what: "a binary frame",
    frame: { opcode: BINARY, payload: Buffer.alloc(300) },
  },
  {
    id: "masking.unmasked-continuation",
    what: "a continuation frame",
    before: { opcode: TEXT, fin: false, payload: "masked" },
    frame: { opcode: CONTINUATION, payload: "bare" },
  },
  { id: "masking.unmasked-ping", what: "a ping", frame: { opcode: PING, payload: "bare" } },
  { id: "masking.unmasked-pong", what: "a pong", frame: { opcode: PONG, payload: "bare" } },
  {
    id: "masking.unmasked-close",
    what: "a close frame",
    // Its own code would be echoed, if it were taken.
    frame: { opcode: CLOSE, payload: closePayload(1000) },
  },
].map(
  ({ id, what, before, frame }: Unmasked): Case => ({
    id: `websocket.${id}`,
    title: `fails the connection for ${what} that is not masked`,
    ...NOT_MASKED,
    severity: "MUST",
    sends: `${what} without a mask`,
    expects: "the connection failed with 1002",
    run: async (context) => {
      const peer = await context.websocket();
      if (before !== undefined) peer.send(before);
      peer.send({ ...frame, masked: false });
      await peer.expectFailed([1002], "INFO");
    },
  }),
);

const UNMASKED_LATER: Case = {
  id: "websocket.masking.unmasked-after-masked",
  title: "fails the connection for a frame that is not masked behind others that were",
  ...NOT_MASKED,
  severity: "MUST",
  sends: "a masked text frame, and one without a mask",
  expects: "the first message, and the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    peer.sendText("masked");
    await peer.expectMessage("masked");
    peer.send({ opcode: TEXT, payload: "bare", masked: false });
    await peer.expectFailed([1002], "INFO");
  },
};

const TEXT_OF_KEYS = "Masking is no secret.";

const KEYS: readonly Case[] = [
  { name: "00000000", what: "of zeros, which changes nothing" },
  { name: "ffffffff", what: "of ones" },
  { name: "00000001", what: "that changes each fourth byte alone" },
  { name: "80808080", what: "that makes ASCII look like no UTF-8" },
  { name: "12345678", what: "of four bytes" },
].map(({ name, what }) => ({
  id: `websocket.masking.key-${name}`,
  title: `unmasks with a key ${what}`,
  ...UNMASK,
  clause: "RFC 6455 §5.3",
  severity: "MUST",
  sends: `a text message masked with ${name}`,
  expects: "the same message",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: TEXT, payload: TEXT_OF_KEYS, key: Buffer.from(name, "hex") });
    await peer.expectMessage(TEXT_OF_KEYS);
  },
}));

const OTHER_KEYS: readonly Case[] = [
  {
    id: "websocket.masking.key-is-payload",
    title: "unmasks a payload that is all zeros on the wire",
    ...UNMASK,
    clause: "RFC 6455 §5.3",
    severity: "MUST",
    sends: 'the text "keykkeykkeyk" masked with "keyk"',
    expects: "the same message",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: TEXT, payload: "keykkeykkeyk", key: Buffer.from("keyk") });
      await peer.expectMessage("keykkeykkeyk");
    },
  },
  {
    id: "websocket.masking.key-in-each-fragment",
    title: "begins with the first byte of the key anew in each fragment",
    ...UNMASK,
    clause: "RFC 6455 §5.3",
    severity: "MUST",
    sends: "a text message in fragments of 1, 2, 3 and 5 bytes, each with a key of its own",
    expects: "the same message",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: TEXT, fin: false, payload: "a" });
      peer.send({ opcode: CONTINUATION, fin: false, payload: "bc" });
      peer.send({ opcode: CONTINUATION, fin: false, payload: "def" });
      peer.send({ opcode: CONTINUATION, payload: "ghijk" });
      await peer.expectMessage("abcdefghijk");
    },
  },
  {
    id: "websocket.masking.every-alignment",
    title: "unmasks payloads of every length up to 40 bytes, wherever they lie",
    ...UNMASK,
    clause: "RFC 6455 §5.3",
    severity: "MUST",
    sends: "40 binary messages of 1 to 40 bytes in one write",
    expects: "the same messages",
    run: async (context) => {
      const peer = await context.websocket();
      const payloads = Array.from({ length: 40 }, (_, i) => Buffer.alloc(i + 1, i));
      const frames = payloads.map((payload) => encodeFrame({ opcode: BINARY, payload }));
      peer.sendBytes(Buffer.concat(frames), "40 binary frames");
      for (const payload of payloads) await peer.expectMessage(payload);
    },
  },
  {
    id: "websocket.masking.every-cut",
    title: "unmasks a payload that is cut in two anywhere",
    ...UNMASK,
    clause: "RFC 6455 §5.3",
    severity: "MUST",
    sends: "a binary message of 13 bytes 12 times, cut behind each of its bytes",
    expects: "the same messages",
    run: async (context) => {
      const peer = await context.websocket();
      const payload = Buffer.from("thirteen byte");
      for (let at = 1; at < payload.length; at++) {
        const frame = encodeFrame({ opcode: BINARY, payload });
        const header = frame.length - payload.length;
        await peer.sendBytesInPieces(frame.subarray(0, header + at), "a part", header + at);
        peer.sendBytes(frame.subarray(header + at), "the rest of it");
        await peer.expectMessage(payload);
      }
    },
  },
  {
    id: "websocket.masking.large",
    title: "unmasks 100,003 bytes, of which each is another than its neighbours",
    ...UNMASK,
    clause: "RFC 6455 §5.3",
    severity: "MUST",
    sends: "a binary message of 100,003 bytes",
    expects: "the same message",
    run: async (context) => {
      const peer = await context.websocket();
      const payload = Buffer.from(Uint8Array.from({ length: 100_003 }, (_, i) => i * 31));
      peer.sendBinary(payload);
      await peer.expectMessage(payload);
    },
  },
];

/** "A server MUST NOT mask any frames that it sends to the client." */
const SERVER: readonly Case[] = [
  { kind: "text", sent: { opcode: TEXT, payload: "hello" }, answer: TEXT },
  { kind: "binary", sent: { opcode: BINARY, payload: "hello" }, answer: BINARY },
  { kind: "pong", sent: { opcode: PING, payload: "hello" }, answer: PONG },
  { kind: "close", sent: { opcode: CLOSE, payload: closePayload(1000) }, answer: CLOSE },
].map(({ kind, sent, answer }) => ({
  id: `websocket.masking.server-${kind}`,
  title: `does not mask its ${kind} frames`,
  ...NEVER_MASKS,
  severity: "MUST",
  sends: "what is answered with such a frame",
  expects: `a ${kind} frame without a mask`,
  run: async (context) => {
    const peer = await context.websocket();
    if (answer === TEXT || answer === BINARY) peer.need("websocket-echo");
    peer.send(sent);
    const frame = (await peer.tcp.next(measureFrame)) ?? new Uint8Array(0);
    context.conversation.received(frame, `a frame of ${frame.length} bytes`);
    const [first = 0, second = 0] = frame;
    expect((first & 0xf) === answer, `a ${kind} frame`, `opcode ${first & 0xf}`);
    expect((second & 0x80) === 0, "an unmasked frame", "a masked one");
  },
}));

export const MASKING: readonly Case[] = [
  ...UNMASKED,
  UNMASKED_LATER,
  ...KEYS,
  ...OTHER_KEYS,
  ...SERVER,
];
