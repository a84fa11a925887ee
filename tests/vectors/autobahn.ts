// Cases of the Autobahn test suite as data: the frames that the fuzzing end sends, and the frames that an echo server
// or client sends back.

import { type FrameOptions, frame } from "../support/frame.ts";
import { bytes, inChunks } from "../support/split.ts";

export interface Case {
  /** The numbers of the cases in Autobahn. */
  readonly cases: string;
  readonly does: string;
  readonly sends: readonly Uint8Array[];
  /** The frames that the echo end sends back, and how the connection ends. */
  readonly gives: readonly string[];
}

export const KOSME = "κ\u1f79σμε";
const CUT = { fin: false } as const;

export const CLOSED = ["close 1000", "end"];
const RSV = fails(1002, "a reserved bit is set without a negotiated extension (RFC 6455 §5.2)");
const OPCODE = fails(1002, "the opcode is reserved (RFC 6455 §5.2)");
const TOO_LONG = fails(
  1002,
  "the payload of a control frame is longer than 125 bytes (RFC 6455 §5.5)",
);
const FRAGMENTED = fails(1002, "a control frame is fragmented (RFC 6455 §5.5)");
const CONTINUES_NOTHING = fails(
  1002,
  "a continuation frame does not continue a message (RFC 6455 §5.4)",
);
const UNFINISHED = fails(1002, "a message starts inside another message (RFC 6455 §5.4)");
export const NOT_UTF8 = fails(1007, "the text is not valid UTF-8 (RFC 6455 §8.1)");
const CLOSE_LENGTH = fails(1002, "the payload of a close frame is one byte long (RFC 6455 §5.5.1)");
const CLOSE_CODE = fails(1002, "the status code of a close frame is invalid (RFC 6455 §7.4)");

function fails(code: number, text: string): readonly string[] {
  return [`close ${code} ${text}`, "end"];
}

export const STAR = "*";
const PINGS = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
const HELLO = "Hello, world!";
const UTF8 = "Hello-µ@ßöäüàá-UTF-8!!";
export const BEYOND = bytes("f4 90 80 80");
const SURROGATE = bytes("ed a0 80");
const FRAGMENTS = ["fragment1", "fragment2", "fragment3", "fragment4", "fragment5"] as const;

function octets(payload: string | Uint8Array): Uint8Array[] {
  return inChunks(Buffer.from(payload), 1).map((octet) => new Uint8Array(octet));
}

const [F1, F2, F3, F4, F5] = FRAGMENTS;

/** Creates the frames of one end. Frames of a client are masked. */
export class Frames {
  readonly #key: Uint8Array | undefined;

  constructor(key?: Uint8Array) {
    this.#key = key;
  }

  readonly send = (
    opcode: number,
    payload: Uint8Array | string = "",
    options: FrameOptions = {},
  ): Uint8Array =>
    frame(opcode, payload, { ...options, ...(this.#key !== undefined && { key: this.#key }) });
  readonly text = (payload: Uint8Array | string, options?: FrameOptions): Uint8Array =>
    this.send(1, payload, options);
  readonly binary = (payload: Uint8Array | string, options?: FrameOptions): Uint8Array =>
    this.send(2, payload, options);
  readonly more = (payload: Uint8Array | string, options?: FrameOptions): Uint8Array =>
    this.send(0, payload, options);
  readonly ping = (payload?: Uint8Array | string, options?: FrameOptions): Uint8Array =>
    this.send(9, payload, options);
  readonly pong = (payload?: Uint8Array | string, options?: FrameOptions): Uint8Array =>
    this.send(10, payload, options);
  readonly close = (code: number, reason: Uint8Array | string = ""): Uint8Array =>
    this.send(8, Buffer.concat([Uint8Array.of(code >> 8, code & 0xff), Buffer.from(reason)]));
  /** Returns a text message in fragments. */
  readonly inFragments = (pieces: readonly (Uint8Array | string)[]): Uint8Array[] =>
    pieces.map((piece, i) => this.send(i === 0 ? 1 : 0, piece, { fin: i === pieces.length - 1 }));
}

/** Returns Autobahn's sections 2 to 7. Cases that differ only in the sizes of messages or chunks are in the test files. */
export function autobahnCases(frames: Frames): readonly Case[] {
  const { send, text, binary, more, ping, pong, close, inFragments } = frames;
  const BYE = close(1000);
  const WITH_PINGS = [
    text(F1, CUT),
    more(F2, CUT),
    ping("pongme 1!"),
    more(F3, CUT),
    more(F4, CUT),
    ping("pongme 2!"),
    more(F5),
    BYE,
  ];

  // biome-ignore format: aligned table
  return [
    // Section 2: pings and pongs (RFC 6455 §5.5.2, §5.5.3). autobahn.test.ts contains the cases of section 1.
    { cases: "2.1", does: "RFC 6455 §5.5.2 a ping without payload is answered", sends: [ping(), BYE], gives: ["pong", ...CLOSED] },
    { cases: "2.2", does: "RFC 6455 §5.5.2 a ping with a text is answered with the text", sends: [ping(HELLO), BYE], gives: [`pong ${HELLO}`, ...CLOSED] },
    { cases: "2.3", does: "RFC 6455 §5.5.2 a ping with a payload that is not UTF-8 is answered", sends: [ping(bytes("00 ff fe fd fc fb 00 ff")), BYE], gives: [`pong ${Buffer.from("00fffefdfcfb00ff", "hex")}`, ...CLOSED] },
    { cases: "2.4, 2.6", does: "RFC 6455 §5.5.2 a ping of 125 bytes is answered", sends: [ping(STAR.repeat(125)), BYE], gives: [`pong ${STAR.repeat(125)}`, ...CLOSED] },
    { cases: "2.5", does: "RFC 6455 §5.5 a ping of 126 bytes fails the connection", sends: [ping(STAR.repeat(126)), BYE], gives: TOO_LONG },
    { cases: "2.7", does: "RFC 6455 §5.5.3 an unsolicited pong without payload is ignored", sends: [pong(), BYE], gives: CLOSED },
    { cases: "2.8", does: "RFC 6455 §5.5.3 an unsolicited pong with payload is ignored", sends: [pong("unsolicited pong payload"), BYE], gives: CLOSED },
    { cases: "2.9", does: "RFC 6455 §5.5.3 a ping after an unsolicited pong is answered", sends: [pong("unsolicited pong payload"), ping("ping payload"), BYE], gives: ["pong ping payload", ...CLOSED] },
    { cases: "2.10, 2.11", does: "RFC 6455 §5.5.3 ten pings are answered in order", sends: [...PINGS.map((p) => ping(p)), BYE], gives: [...PINGS.map((p) => `pong ${p}`), ...CLOSED] },

    // Section 3: reserved bits (RFC 6455 §5.2).
    { cases: "3.1", does: "RFC 6455 §5.2 a text with RSV3 fails the connection", sends: [text(HELLO, { rsv: 1 })], gives: RSV },
    { cases: "3.2", does: "RFC 6455 §5.2 a text with RSV2 after an echoed text fails the connection", sends: [text(HELLO), text(HELLO, { rsv: 2 }), ping()], gives: [`text ${HELLO}`, ...RSV] },
    { cases: "3.3", does: "RFC 6455 §5.2 a text with RSV2 and RSV3 after an echoed text fails the connection", sends: [text(HELLO), text(HELLO, { rsv: 3 }), ping()], gives: [`text ${HELLO}`, ...RSV] },
    { cases: "3.4", does: "RFC 6455 §5.2 a text with RSV1 after an echoed text fails the connection", sends: [text(HELLO), text(HELLO, { rsv: 4 }), ping()], gives: [`text ${HELLO}`, ...RSV] },
    { cases: "3.5", does: "RFC 6455 §5.2 a binary message with RSV1 and RSV3 fails the connection", sends: [binary(bytes("00 ff fe fd fc fb 00 ff"), { rsv: 5 })], gives: RSV },
    { cases: "3.6", does: "RFC 6455 §5.2 a ping with RSV1 and RSV2 fails the connection", sends: [ping(HELLO, { rsv: 6 })], gives: RSV },
    { cases: "3.7", does: "RFC 6455 §5.2 a close frame with RSV1, RSV2 and RSV3 fails the connection", sends: [send(8, "", { rsv: 7 })], gives: RSV },

    // Section 4: opcodes (RFC 6455 §5.2).
    { cases: "4.1.1", does: "RFC 6455 §5.2 opcode 3 fails the connection", sends: [send(3)], gives: OPCODE },
    { cases: "4.1.2", does: "RFC 6455 §5.2 opcode 4 with payload fails the connection", sends: [send(4, "reserved opcode payload")], gives: OPCODE },
    { cases: "4.1.3", does: "RFC 6455 §5.2 opcode 5 after an echoed text fails the connection", sends: [text(HELLO), send(5), ping()], gives: [`text ${HELLO}`, ...OPCODE] },
    { cases: "4.1.4", does: "RFC 6455 §5.2 opcode 6 with payload after an echoed text fails the connection", sends: [text(HELLO), send(6, HELLO), ping()], gives: [`text ${HELLO}`, ...OPCODE] },
    { cases: "4.1.5", does: "RFC 6455 §5.2 opcode 7 with payload after an echoed text fails the connection", sends: [text(HELLO), send(7, HELLO), ping()], gives: [`text ${HELLO}`, ...OPCODE] },
    { cases: "4.2.1", does: "RFC 6455 §5.2 opcode 11 fails the connection", sends: [send(11)], gives: OPCODE },
    { cases: "4.2.2", does: "RFC 6455 §5.2 opcode 12 with payload fails the connection", sends: [send(12, "reserved opcode payload")], gives: OPCODE },
    { cases: "4.2.3", does: "RFC 6455 §5.2 opcode 13 after an echoed text fails the connection", sends: [text(HELLO), send(13), ping()], gives: [`text ${HELLO}`, ...OPCODE] },
    { cases: "4.2.4", does: "RFC 6455 §5.2 opcode 14 with payload after an echoed text fails the connection", sends: [text(HELLO), send(14, HELLO), ping()], gives: [`text ${HELLO}`, ...OPCODE] },
    { cases: "4.2.5", does: "RFC 6455 §5.2 opcode 15 with payload after an echoed text fails the connection", sends: [text(HELLO), send(15, HELLO), ping()], gives: [`text ${HELLO}`, ...OPCODE] },

    // Section 5: fragmentation (RFC 6455 §5.4).
    { cases: "5.1", does: "RFC 6455 §5.5 a ping in two fragments fails the connection", sends: [ping("fragment1", CUT), more("fragment2")], gives: FRAGMENTED },
    { cases: "5.2", does: "RFC 6455 §5.5 a pong in two fragments fails the connection", sends: [pong("fragment1", CUT), more("fragment2")], gives: FRAGMENTED },
    { cases: "5.3 to 5.5", does: "RFC 6455 §5.4 a text in two fragments is echoed", sends: [text(F1, CUT), more(F2), BYE], gives: [`text ${F1}${F2}`, ...CLOSED] },
    { cases: "5.6 to 5.8", does: "RFC 6455 §5.4 a ping between two fragments is answered", sends: [text(F1, CUT), ping("ping payload"), more(F2), BYE], gives: ["pong ping payload", `text ${F1}${F2}`, ...CLOSED] },
    { cases: "5.9 to 5.11", does: "RFC 6455 §5.4 a final continuation frame that continues no message fails the connection", sends: [more("non-continuation payload"), text(HELLO)], gives: CONTINUES_NOTHING },
    { cases: "5.12 to 5.14", does: "RFC 6455 §5.4 a continuation frame without FIN that continues no message fails the connection", sends: [more("non-continuation payload", CUT), text(HELLO)], gives: CONTINUES_NOTHING },
    { cases: "5.15", does: "RFC 6455 §5.4 a continuation frame after a complete fragmented text fails the connection", sends: [text(F1, CUT), more(F2), more(F3, CUT), text(F4)], gives: [`text ${F1}${F2}`, ...CONTINUES_NOTHING] },
    { cases: "5.16", does: "RFC 6455 §5.4 a continuation frame without FIN before a fragmented text fails the connection", sends: [more(F1, CUT), text(F2, CUT), more(F3), more(F1, CUT), text(F2, CUT), more(F3)], gives: CONTINUES_NOTHING },
    { cases: "5.17", does: "RFC 6455 §5.4 a final continuation frame before a fragmented text fails the connection", sends: [more(F1), text(F2, CUT), more(F3), more(F1), text(F2, CUT), more(F3)], gives: CONTINUES_NOTHING },
    { cases: "5.18", does: "RFC 6455 §5.4 a text frame inside a fragmented text fails the connection", sends: [text(F1, CUT), text(F2)], gives: UNFINISHED },
    { cases: "5.19, 5.20", does: "RFC 6455 §5.4 five fragments are echoed, and the pings between them are answered", sends: WITH_PINGS, gives: ["pong pongme 1!", "pong pongme 2!", `text ${FRAGMENTS.join("")}`, ...CLOSED] },

    // Section 6: UTF-8 (RFC 6455 §8.1). KUHN has Markus Kuhn's strings, and autobahn.test.ts has the "fail fast" cases.
    { cases: "6.1.1", does: "RFC 6455 §5.6 an empty text is echoed", sends: [text(""), BYE], gives: ["text", ...CLOSED] },
    { cases: "6.1.2", does: "RFC 6455 §5.6 a text of three empty fragments is echoed", sends: [...inFragments(["", "", ""]), BYE], gives: ["text", ...CLOSED] },
    { cases: "6.1.3", does: "RFC 6455 §5.6 a fragment with payload between two empty fragments is echoed", sends: [...inFragments(["", "middle frame payload", ""]), BYE], gives: ["text middle frame payload", ...CLOSED] },
    { cases: "6.2.1", does: "RFC 6455 §8.1 a text in one frame is echoed", sends: [text(UTF8), BYE], gives: [`text ${UTF8}`, ...CLOSED] },
    { cases: "6.2.2", does: "RFC 6455 §8.1 a text that is cut between characters is echoed", sends: [...inFragments([UTF8.slice(0, 12), UTF8.slice(12)]), BYE], gives: [`text ${UTF8}`, ...CLOSED] },
    { cases: "6.2.3", does: "RFC 6455 §8.1 a text in fragments of one octet is echoed", sends: [...inFragments(octets(UTF8)), BYE], gives: [`text ${UTF8}`, ...CLOSED] },
    { cases: "6.2.4", does: "RFC 6455 §8.1 a Greek word in fragments of one octet is echoed", sends: [...inFragments(octets(KOSME)), BYE], gives: [`text ${KOSME}`, ...CLOSED] },
    { cases: "6.3.1", does: "RFC 6455 §8.1 invalid UTF-8 in one frame fails the connection", sends: [text(Buffer.concat([Buffer.from(KOSME), SURROGATE, Buffer.from("edited")]))], gives: NOT_UTF8 },
    { cases: "6.3.2", does: "RFC 6455 §8.1 invalid UTF-8 in fragments of one octet fails the connection", sends: inFragments(octets(Buffer.concat([Buffer.from(KOSME), SURROGATE, Buffer.from("edited")]))), gives: NOT_UTF8 },

    // Section 7: closing (RFC 6455 §5.5.1, §7.4).
    { cases: "7.1.1", does: "RFC 6455 §5.5.1 a text before a close frame is echoed", sends: [text(HELLO), BYE], gives: [`text ${HELLO}`, ...CLOSED] },
    { cases: "7.1.2", does: "RFC 6455 §5.5.1 a second close frame is not answered", sends: [BYE, BYE], gives: CLOSED },
    { cases: "7.1.3", does: "RFC 6455 §5.5.2 a ping after a close frame is not answered", sends: [BYE, ping("too late")], gives: CLOSED },
    { cases: "7.1.4", does: "RFC 6455 §1.4 a text after a close frame is discarded", sends: [BYE, text(HELLO)], gives: CLOSED },
    { cases: "7.1.5", does: "RFC 6455 §5.4 a close frame inside a message is answered, and the rest of the message is discarded", sends: [text(F1, CUT), BYE, more(F2)], gives: CLOSED },
    { cases: "7.3.1", does: "RFC 6455 §5.5.1 an empty close frame is answered with an empty close frame", sends: [send(8)], gives: ["close", "end"] },
    { cases: "7.3.2", does: "RFC 6455 §5.5.1 a close frame of one byte fails the connection", sends: [send(8, "a")], gives: CLOSE_LENGTH },
    { cases: "7.3.3", does: "RFC 6455 §5.5.1 a close frame with a code is answered with the code", sends: [BYE], gives: CLOSED },
    { cases: "7.3.4", does: "RFC 6455 §5.5.1 a close frame with a code and a reason is answered with the code", sends: [close(1000, HELLO)], gives: CLOSED },
    { cases: "7.3.5", does: "RFC 6455 §5.5.1 a close frame with a reason of 123 bytes is answered", sends: [close(1000, STAR.repeat(123))], gives: CLOSED },
    { cases: "7.3.6", does: "RFC 6455 §5.5 a close frame with a reason of 124 bytes fails the connection", sends: [close(1000, STAR.repeat(124))], gives: TOO_LONG },
    { cases: "7.5.1", does: "RFC 6455 §5.5.1 a close frame with a reason that is not UTF-8 fails the connection", sends: [close(1000, Buffer.concat([Buffer.from(KOSME), SURROGATE, Buffer.from("edited")]))], gives: NOT_UTF8 },
    ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map((code, i) => ({
      cases: `7.7.${i + 1}`, does: `RFC 6455 §7.4 the code ${code} is echoed`, sends: [close(code)], gives: [`close ${code}`, "end"],
    })),
    ...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].map((code, i) => ({
      cases: `7.9.${i + 1}`, does: `RFC 6455 §7.4 the invalid code ${code} fails the connection`, sends: [close(code)], gives: CLOSE_CODE,
    })),
    { cases: "7.13.1", does: "RFC 6455 §7.4.2 the invalid code 5000 fails the connection", sends: [close(5000)], gives: CLOSE_CODE },
    { cases: "7.13.2", does: "RFC 6455 §7.4.2 the invalid code 65536 in four bytes fails the connection", sends: [send(8, bytes("00 01 00 00"))], gives: CLOSE_CODE },
  ];
}

// Markus Kuhn's "UTF-8 decoder capability and stress test" as Autobahn uses it: "+" before valid UTF-8, "-" before invalid UTF-8.
const KUHN_3_3 = [
  "c0",
  "e0 80",
  "f0 80 80",
  "f8 80 80 80",
  "fc 80 80 80 80",
  "df",
  "ef bf",
  "f7 bf bf",
  "fb bf bf bf",
  "fd bf bf bf bf",
];

function range(from: number, to: number, between = ""): string {
  return Array.from({ length: to - from }, (_, i) => `${(from + i).toString(16)}${between}`).join(
    " ",
  );
}

// biome-ignore format: aligned table
export const KUHN: readonly (readonly [section: string, title: string, ...strings: string[]])[] = [
  ["6.5", "some text", "+68 65 6c 6c 6f 24 77 6f 72 6c 64", "+68 65 6c 6c 6f c2 a2 77 6f 72 6c 64", "+68 65 6c 6c 6f e2 82 ac 77 6f 72 6c 64", "+68 65 6c 6c 6f f0 a4 ad a2 77 6f 72 6c 64", "+ce ba e1 bd b9 cf 83 ce bc ce b5"],
  ["6.6", "each prefix of a word of multi-byte characters", "-ce", "+ce ba", "-ce ba e1", "-ce ba e1 bd", "+ce ba e1 bd b9", "-ce ba e1 bd b9 cf", "+ce ba e1 bd b9 cf 83", "-ce ba e1 bd b9 cf 83 ce", "+ce ba e1 bd b9 cf 83 ce bc", "-ce ba e1 bd b9 cf 83 ce bc ce", "+ce ba e1 bd b9 cf 83 ce bc ce b5"],
  ["6.7", "the first character of each length", "+00", "+c2 80", "+e0 a0 80", "+f0 90 80 80"],
  ["6.8", "the first character of five and of six bytes", "-f8 88 80 80 80", "-fc 84 80 80 80 80"],
  ["6.9", "the last character of each length", "+7f", "+df bf", "+ef bf bf", "+f4 8f bf bf"],
  ["6.10", "the last character of four, five and six bytes", "-f7 bf bf bf", "-fb bf bf bf bf", "-fd bf bf bf bf bf"],
  ["6.11", "other boundaries", "+ed 9f bf", "+ee 80 80", "+ef bf bd", "+f4 8f bf bf", "-f4 90 80 80"],
  ["6.12", "continuation bytes without a start byte", "-80", "-bf", "-80 bf", "-80 bf 80", "-80 bf 80 bf", "-80 bf 80 bf 80", "-80 bf 80 bf 80 bf", `-${range(0x80, 0xbf)}`],
  ["6.13", "start bytes without continuation bytes", `-${range(0xc0, 0xdf, " 20")}`, `-${range(0xe0, 0xef, " 20")}`, `-${range(0xf0, 0xf7, " 20")}`, `-${range(0xf8, 0xfb, " 20")}`, "-fc 20"],
  ["6.14", "sequences without their last continuation byte", ...KUHN_3_3.map((hex) => `-${hex}`)],
  ["6.15", "all of these sequences in a row", `-${KUHN_3_3.join(" ")}`],
  ["6.16", "impossible bytes", "-fe", "-ff", "-fe fe ff ff"],
  ["6.17", "overlong forms of a slash", "-c0 af", "-e0 80 af", "-f0 80 80 af", "-f8 80 80 80 af", "-fc 80 80 80 80 af"],
  ["6.18", "the largest overlong forms", "-c1 bf", "-e0 9f bf", "-f0 8f bf bf", "-f8 87 bf bf bf", "-fc 83 bf bf bf bf"],
  ["6.19", "overlong forms of NUL", "-c0 80", "-e0 80 80", "-f0 80 80 80", "-f8 80 80 80 80", "-fc 80 80 80 80 80"],
  ["6.20", "single surrogates", "-ed a0 80", "-ed ad bf", "-ed ae 80", "-ed af bf", "-ed b0 80", "-ed be 80", "-ed bf bf"],
  ["6.21", "pairs of surrogates", "-ed a0 80 ed b0 80", "-ed a0 80 ed bf bf", "-ed ad bf ed b0 80", "-ed ad bf ed bf bf", "-ed ae 80 ed b0 80", "-ed ae 80 ed bf bf", "-ed af bf ed b0 80", "-ed af bf ed bf bf"],
  ["6.22", "noncharacters, which are valid UTF-8", "+ef bf be", "+ef bf bf", ...["f0 9f", "f0 af", "f0 bf", "f1 8f", "f1 9f", "f1 af", "f1 bf", "f2 8f", "f2 9f", "f2 af", "f2 bf", "f3 8f", "f3 9f", "f3 af", "f3 bf", "f4 8f"].flatMap((lead) => [`+${lead} bf be`, `+${lead} bf bf`])],
  ["6.23", "code points of the block Specials", "+ef bf b9", "+ef bf ba", "+ef bf bb", "+ef bf bc", "+ef bf bd", "+ef bf be", "+ef bf bf"],
];
