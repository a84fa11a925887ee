// RFC 6455 §5.5.1, §7.1 and §7.4: the closing handshake and its status codes.

import { type Case, expect } from "../kit/case.ts";
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
  TEXT,
} from "../kit/websocket.ts";
import {
  CLOSE_ANSWERS,
  CLOSES_AT_ONCE,
  NOTHING_AFTER_FAILURE,
  OWN_CLOSE_BODY,
  OWN_CONTROL_FRAME,
} from "./websocket-sentences.ts";

// "When sending a Close frame in response, the endpoint typically echos the status code it received"
// (§5.5.1): that it answers is a MUST, with which code is less than that.
const CODES: readonly Case[] = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
].map((code) => ({
  id: `websocket.closing.code-${code}`,
  title: `answers a close frame of the code ${code} with the same code`,
  clause: "RFC 6455 §5.5.1",
  severity: "SHOULD",
  sends: `a close frame of the code ${code}`,
  expects: `a close frame of the code ${code}, and the end of TCP`,
  run: async (context) => {
    const peer = await context.websocket();
    peer.sendClose(code);
    await peer.expectClose([code]);
  },
}));

/** Of the registry that §11.7 set up, and later than RFC 6455 itself. */
const REGISTERED: readonly Case[] = [
  { code: 1012, name: "Service Restart" },
  { code: 1013, name: "Try Again Later" },
  { code: 1014, name: "an invalid response was received from upstream" },
].map(({ code, name }) => ({
  id: `websocket.closing.code-${code}`,
  title: `knows the code ${code}, which was registered later (${name})`,
  clause: "RFC 6455 §11.7",
  severity: "INFO",
  sends: `a close frame of the code ${code}`,
  expects: `a close frame of the code ${code}, and the end of TCP`,
  run: async (context) => {
    const peer = await context.websocket();
    peer.sendClose(code);
    await peer.expectClose([code]);
  },
}));

// That they may not be sent is said to who sends (§7.4.1: "MUST NOT be set as a status code in a
// Close control frame by an endpoint"; §7.4.2: "not used", "reserved"). What the other end does
// with one that came is not: SHOULD.
const INVALID_CODES: readonly Case[] = [
  { code: 0, why: "is not used" },
  { code: 999, why: "is not used" },
  { code: 1004, why: "is reserved" },
  { code: 1005, why: "stands for no code" },
  { code: 1006, why: "stands for a connection that broke" },
  { code: 1015, why: "stands for a TLS handshake that failed" },
  { code: 1016, why: "has no meaning yet" },
  { code: 1100, why: "has no meaning yet" },
  { code: 2000, why: "has no meaning yet" },
  { code: 2999, why: "has no meaning yet" },
  { code: 5000, why: "is beyond all ranges" },
  { code: 65_535, why: "is beyond all ranges" },
].map(({ code, why }) => ({
  id: `websocket.closing.invalid-code-${code}`,
  title: `fails the connection for the code ${code}, which ${why}`,
  clause: code >= 1000 && code <= 1015 ? "RFC 6455 §7.4.1" : "RFC 6455 §7.4.2",
  severity: "SHOULD",
  sends: `a close frame of the code ${code}`,
  expects: "the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    peer.sendClose(code);
    await peer.expectFailed([1002]);
  },
}));

interface Answered {
  readonly name: string;
  readonly title: string;
  readonly sends: string;
  readonly payload: Uint8Array;
}

const ANSWERED: readonly Case[] = [
  {
    name: "empty",
    title: "answers an empty close frame",
    sends: "a close frame without a code",
    payload: Buffer.alloc(0),
  },
  {
    name: "reason",
    title: "answers a close frame with a reason",
    sends: 'a close frame with the reason "going home"',
    payload: closePayload(1000, "going home"),
  },
  {
    name: "reason-123-bytes",
    title: "answers a close frame with a reason of 123 bytes, the most there may be",
    sends: "a close frame of 125 bytes",
    payload: closePayload(1000, "r".repeat(123)),
  },
  {
    name: "reason-utf8",
    title: "answers a close frame whose reason has characters of every length",
    sends: 'a close frame with the reason "aä€😀"',
    payload: closePayload(1000, "aä€😀"),
  },
  {
    name: "reason-utf8-123-bytes",
    title: "answers a close frame whose reason is 123 bytes of characters of three",
    sends: "a close frame with the reason of 41 euro signs",
    payload: closePayload(1000, "€".repeat(41)),
  },
].map(
  ({ name, title, sends, payload }: Answered): Case => ({
    id: `websocket.closing.${name}`,
    title: `${title}, and closes TCP`,
    ...CLOSE_ANSWERS,
    severity: "MUST",
    sends,
    expects: "a close frame, and the end of TCP",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: CLOSE, payload });
      await peer.expectClose();
    },
  }),
);

// §8.1 obliges an endpoint that "is to interpret a byte stream as UTF-8"; the interpretation of a reason "is not
// defined by this specification" (§5.5.1), and a server that does not look at it need not: SHOULD. 1007 is for
// data that is not what its message's type says; for a reason no code is named, so 1002 will do.
const INVALID_REASONS: readonly Case[] = [
  { name: "byte-ff", what: "holds the byte FF", reason: "6f6bff" },
  { name: "overlong", what: "holds an overlong form", reason: "6f6bc0af" },
  { name: "surrogate", what: "holds a surrogate", reason: "6f6beda080" },
  { name: "truncated", what: "ends inside a character", reason: "6f6be282" },
].map(({ name, what, reason }) => ({
  id: `websocket.closing.reason-${name}`,
  title: `fails the connection for a reason that ${what}`,
  clause: "RFC 6455 §8.1",
  severity: "SHOULD",
  sends: `a close frame with the reason ${reason}, in hexadecimal`,
  expects: "the connection failed with 1007 or 1002",
  run: async (context) => {
    const peer = await context.websocket();
    peer.sendClose(1000, Buffer.from(reason, "hex"));
    await peer.expectFailed([1007, 1002]);
  },
}));

const HALF_A_CODE: Case = {
  id: "websocket.closing.1-byte",
  title: "fails the connection for a close frame of one byte",
  ...CLOSE_ANSWERS,
  severity: "MUST",
  sends: "a close frame whose payload is one byte",
  expects: "the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    peer.send({ opcode: CLOSE, payload: Buffer.of(3) });
    await peer.expectFailed([1002]);
  },
};

const FORM: readonly Case[] = [
  {
    id: "websocket.closing.answer-form",
    title: "answers with a close frame that has FIN, no reserved bit and 0 or 2 to 125 bytes",
    ...OWN_CONTROL_FRAME,
    severity: "MUST",
    sends: "a close frame with a reason of 123 bytes",
    expects: "a well-formed close frame",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose(1000, "r".repeat(123));
      const frame = await peer.expectFrame(CLOSE);
      const { length } = frame.payload;
      const right = frame.fin && frame.rsv === 0 && length !== 1 && length <= 125;
      expect(right, "a well-formed close frame", describeFrame(frame));
    },
  },
  {
    id: "websocket.closing.failure-form",
    title: "tells of a failure in a close frame that is well-formed itself, if it does",
    ...OWN_CLOSE_BODY,
    clause: "RFC 6455 §7.1.7",
    severity: "MUST",
    sends: "a frame of a reserved opcode",
    expects: "no close frame, or one that is empty or has a code in two bytes and UTF-8",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: 3 });
      const frame = await peer.next();
      if (frame === undefined) return;
      const { length } = frame.payload;
      const right = frame.opcode === CLOSE && length !== 1;
      expect(right, "a close frame, empty or with a code", describeFrame(frame));
      const reason = Buffer.from(frame.payload.subarray(2));
      const same = Buffer.from(reason.toString()).equals(reason);
      expect(same, "a reason in UTF-8", hex(reason));
    },
  },
  {
    id: "websocket.closing.in-pieces",
    title: "answers a close frame that arrives byte by byte",
    ...CLOSE_ANSWERS,
    severity: "MUST",
    sends: "a close frame in TCP segments of one byte",
    expects: "a close frame, and the end of TCP",
    run: async (context) => {
      const peer = await context.websocket();
      await peer.sendInPieces({ opcode: CLOSE, payload: closePayload(1001, "bye") }, 1);
      await peer.expectClose();
    },
  },
  {
    id: "websocket.closing.messages-before",
    title: "echoes what came before the close frame, and then answers that",
    clause: "RFC 6455 §5.5.1",
    // Whether the application is heard before the close frame is answered is left to the server.
    severity: "INFO",
    sends: "20 text messages and a close frame in one write",
    expects: "the messages, a close frame, and the end of TCP",
    run: async (context) => {
      const peer = await context.websocket();
      const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
      const frames = texts.map((payload) => encodeFrame({ opcode: TEXT, payload }));
      const close = encodeFrame({ opcode: CLOSE, payload: closePayload(1000) });
      peer.sendBytes(Buffer.concat([...frames, close]), "20 text frames and a close frame");
      for (const text of texts) await peer.expectMessage(text);
      await peer.expectClose([1000]);
    },
  },
  {
    id: "websocket.closing.server-first",
    title: "closes TCP itself and at once when both close frames are there",
    ...CLOSES_AT_ONCE,
    severity: "MUST",
    sends: "a close frame, and nothing else; TCP is left open",
    expects: "the end of TCP within a second",
    alone: true,
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose(1000);
      await peer.expectFrame(CLOSE);
      const begin = performance.now();
      await peer.expectEnd();
      const took = Math.round(performance.now() - begin);
      expect(took < 1000, "the end of TCP within a second", `it after ${took} ms`);
    },
  },
];

/** "…a peer discards any further data received" (§1.4). */
const BEHIND: readonly Case[] = [
  { name: "text", what: "a text message", frames: [{ opcode: TEXT, payload: "too late" }] },
  { name: "binary", what: "a binary message", frames: [{ opcode: BINARY, payload: "too late" }] },
  { name: "ping", what: "a ping", frames: [{ opcode: PING, payload: "too late" }] },
  { name: "close", what: "another close frame", frames: [{ opcode: CLOSE }] },
  {
    name: "invalid",
    what: "a frame that is wrong in every way",
    frames: [{ opcode: CONTINUATION, rsv: 7, masked: false }],
  },
].map(
  ({
    name,
    what,
    frames,
  }: {
    name: string;
    what: string;
    frames: readonly FrameOptions[];
  }): Case => ({
    id: `websocket.closing.${name}-behind`,
    title: `discards ${what} behind a close frame`,
    clause: name === "ping" ? "RFC 6455 §5.5.2" : "RFC 6455 §1.4",
    severity: "SHOULD",
    sends: `a close frame and ${what} in one write`,
    expects: "a close frame of the same code, the end of TCP, and nothing else",
    run: async (context) => {
      const peer = await context.websocket();
      const close = encodeFrame({ opcode: CLOSE, payload: closePayload(1000) });
      peer.sendBytes(Buffer.concat([close, ...frames.map(encodeFrame)]), `close, ${what}`);
      await peer.expectClose([1000]);
    },
  }),
);

const AFTER_FAILURE: Case = {
  id: "websocket.closing.nothing-after-failure",
  title: "reads nothing any more when it has failed the connection",
  ...NOTHING_AFTER_FAILURE,
  severity: "MUST",
  sends: "a frame of a reserved opcode, a ping, a text message and a close frame in one write",
  expects: "the connection failed with 1002, and no answer to the others",
  run: async (context) => {
    const peer = await context.websocket();
    const frames = [
      { opcode: 3 },
      { opcode: PING, payload: "ping" },
      { opcode: TEXT, payload: "text" },
      { opcode: CLOSE, payload: closePayload(1000) },
    ];
    peer.sendBytes(Buffer.concat(frames.map(encodeFrame)), "four frames");
    await peer.expectFailed([1002]);
  },
};

// The end of TCP without a closing handshake: §7.1.4 calls that no clean closure, and says no more.
const ENDS: readonly Case[] = [
  { name: "between-messages", what: "between two messages", bytes: new Uint8Array(0) },
  {
    name: "inside-header",
    what: "inside a frame's header",
    bytes: encodeFrame({ opcode: TEXT, payload: "x".repeat(300) }).subarray(0, 3),
  },
  {
    name: "inside-frame",
    what: "inside a frame",
    bytes: encodeFrame({ opcode: TEXT, payload: "x".repeat(300) }).subarray(0, 100),
  },
  {
    name: "inside-message",
    what: "inside a fragmented message",
    bytes: encodeFrame({ opcode: TEXT, fin: false, payload: "first" }),
  },
].map(({ name, what, bytes }) => ({
  id: `websocket.closing.end-${name}`,
  title: `closes TCP when the client has ended it ${what}`,
  clause: "RFC 6455 §7.1.4",
  severity: "SHOULD",
  sends: `the end of TCP ${what}`,
  expects: "the end of TCP, with a close frame before it or none, and no message",
  run: async (context) => {
    const peer = await context.websocket();
    if (bytes.length > 0) peer.sendBytes(bytes, what);
    peer.tcp.end();
    const frame = await peer.next();
    if (frame === undefined) return;
    expect(frame.opcode === CLOSE, "a close frame or none", describeFrame(frame));
    await peer.expectEnd();
  },
}));

const OTHERS: readonly Case[] = [
  {
    id: "websocket.closing.half-close",
    title: "takes a message that came before the end of TCP",
    clause: "RFC 6455 §7.1.4",
    severity: "INFO",
    sends: "a text message, and the end of TCP with it; what comes is still read",
    expects: "the message, and the end of TCP",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendText("the last words");
      peer.tcp.end();
      await peer.expectMessage("the last words");
    },
  },
  {
    id: "websocket.closing.end-after-close",
    title: "answers a close frame whose sender ends TCP with it",
    clause: "RFC 6455 §5.5.1",
    severity: "SHOULD",
    sends: "a close frame, and the end of TCP with it",
    expects: "a close frame, and the end of TCP",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendClose(1001);
      peer.tcp.end();
      await peer.expectClose();
    },
  },
  {
    id: "websocket.closing.reset",
    title: "serves others when a connection is reset",
    clause: "RFC 6455 §7.1.4",
    // No sentence speaks of other connections. A server that ends is reported anyway.
    severity: "INFO",
    sends: "half a frame on one connection, and its reset; a message on another",
    expects: "the message",
    run: async (context) => {
      const other = await context.websocket();
      const peer = await context.websocket();
      const frame = encodeFrame({ opcode: TEXT, payload: "x".repeat(300) });
      peer.sendBytes(frame.subarray(0, 100), "half a frame");
      peer.tcp.reset();
      other.sendText("still there?");
      await other.expectMessage("still there?");
    },
  },
];

export const CLOSING: readonly Case[] = [
  ...CODES,
  ...REGISTERED,
  ...INVALID_CODES,
  ...ANSWERED,
  ...INVALID_REASONS,
  HALF_A_CODE,
  ...FORM,
  ...BEHIND,
  AFTER_FAILURE,
  ...ENDS,
  ...OTHERS,
];
