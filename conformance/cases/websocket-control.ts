// RFC 6455 §5.5: pings, pongs and what all control frames have in common.

import { type Case, expect, Failure } from "../kit/case.ts";
import { wait } from "../kit/context.ts";
import { hex } from "../kit/conversation.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closePayload,
  describeFrame,
  encodeFrame,
  type FrameOptions,
  PING,
  PONG,
  TEXT,
} from "../kit/websocket.ts";
import { CONTROL_FRAME, OWN_CONTROL_FRAME, PONG_ANSWERS, VALIDATE } from "./websocket-sentences.ts";

/** "A Pong frame sent in response to a Ping frame must have identical "Application data"" (§5.5.3). */
const ANSWERED: readonly Case[] = [
  { name: "empty", what: "an empty ping", payload: Buffer.alloc(0) },
  { name: "1-byte", what: "a ping of 1 byte", payload: Buffer.of(0) },
  { name: "text", what: "a ping with a text", payload: Buffer.from("hello, κόσμε") },
  {
    name: "no-utf8",
    what: "a ping whose payload is no UTF-8",
    payload: Buffer.from("00fffefdfcfb0080c0", "hex"),
  },
  { name: "125-bytes", what: "a ping of 125 bytes", payload: Buffer.alloc(125, 0xfe) },
].map(({ name, what, payload }) => ({
  id: `websocket.control.ping-${name}`,
  title: `answers ${what} with a pong of the same payload`,
  ...PONG_ANSWERS,
  clause: name === "empty" ? "RFC 6455 §5.5.2" : "RFC 6455 §5.5.3",
  severity: "MUST",
  sends: what,
  expects: "a pong with the same payload",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: PING, payload });
    await peer.expectFrame(PONG, payload);
  },
}));

const ANSWER_FORM: Case = {
  id: "websocket.control.pong-form",
  title: "sends a pong in one frame, with FIN",
  ...OWN_CONTROL_FRAME,
  severity: "MUST",
  sends: "a ping",
  expects: "a pong with FIN and without reserved bits",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: PING, payload: "form" });
    const pong = await peer.expectFrame(PONG, "form");
    expect(pong.fin && pong.rsv === 0, "FIN and no reserved bit", describeFrame(pong));
  },
};

// "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to previous
// Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most recently processed
// Ping frame" (§5.5.3).
// A thousand of them in one write no client has reason to send, and a server may defend itself: INFO.
const BURSTS: readonly Case[] = (
  [
    { count: 10, severity: "MUST" },
    { count: 1000, severity: "INFO" },
  ] as const
).map(({ count, severity }) => ({
  id: `websocket.control.${count}-pings`,
  title: `answers ${count} pings that come at once: the last of them, and any others in their order`,
  ...PONG_ANSWERS,
  clause: "RFC 6455 §5.5.3",
  severity,
  sends: `${count} pings in one write`,
  expects: "pongs in the order of the pings, the last one's among them",
  run: async (context) => {
    const peer = await context.websocket();
    const pings = Array.from({ length: count }, (_, i) => Buffer.from(`${i}`));
    const frames = pings.map((payload) => encodeFrame({ opcode: PING, payload }));
    peer.sendBytes(Buffer.concat(frames), `${count} pings`);
    for (let last = -1; last < count - 1; ) {
      const { payload } = await peer.expectFrame(PONG);
      const number = Number(Buffer.from(payload).toString());
      expect(number > last, `a pong for a ping behind ${last}`, hex(payload));
      last = number;
    }
  },
}));

const ARRIVING: readonly Case[] = [
  {
    id: "websocket.control.ping-in-pieces",
    title: "answers a ping that arrives byte by byte",
    ...PONG_ANSWERS,
    severity: "MUST",
    sends: "a ping in TCP segments of one byte",
    expects: "a pong with the same payload",
    run: async (context) => {
      const peer = await context.websocket();
      await peer.sendInPieces({ opcode: PING, payload: "in pieces" }, 1);
      await peer.expectFrame(PONG, "in pieces");
    },
  },
  {
    id: "websocket.control.ping-before-message",
    title: "answers a ping whether or not messages come with it",
    ...PONG_ANSWERS,
    severity: "MUST",
    sends: "a text message, a ping and a binary message in one write",
    expects: "both messages and a pong",
    run: async (context) => {
      const peer = await context.websocket();
      peer.need("websocket-echo");
      const frames = [
        { opcode: TEXT, payload: "before" },
        { opcode: PING, payload: "between" },
        { opcode: BINARY, payload: "behind" },
      ];
      peer.sendBytes(Buffer.concat(frames.map(encodeFrame)), "three frames");
      // The echo is the application's, the pong the protocol's: either may be first.
      const rest = new Map(frames.map(({ opcode, payload }) => [opcode, payload]));
      while (rest.size > 0) {
        const frame = await peer.next();
        if (frame === undefined) throw new Failure("three frames", "the end of the connection");
        const opcode = frame.opcode === PONG ? PING : frame.opcode;
        const same = rest.get(opcode) === Buffer.from(frame.payload).toString();
        expect(same, "both messages and a pong, once each", describeFrame(frame));
        rest.delete(opcode);
      }
    },
  },
];

/** "A Pong frame MAY be sent unsolicited. … A response to an unsolicited Pong frame is not expected." (§5.5.3) */
const UNSOLICITED: readonly Case[] = [
  { name: "empty", payload: "" },
  { name: "125-bytes", payload: "x".repeat(125) },
].map(({ name, payload }) => ({
  id: `websocket.control.unsolicited-pong-${name}`,
  title: `ignores a pong of ${payload.length} bytes that it did not ask for`,
  ...CONTROL_FRAME,
  clause: "RFC 6455 §5.5.3",
  severity: "MUST",
  sends: "a pong, and a ping",
  expects: "nothing but the answer to the ping",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: PONG, payload });
    await peer.expectAlive();
  },
}));

interface Wrong {
  readonly name: string;
  readonly what: string;
  readonly frames: readonly FrameOptions[];
}

const WRONG: readonly Wrong[] = [
  {
    name: "ping-126-bytes",
    what: "a ping of 126 bytes",
    frames: [{ opcode: PING, payload: Buffer.alloc(126) }],
  },
  {
    name: "pong-126-bytes",
    what: "a pong of 126 bytes",
    frames: [{ opcode: PONG, payload: Buffer.alloc(126) }],
  },
  {
    name: "close-126-bytes",
    what: "a close frame of 126 bytes",
    frames: [{ opcode: CLOSE, payload: closePayload(1000, "x".repeat(124)) }],
  },
  {
    name: "ping-65536-bytes",
    what: "a ping of 65,536 bytes",
    frames: [{ opcode: PING, payload: Buffer.alloc(65_536) }],
  },
  {
    name: "fragmented-ping",
    what: "a ping without FIN",
    frames: [{ opcode: PING, fin: false, payload: "frag" }],
  },
  {
    name: "fragmented-ping-continued",
    what: "a ping in two fragments",
    frames: [
      { opcode: PING, fin: false, payload: "frag" },
      { opcode: CONTINUATION, payload: "ments" },
    ],
  },
  {
    name: "fragmented-pong",
    what: "a pong without FIN",
    frames: [{ opcode: PONG, fin: false, payload: "frag" }],
  },
  {
    name: "fragmented-close",
    what: "a close frame without FIN",
    frames: [{ opcode: CLOSE, fin: false, payload: closePayload(1000) }],
  },
  {
    name: "fragmented-ping-inside-message",
    what: "a ping without FIN inside a fragmented message",
    frames: [
      { opcode: TEXT, fin: false, payload: "first" },
      { opcode: PING, fin: false, payload: "frag" },
      { opcode: CONTINUATION, payload: "last" },
    ],
  },
];

// "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented" (§5.5) is
// said to the sender. A server that answers such a frame has not validated it (§10.7); one that ignores it,
// as it may ignore every pong, breaks no sentence.
const REFUSED: readonly Case[] = WRONG.map(({ name, what, frames }) => ({
  id: `websocket.control.${name}`,
  title: `fails the connection for ${what}`,
  ...VALIDATE,
  clause: "RFC 6455 §5.5",
  severity: "MUST",
  silence: "SHOULD",
  sends: what,
  expects: "the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    for (const frame of frames) peer.send(frame);
    await peer.expectFailed([1002]);
  },
}));

/** "…the minimal number of bytes MUST be used": of the sender, as in websocket.framing.length-*. */
const NOT_MINIMAL: readonly Case[] = ([2, 8] as const).map((lengthBytes) => ({
  id: `websocket.control.ping-in-${lengthBytes * 8}-bits`,
  title: `fails the connection for a ping of 5 bytes whose length is written in ${lengthBytes * 8} bits`,
  clause: "RFC 6455 §5.2",
  severity: "SHOULD",
  sends: "a ping whose length is not in its shortest form",
  expects: "the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: PING, payload: "hello", lengthBytes });
    await peer.expectFailed([1002]);
  },
}));

const AT_ONCE: Case = {
  id: "websocket.control.ping-too-long-at-once",
  title: "fails the connection for a ping that is too long before its payload is there",
  clause: "RFC 6455 §5.5",
  severity: "INFO",
  sends: "the header of a ping of 60,000 bytes",
  expects: "the connection failed with 1002 at once",
  run: async (context) => {
    const peer = await context.websocket();
    const frame = encodeFrame({ opcode: PING, lengthBytes: 2, length: 60_000 });
    peer.sendBytes(frame, "the header of a ping of 60,000 bytes");
    await peer.expectFailed([1002]);
  },
};

const ANSWERS_NOTHING: Case = {
  id: "websocket.control.silent",
  title: "says nothing that it was not asked for",
  clause: "RFC 6455 §5.5",
  severity: "INFO",
  sends: "nothing for 200 ms, then a ping",
  expects: "nothing but the answer to the ping; a ping of the server's own is answered",
  run: async (context) => {
    const peer = await context.websocket();
    await wait(200);
    peer.send({ opcode: PING, payload: "still there?" });
    let frame = await peer.next();
    for (; frame?.opcode === PING; frame = await peer.next()) {
      peer.send({ opcode: PONG, payload: frame.payload });
    }
    const got = frame === undefined ? "the end of the connection" : describeFrame(frame);
    expect(frame?.opcode === PONG, "a pong", got);
  },
};

export const CONTROL: readonly Case[] = [
  ...ANSWERED,
  ANSWER_FORM,
  ...BURSTS,
  ...ARRIVING,
  ...UNSOLICITED,
  ...REFUSED,
  ...NOT_MINIMAL,
  AT_ONCE,
  ANSWERS_NOTHING,
];
