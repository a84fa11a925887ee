// RFC 6455 §5.4: messages in several frames.

import { type Case, expect, Failure, type Severity } from "../kit/case.ts";
import { ENDED } from "../kit/tcp.ts";
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
  type WebSocketPeer,
} from "../kit/websocket.ts";
import {
  CLOSE_ANSWERS,
  CONTROL_INSIDE,
  FRAGMENTS,
  NEXT_MESSAGE,
  VALIDATE,
} from "./websocket-sentences.ts";

/** The frames of a message that is cut into these payloads. */
function fragments(opcode: number, payloads: readonly (string | Uint8Array)[]): FrameOptions[] {
  return payloads.map((payload, i) => ({
    opcode: i === 0 ? opcode : CONTINUATION,
    fin: i === payloads.length - 1,
    payload,
  }));
}

function sendAll(peer: WebSocketPeer, frames: readonly FrameOptions[]): void {
  const bytes = frames.map(encodeFrame);
  peer.sendBytes(Buffer.concat(bytes), `${frames.length} frames`);
}

interface Whole {
  readonly name: string;
  readonly what: string;
  readonly opcode: typeof TEXT | typeof BINARY;
  readonly payloads: readonly (string | Uint8Array)[];
  /** Bytes in a TCP segment. */
  readonly piece?: number;
  /** Default "MUST". */
  readonly severity?: Severity;
}

const CUT: readonly Whole[] = [
  { name: "text-in-2", what: "a text in 2 fragments", opcode: TEXT, payloads: ["frag", "ments"] },
  {
    name: "binary-in-2",
    what: "bytes, which are no UTF-8, in 2 fragments",
    opcode: BINARY,
    payloads: [Buffer.of(0xff, 0xfe), Buffer.of(0xc0, 0)],
  },
  { name: "text-in-3", what: "a text in 3 fragments", opcode: TEXT, payloads: ["a", "b", "c"] },
  {
    name: "text-in-1000",
    what: "a text in 1000 fragments of one byte",
    opcode: TEXT,
    payloads: [..."0123456789".repeat(100)],
  },
  {
    name: "binary-in-1000",
    what: "bytes in 1000 fragments of three",
    opcode: BINARY,
    payloads: Array.from({ length: 1000 }, (_, i) => Buffer.of(i, i >> 8, 0xff)),
  },
  {
    name: "growing",
    what: "fragments with each form of the length",
    opcode: BINARY,
    payloads: [1, 125, 126, 65_535, 65_536].map((size) => Buffer.alloc(size, size)),
  },
  {
    name: "large",
    what: "8 fragments of 64 KiB",
    opcode: TEXT,
    payloads: Array.from({ length: 8 }, (_, i) => `${i}`.repeat(65_536)),
  },
  { name: "empty-first", what: "an empty first fragment", opcode: TEXT, payloads: ["", "text"] },
  { name: "empty-last", what: "an empty last fragment", opcode: TEXT, payloads: ["text", ""] },
  {
    name: "empty-middle",
    what: "an empty fragment in the middle",
    opcode: TEXT,
    payloads: ["te", "", "xt"],
  },
  { name: "empty-text", what: "3 empty fragments of text", opcode: TEXT, payloads: ["", "", ""] },
  { name: "empty-binary", what: "2 empty fragments of bytes", opcode: BINARY, payloads: ["", ""] },
  {
    name: "many-empty",
    what: "1000 empty fragments before the last",
    opcode: TEXT,
    payloads: [...Array.from({ length: 1000 }, () => ""), "last"],
    // No client has a reason to send them, and a server may defend itself.
    severity: "INFO",
  },
  {
    name: "in-pieces-of-1",
    what: "3 fragments that arrive byte by byte",
    opcode: TEXT,
    payloads: ["one", "two", "three"],
    piece: 1,
  },
  {
    name: "in-pieces-of-7",
    what: "3 fragments that arrive in pieces of 7 bytes",
    opcode: BINARY,
    payloads: ["one", "x".repeat(200), "three"],
    piece: 7,
  },
];

const WHOLE: readonly Case[] = CUT.map(
  ({ name, what, opcode, payloads, piece, severity = "MUST" }): Case => ({
    id: `websocket.fragmentation.${name}`,
    title: `puts together ${what}`,
    ...FRAGMENTS,
    severity,
    sends: what,
    expects: "one message with what all of them carry",
    run: async (context) => {
      const peer = await context.websocket();
      const frames = fragments(opcode, payloads);
      if (piece === undefined) sendAll(peer, frames);
      else await peer.sendBytesInPieces(Buffer.concat(frames.map(encodeFrame)), "fragments", piece);
      const whole = Buffer.concat(payloads.map((payload) => Buffer.from(payload)));
      await peer.expectMessage(opcode === TEXT ? whole.toString() : whole);
    },
  }),
);

/** "Control frames … MAY be injected in the middle of a fragmented message" and all "MUST be capable of handling" them. */
const WITH_CONTROL: readonly Case[] = [
  {
    id: "websocket.fragmentation.ping-inside",
    title: "answers a ping inside a fragmented message before the message ends",
    ...CONTROL_INSIDE,
    severity: "MUST",
    sends: "a fragment and a ping; when that is answered, the last fragment",
    expects: "a pong, and the message",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: TEXT, fin: false, payload: "frag" });
      peer.send({ opcode: PING, payload: "inside" });
      await peer.expectFrame(PONG, "inside");
      peer.send({ opcode: CONTINUATION, payload: "ments" });
      await peer.expectMessage("fragments");
    },
  },
  {
    id: "websocket.fragmentation.pings-between",
    title: "answers a ping between any two fragments",
    ...CONTROL_INSIDE,
    severity: "MUST",
    sends: "five fragments with a ping behind each but the last",
    expects: "a pong for each ping, and the message",
    run: async (context) => {
      const peer = await context.websocket();
      for (let i = 0; i < 4; i++) {
        peer.send({ opcode: i === 0 ? BINARY : CONTINUATION, fin: false, payload: `${i}` });
        peer.send({ opcode: PING, payload: `ping ${i}` });
        await peer.expectFrame(PONG, `ping ${i}`);
      }
      peer.send({ opcode: CONTINUATION, payload: "4" });
      await peer.expectMessage(Buffer.from("01234"));
    },
  },
  {
    id: "websocket.fragmentation.ping-inside-at-once",
    title: "reads a ping inside a fragmented message that arrives at once",
    ...CONTROL_INSIDE,
    severity: "MUST",
    sends: "a fragment, a ping and the last fragment in one write",
    expects: "a pong, and the message; either may be first",
    run: async (context) => {
      const peer = await context.websocket();
      peer.need("websocket-echo");
      const [first, last] = fragments(TEXT, ["frag", "ments"]);
      sendAll(
        peer,
        [first, { opcode: PING, payload: "inside" }, last].flatMap((each) => each ?? []),
      );
      let [ponged, message, whole] = [false, "", false];
      while (!ponged || !whole) {
        const frame = await peer.next();
        if (frame === undefined) throw new Failure("a pong and a message", ENDED);
        const payload = Buffer.from(frame.payload).toString();
        if (frame.opcode === PONG) {
          expect(payload === "inside" && !ponged, "one pong for the ping", describeFrame(frame));
          ponged = true;
        } else {
          message += payload;
          whole = frame.fin;
        }
      }
      expect(message === "fragments", "the message", message);
    },
  },
  {
    id: "websocket.fragmentation.pong-inside",
    title: "takes an unsolicited pong inside a fragmented message",
    ...CONTROL_INSIDE,
    severity: "MUST",
    sends: "a fragment, a pong and the last fragment",
    expects: "the message",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: TEXT, fin: false, payload: "frag" });
      peer.send({ opcode: PONG, payload: "not asked for" });
      peer.send({ opcode: CONTINUATION, payload: "ments" });
      await peer.expectMessage("fragments");
    },
  },
  {
    id: "websocket.fragmentation.close-inside",
    title: "answers a close frame inside a fragmented message, and gives that up",
    ...CLOSE_ANSWERS,
    clause: "RFC 6455 §5.4",
    severity: "MUST",
    sends: "a fragment, a close frame and the last fragment",
    expects: "a close frame, and no message",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: TEXT, fin: false, payload: "frag" });
      peer.send({ opcode: CLOSE, payload: closePayload(1000) });
      peer.send({ opcode: CONTINUATION, payload: "ments" });
      await peer.expectClose();
    },
  },
];

const SEQUENCES: readonly Case[] = [
  {
    id: "websocket.fragmentation.two-messages",
    title: "keeps two fragmented messages apart",
    ...NEXT_MESSAGE,
    clause: "RFC 6455 §5.4",
    severity: "MUST",
    sends: "a text in two fragments and bytes in two fragments, in one write",
    expects: "both messages",
    run: async (context) => {
      const peer = await context.websocket();
      sendAll(peer, [...fragments(TEXT, ["a", "b"]), ...fragments(BINARY, ["c", "d"])]);
      await peer.expectMessage("ab");
      await peer.expectMessage(Buffer.from("cd"));
    },
  },
  {
    id: "websocket.fragmentation.whole-after-fragmented",
    title: "takes a message in one frame behind a fragmented one",
    ...NEXT_MESSAGE,
    clause: "RFC 6455 §5.4",
    severity: "MUST",
    sends: "bytes in two fragments, and a text in one frame",
    expects: "both messages",
    run: async (context) => {
      const peer = await context.websocket();
      sendAll(peer, [...fragments(BINARY, ["a", "b"]), { opcode: TEXT, payload: "c" }]);
      await peer.expectMessage(Buffer.from("ab"));
      await peer.expectMessage("c");
    },
  },
];

interface Wrong {
  readonly name: string;
  readonly title: string;
  readonly sends: string;
  readonly frames: readonly FrameOptions[];
  /** A message that is right and comes before: it is waited for, since a server that fails may give up what it has not sent. */
  readonly before?: { readonly frames: readonly FrameOptions[]; readonly text: string };
}

const FIRST: FrameOptions = { opcode: TEXT, fin: false, payload: "first" };

const WRONG: readonly Wrong[] = [
  {
    name: "nothing-to-continue",
    title: "a last fragment where no message has begun",
    sends: "a continuation frame with FIN",
    frames: [{ opcode: CONTINUATION, payload: "last" }],
  },
  {
    name: "nothing-to-continue-unfinished",
    title: "a fragment where no message has begun",
    sends: "a continuation frame without FIN",
    frames: [{ opcode: CONTINUATION, fin: false, payload: "middle" }],
  },
  {
    name: "nothing-to-continue-empty",
    title: "an empty fragment where no message has begun",
    sends: "an empty continuation frame with FIN",
    frames: [{ opcode: CONTINUATION }],
  },
  {
    name: "continuation-after-message",
    title: "a fragment behind a message in one frame",
    sends: "a text frame with FIN, and a continuation frame",
    before: { frames: [{ opcode: TEXT, payload: "whole" }], text: "whole" },
    frames: [{ opcode: CONTINUATION, payload: "more" }],
  },
  {
    name: "continuation-after-last",
    title: "a fragment behind the last one",
    sends: "a text in two fragments, and a continuation frame",
    before: { frames: fragments(TEXT, ["a", "b"]), text: "ab" },
    frames: [{ opcode: CONTINUATION, payload: "c" }],
  },
  {
    name: "continuation-after-pong",
    title: "a fragment behind a pong, which begins no message",
    sends: "a pong, and a continuation frame",
    frames: [{ opcode: PONG }, { opcode: CONTINUATION, payload: "more" }],
  },
  {
    name: "text-inside-text",
    title: "a text message inside a fragmented text",
    sends: "a fragment of text, and a text frame with FIN",
    frames: [FIRST, { opcode: TEXT, payload: "another" }],
  },
  {
    name: "binary-inside-text",
    title: "a binary message inside a fragmented text",
    sends: "a fragment of text, and a binary frame with FIN",
    frames: [FIRST, { opcode: BINARY, payload: "another" }],
  },
  {
    name: "text-inside-binary",
    title: "a text message inside a fragmented binary one",
    sends: "a fragment of bytes, and a text frame with FIN",
    frames: [
      { ...FIRST, opcode: BINARY },
      { opcode: TEXT, payload: "another" },
    ],
  },
  {
    name: "fragment-inside-text",
    title: "another fragmented message inside a fragmented text",
    sends: "two text frames without FIN",
    frames: [FIRST, FIRST],
  },
  {
    name: "empty-inside-text",
    title: "an empty message inside a fragmented text",
    sends: "a fragment of text, and an empty text frame with FIN",
    frames: [FIRST, { opcode: TEXT }],
  },
  {
    name: "text-inside-empty",
    title: "a text message inside one whose first fragment is empty",
    sends: "an empty text frame without FIN, and a text frame with FIN",
    frames: [
      { opcode: TEXT, fin: false },
      { opcode: TEXT, payload: "another" },
    ],
  },
  {
    name: "text-after-two-fragments",
    title: "a text message behind two fragments of another",
    sends: "two fragments of text, and a text frame with FIN",
    frames: [
      FIRST,
      { opcode: CONTINUATION, fin: false, payload: "second" },
      { opcode: TEXT, payload: "another" },
    ],
  },
];

// What §5.4 says of the order of frames, it says to the sender. A server that uses such a message has not
// validated it (§10.7); one that ignores the frames breaks no sentence.
const REFUSED: readonly Case[] = WRONG.map(({ name, title, sends, frames, before }) => ({
  id: `websocket.fragmentation.${name}`,
  title: `fails the connection for ${title}`,
  ...VALIDATE,
  clause: "RFC 6455 §5.4",
  severity: "MUST",
  silence: "SHOULD",
  sends,
  expects: "the connection failed with 1002",
  run: async (context) => {
    const peer = await context.websocket();
    if (before !== undefined) {
      sendAll(peer, before.frames);
      await peer.expectMessage(before.text);
    }
    sendAll(peer, frames);
    await peer.expectFailed([1002]);
  },
}));

export const FRAGMENTATION: readonly Case[] = [...WHOLE, ...WITH_CONTROL, ...SEQUENCES, ...REFUSED];
