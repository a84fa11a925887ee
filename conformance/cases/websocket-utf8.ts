// RFC 6455 §5.6 and §8.1: a text is UTF-8 (RFC 3629).

import type { Case } from "../kit/case.ts";
import { BINARY, CONTINUATION, encodeFrame, PING, TEXT } from "../kit/websocket.ts";
import { PARSE, UTF8 as UTF8_STREAM } from "./websocket-sentences.ts";

/** Each is valid, and at a border of what is. */
const VALID: readonly (readonly [name: string, what: string, hex: string])[] = [
  ["1-byte-first", "U+0000", "00"],
  ["1-byte-last", "U+007F", "7f"],
  ["2-bytes-first", "U+0080", "c280"],
  ["2-bytes-last", "U+07FF", "dfbf"],
  ["3-bytes-first", "U+0800", "e0a080"],
  ["3-bytes-before-surrogates", "U+D7FF", "ed9fbf"],
  ["3-bytes-after-surrogates", "U+E000", "ee8080"],
  ["3-bytes-last", "U+FFFF, a noncharacter", "efbfbf"],
  ["4-bytes-first", "U+10000", "f0908080"],
  ["4-bytes-last", "U+10FFFF, a noncharacter", "f48fbfbf"],
  ["noncharacter-fdd0", "U+FDD0, a noncharacter", "efb790"],
  ["noncharacter-fffe", "U+FFFE, a noncharacter", "efbfbe"],
  ["noncharacter-1fffe", "U+1FFFE, a noncharacter", "f09fbfbe"],
  ["replacement-character", "U+FFFD, the replacement character itself", "efbfbd"],
  ["byte-order-mark", "U+FEFF at the beginning, which is part of the text", "efbbbf7465787400"],
  ["byte-order-mark-alone", "U+FEFF alone", "efbbbf"],
  ["every-length", "characters of one to four bytes", "61c3a4e282acf09f988061"],
  ["combining", "a letter and a combining mark, which is not normalized", "65cc81"],
  ["line-endings", "CR, LF and CRLF, which are kept", "0d0a0d0a"],
];

const WHOLE: readonly Case[] = VALID.map(([name, what, hex]) => ({
  id: `websocket.utf8.valid-${name}`,
  title: `echoes a text of ${what}`,
  ...PARSE,
  clause: "RFC 6455 §5.6",
  severity: "MUST",
  sends: `a text frame with the bytes ${hex}`,
  expects: "the same bytes as text",
  run: async (context) => {
    const peer = await context.websocket();
    const payload = Buffer.from(hex, "hex");
    peer.sendText(payload);
    await peer.expectMessage(payload.toString());
  },
}));

/** "…a particular text frame might include a partial UTF-8 sequence" (§5.6). */
const CUT: readonly Case[] = [
  { hex: "c3a4", at: 1 },
  { hex: "e282ac", at: 1 },
  { hex: "e282ac", at: 2 },
  { hex: "f09f9880", at: 1 },
  { hex: "f09f9880", at: 2 },
  { hex: "f09f9880", at: 3 },
].flatMap(({ hex, at }): readonly Case[] => {
  const character = Buffer.from(hex, "hex");
  const before = Buffer.concat([Buffer.from("before "), character.subarray(0, at)]);
  const behind = Buffer.concat([character.subarray(at), Buffer.from(" behind")]);
  const text = `before ${character} behind`;
  const name = `${character.length}-bytes-after-${at}`;
  return [
    {
      id: `websocket.utf8.fragmented-${name}`,
      title: `puts together a character of ${character.length} bytes that is cut behind byte ${at} into two fragments`,
      ...PARSE,
      clause: "RFC 6455 §5.6",
      severity: "MUST",
      sends: "a text in two fragments, cut inside a character",
      expects: "the text",
      run: async (context) => {
        const peer = await context.websocket();
        peer.send({ opcode: TEXT, fin: false, payload: before });
        peer.send({ opcode: CONTINUATION, payload: behind });
        await peer.expectMessage(text);
      },
    },
    {
      id: `websocket.utf8.split-${name}`,
      title: `reads a character of ${character.length} bytes of which ${at} arrive before the others`,
      ...PARSE,
      clause: "RFC 6455 §5.6",
      severity: "MUST",
      sends: "a text frame in two TCP segments, cut inside a character",
      expects: "the text",
      run: async (context) => {
        const peer = await context.websocket();
        const payload = Buffer.concat([before, behind]);
        const frame = encodeFrame({ opcode: TEXT, payload });
        const cut = frame.length - behind.length;
        await peer.sendBytesInPieces(frame.subarray(0, cut), "a part", cut);
        peer.sendBytes(frame.subarray(cut), "the rest of it");
        await peer.expectMessage(text);
      },
    },
  ];
});

const LONGER: readonly Case[] = [
  {
    id: "websocket.utf8.byte-by-byte",
    title: "puts together a text with a fragment for each byte",
    ...PARSE,
    clause: "RFC 6455 §5.6",
    severity: "MUST",
    sends: 'the text "κόσμε €😀" in fragments of one byte',
    expects: "the text",
    run: async (context) => {
      const peer = await context.websocket();
      const bytes = Buffer.from("κόσμε €😀");
      bytes.forEach((byte, i) => {
        const fin = i === bytes.length - 1;
        peer.send({ opcode: i === 0 ? TEXT : CONTINUATION, fin, payload: Buffer.of(byte) });
      });
      await peer.expectMessage("κόσμε €😀");
    },
  },
  {
    id: "websocket.utf8.every-character",
    title: "echoes a text of every character but the surrogates",
    ...PARSE,
    clause: "RFC 6455 §5.6",
    severity: "MUST",
    sends: "a text of 1,112,064 characters",
    expects: "the same text",
    run: async (context) => {
      const peer = await context.websocket();
      const parts: string[] = [];
      for (let code = 0; code <= 0x10ffff; code++) {
        if (code < 0xd800 || code > 0xdfff) parts.push(String.fromCodePoint(code));
      }
      const text = parts.join("");
      peer.sendText(text);
      await peer.expectMessage(text);
    },
  },
  {
    id: "websocket.utf8.binary",
    title: "echoes bytes that are no UTF-8 in a binary message",
    ...PARSE,
    clause: "RFC 6455 §5.6",
    severity: "MUST",
    sends: "a binary frame with bytes that no text may hold",
    expects: "the same bytes",
    run: async (context) => {
      const peer = await context.websocket();
      const payload = Buffer.from("c0afeda080f5ff80", "hex");
      peer.sendBinary(payload);
      await peer.expectMessage(payload);
    },
  },
  {
    id: "websocket.utf8.binary-fragmented",
    title: "echoes bytes that are no UTF-8 in a fragmented binary message",
    ...PARSE,
    clause: "RFC 6455 §5.6",
    severity: "MUST",
    sends: "a binary message in two fragments with bytes that no text may hold",
    expects: "the same bytes",
    run: async (context) => {
      const peer = await context.websocket();
      peer.send({ opcode: BINARY, fin: false, payload: Buffer.of(0xff, 0xe2) });
      peer.send({ opcode: CONTINUATION, payload: Buffer.of(0xc0, 0x80) });
      await peer.expectMessage(Buffer.of(0xff, 0xe2, 0xc0, 0x80));
    },
  },
];

/** Each is invalid, and may be no part of a text wherever it is. */
const INVALID: readonly (readonly [name: string, what: string, hex: string])[] = [
  ["lone-continuation-80", "a continuation byte that continues nothing", "80"],
  ["lone-continuation-bf", "the last continuation byte, which continues nothing", "bf"],
  ["continuation-after-character", "a continuation byte too many", "c3a4a4"],
  ["byte-fe", "the byte FE", "fe"],
  ["byte-ff", "the byte FF", "ff"],
  ["overlong-2-bytes-first", "U+0000 in two bytes", "c080"],
  ["overlong-2-bytes-last", "U+007F in two bytes", "c1bf"],
  ["overlong-3-bytes-first", "U+0000 in three bytes", "e08080"],
  ["overlong-3-bytes-last", "U+07FF in three bytes", "e09fbf"],
  ["overlong-4-bytes-first", "U+0000 in four bytes", "f0808080"],
  ["overlong-4-bytes-last", "U+FFFF in four bytes", "f08fbfbf"],
  ["overlong-slash", "a slash in two bytes", "c0af"],
  ["surrogate-first", "the surrogate U+D800", "eda080"],
  ["surrogate-high-last", "the surrogate U+DBFF", "edafbf"],
  ["surrogate-low-first", "the surrogate U+DC00", "edb080"],
  ["surrogate-last", "the surrogate U+DFFF", "edbfbf"],
  ["surrogate-pair", "a pair of surrogates, as CESU-8 has it", "eda080edb080"],
  ["above-10ffff", "U+110000", "f4908080"],
  ["above-13ffff", "U+140000", "f5808080"],
  ["5-bytes", "a sequence of five bytes", "f888808080"],
  ["6-bytes", "a sequence of six bytes", "fc8480808080"],
  ["2-bytes-without-continuation", "a first byte of two with an ASCII byte behind it", "c341"],
  ["3-bytes-without-continuation", "two bytes of three with an ASCII byte behind them", "e28241"],
  [
    "4-bytes-without-continuation",
    "three bytes of four with an ASCII byte behind them",
    "f09f9841",
  ],
  ["two-first-bytes", "a first byte behind a first byte", "c3c3a4"],
];

/** Each is the beginning of a character, at the end of the text. */
const TRUNCATED: readonly (readonly [name: string, what: string, hex: string])[] = [
  ["truncated-2-bytes-after-1", "one byte of two at its end", "c3"],
  ["truncated-3-bytes-after-1", "one byte of three at its end", "e2"],
  ["truncated-3-bytes-after-2", "two bytes of three at its end", "e282"],
  ["truncated-4-bytes-after-1", "one byte of four at its end", "f0"],
  ["truncated-4-bytes-after-2", "two bytes of four at its end", "f09f"],
  ["truncated-4-bytes-after-3", "three bytes of four at its end", "f09f98"],
];

const BEFORE = Buffer.from("valid κόσμε ");

function invalid(name: string, what: string, hex: string): Case {
  return {
    id: `websocket.utf8.invalid-${name}`,
    title: `fails the connection for a text with ${what}`,
    ...UTF8_STREAM,
    severity: "MUST",
    sends: `a text frame that ends with the bytes ${hex}`,
    expects: "the connection failed with 1007",
    run: async (context) => {
      const peer = await context.websocket();
      peer.sendText(Buffer.concat([BEFORE, Buffer.from(hex, "hex")]));
      await peer.expectFailed([1007]);
    },
  };
}

/** Cut behind the first byte, so that neither fragment shows the fault by itself. */
function invalidFragmented(name: string, what: string, hex: string): Case {
  return {
    id: `websocket.utf8.invalid-fragmented-${name}`,
    title: `fails the connection for a text with ${what}, cut into fragments`,
    ...UTF8_STREAM,
    severity: "MUST",
    sends: `a text in two fragments that ends with the bytes ${hex}, cut behind the first of them`,
    expects: "the connection failed with 1007",
    run: async (context) => {
      const peer = await context.websocket();
      const bytes = Buffer.from(hex, "hex");
      const first = Buffer.concat([BEFORE, bytes.subarray(0, 1)]);
      peer.send({ opcode: TEXT, fin: false, payload: first });
      peer.send({ opcode: CONTINUATION, payload: bytes.subarray(1) });
      await peer.expectFailed([1007]);
    },
  };
}

const FRAGMENTED = new Set([
  "overlong-3-bytes-last",
  "overlong-4-bytes-last",
  "surrogate-first",
  "surrogate-last",
  "above-10ffff",
  "2-bytes-without-continuation",
  "4-bytes-without-continuation",
  "two-first-bytes",
]);

// No sentence of RFC 6455 says when the connection must fail. A server that waits for the end of the
// message takes what it will throw away, without a bound but its limit: SHOULD.
const AT_ONCE: readonly Case[] = [
  { name: "byte-ff", what: "a byte that is never valid", hex: "ff" },
  { name: "lone-continuation", what: "a lone continuation byte", hex: "80" },
  { name: "overlong-2-bytes", what: "the first byte of an overlong form", hex: "c0" },
  { name: "overlong-3-bytes", what: "the first two bytes of an overlong form", hex: "e080" },
  { name: "overlong-4-bytes", what: "the first two bytes of a longer one", hex: "f080" },
  { name: "surrogate", what: "the first two bytes of a surrogate", hex: "eda0" },
  { name: "above-10ffff", what: "the first two bytes of U+110000", hex: "f490" },
].flatMap(({ name, what, hex }): readonly Case[] => {
  const payload = Buffer.concat([BEFORE, Buffer.from(hex, "hex")]);
  const common = {
    clause: "RFC 6455 §8.1",
    severity: "SHOULD",
    expects: "the connection failed with 1007 at once",
  } as const;
  return [
    {
      id: `websocket.utf8.at-once-in-message-${name}`,
      title: `fails the connection for ${what} before the message ends`,
      sends: "a first fragment and no other, and a ping",
      ...common,
      run: async (context) => {
        const peer = await context.websocket();
        peer.send({ opcode: TEXT, fin: false, payload });
        // A server that waits for the end of the message answers it.
        peer.send({ opcode: PING });
        await peer.expectFailed([1007]);
      },
    },
    {
      id: `websocket.utf8.at-once-in-frame-${name}`,
      title: `fails the connection for ${what} before the frame ends`,
      sends: "the beginning of a text frame that claims a thousand bytes",
      ...common,
      run: async (context) => {
        const peer = await context.websocket();
        const frame = encodeFrame({ opcode: TEXT, payload, lengthBytes: 2, length: 1000 });
        peer.sendBytes(frame, "the beginning of a text frame");
        await peer.expectFailed([1007]);
      },
    },
  ];
});

export const UTF8: readonly Case[] = [
  ...WHOLE,
  ...CUT,
  ...LONGER,
  ...[...INVALID, ...TRUNCATED].map((each) => invalid(...each)),
  ...INVALID.filter(([name]) => FRAGMENTED.has(name)).map((each) => invalidFragmented(...each)),
  ...TRUNCATED.filter(([, , hex]) => hex.length > 2).map((each) => invalidFragmented(...each)),
  ...AT_ONCE,
];
