// RFC 7692: permessage-deflate, agreed on and used.

import { constants, deflateRawSync } from "node:zlib";

import { needBehaviour } from "../kit/behaviour.ts";
import { type Case, expect, Skip } from "../kit/case.ts";
import type { Context } from "../kit/context.ts";
import {
  type Agreement,
  compressAlone,
  DeflatePeer,
  inflateAlone,
  openDeflate,
  readAgreement,
} from "../kit/deflate.ts";
import { describeStatus } from "../kit/http.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  encodeFrame,
  PING,
  PONG,
  shakeHands,
  TEXT,
  WebSocketPeer,
} from "../kit/websocket.ts";
import {
  COMPRESSED_BIT,
  CONTROL_INSIDE,
  DECLINE,
  RECEIVE_COMPRESSED,
  RECEIVE_UNCOMPRESSED,
  RESERVED_BIT,
  SEND_COMPRESSED,
  SERVER_NO_TAKEOVER,
  UTF8,
  VALIDATE,
  WINDOW_OF_LAST,
} from "./websocket-sentences.ts";

const MIB = 1024 * 1024;
/** What the target must take of one message, inflated (docs/conformance.md). */
const LIMIT = 16 * MIB;

/** Bytes in which nothing repeats, the same in each run. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 0x2545f491;
  for (let i = 0; i < size; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

/** A text that compresses well. */
function prose(size: number): string {
  const words = "The quick brown fox jumps over the lazy dog. ";
  return words.repeat(Math.ceil(size / words.length)).slice(0, size);
}

// Negotiation: §5 and §7.1.

interface Negotiated {
  readonly name: string;
  readonly clause: string;
  readonly offer: string;
  readonly title: string;
  readonly expects: string;
  /** What the response must be. */
  readonly check: (agreement: Agreement) => void;
  /** The server may find that it cannot do this, and that is no fault. */
  readonly mayDecline?: boolean;
}

function within(what: string, got: number | undefined, most: number, severity?: "SHOULD"): void {
  expect(got !== undefined && got <= most, `${what}, at most ${most}`, `${got}`, severity);
}

const SERVER_BITS: readonly Negotiated[] = [8, 9, 10, 11, 12, 13, 14, 15].map((bits) => ({
  name: `server-bits-${bits}`,
  clause: "RFC 7692 §7.1.2.1",
  offer: `permessage-deflate; server_max_window_bits=${bits}`,
  title:
    bits === 8
      ? "agrees to a window of 8 bits for what it sends and keeps to it, or declines"
      : `agrees to a window of ${bits} bits for what it sends, and keeps to it`,
  expects: `server_max_window_bits of at most ${bits} in the answer, and messages that need no larger window${bits === 8 ? "; or no extension, since zlib knows no window of 8 bits" : ""}`,
  check: ({ serverMaxWindowBits }) => {
    // Without the parameter in the answer the window has up to 15 bits: what was offered is kept to all the same.
    const kept = serverMaxWindowBits === undefined && bits === 15;
    within("server_max_window_bits", serverMaxWindowBits, bits, kept ? "SHOULD" : undefined);
  },
  mayDecline: bits === 8,
}));

const CLIENT_BITS: readonly Negotiated[] = [8, 9, 10, 11, 12, 13, 14, 15].map((bits) => ({
  name: `client-bits-${bits}`,
  clause: "RFC 7692 §7.1.2.2",
  offer: `permessage-deflate; client_max_window_bits=${bits}`,
  title: `asks for no larger window than the ${bits} bits that the client has offered`,
  expects: `client_max_window_bits of at most ${bits} in the answer, or none`,
  check: ({ clientMaxWindowBits = 0 }) => {
    // "may either ignore this value or use this value": a larger one is of no use to anybody.
    within("client_max_window_bits", clientMaxWindowBits, bits, "SHOULD");
  },
  mayDecline: bits === 8,
}));

const NEGOTIATED: readonly Negotiated[] = [
  {
    name: "plain",
    clause: "RFC 7692 §7.1.2.2",
    offer: "permessage-deflate",
    title: "names no window of the client where the client has not offered to be told",
    expects: "no client_max_window_bits in the answer",
    check: ({ clientMaxWindowBits }) => {
      const got = `${clientMaxWindowBits}`;
      expect(clientMaxWindowBits === undefined, "no client_max_window_bits", got);
    },
  },
  {
    name: "client-bits-without-value",
    clause: "RFC 7692 §7.1.2.2",
    offer: "permessage-deflate; client_max_window_bits",
    title: "takes client_max_window_bits without a value",
    expects: "permessage-deflate in the answer",
    check: () => {},
  },
  {
    name: "server-takeover",
    clause: "RFC 7692 §7.1.1.1",
    offer: "permessage-deflate; server_no_context_takeover",
    title: "agrees to compress each message by itself",
    expects: "server_no_context_takeover in the answer",
    check: ({ serverNoContextTakeover }) => {
      expect(serverNoContextTakeover, "server_no_context_takeover", "none");
    },
  },
  {
    name: "client-takeover",
    clause: "RFC 7692 §7.1.1.2",
    offer: "permessage-deflate; client_no_context_takeover",
    title: "takes client_no_context_takeover, which is a hint",
    expects: "permessage-deflate in the answer",
    check: () => {},
  },
  {
    name: "all-parameters",
    clause: "RFC 7692 §7.1",
    offer:
      "permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=12; server_max_window_bits=11",
    title: "takes all four parameters together",
    expects: "server_no_context_takeover, and windows that are no larger",
    check: ({ serverNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits = 0 }) => {
      expect(serverNoContextTakeover, "server_no_context_takeover", "none");
      within("server_max_window_bits", serverMaxWindowBits, 11);
      within("client_max_window_bits", clientMaxWindowBits, 12, "SHOULD");
    },
  },
  {
    name: "quoted",
    clause: "RFC 6455 §9.1",
    offer: 'permessage-deflate; server_max_window_bits="10"',
    title: "reads a value in quotes as the one without",
    expects: "server_max_window_bits of at most 10 in the answer",
    check: ({ serverMaxWindowBits }) => within("server_max_window_bits", serverMaxWindowBits, 10),
  },
  {
    name: "spaces",
    clause: "RFC 6455 §9.1",
    offer: "  permessage-deflate  ;\tserver_max_window_bits=10\t;server_no_context_takeover ",
    title: "reads an offer with spaces and tabs around its parts",
    expects: "both parameters in the answer",
    check: ({ serverMaxWindowBits, serverNoContextTakeover }) => {
      within("server_max_window_bits", serverMaxWindowBits, 10);
      expect(serverNoContextTakeover, "server_no_context_takeover", "none");
    },
  },
  {
    name: "behind-unknown",
    clause: "RFC 7692 §5",
    offer: "x-unknown; a=b, permessage-deflate",
    title: "takes permessage-deflate behind an extension that nobody knows",
    expects: "permessage-deflate in the answer",
    check: () => {},
  },
  {
    name: "first-of-two",
    clause: "RFC 7692 §5",
    offer:
      "permessage-deflate; server_max_window_bits=10, permessage-deflate; server_no_context_takeover",
    title: "agrees to one of two offers, not to a mixture",
    expects: "the parameter of one of them",
    check: ({ serverMaxWindowBits, serverNoContextTakeover }) => {
      const one = serverMaxWindowBits !== undefined && serverMaxWindowBits <= 10;
      expect(one || serverNoContextTakeover, "one of the offers", "neither");
    },
  },
  ...SERVER_BITS,
  ...CLIENT_BITS,
];

/** A message that a compressor with a larger window shortens: what repeats lies further back than this one. */
function beyondWindow(bits: number): Uint8Array {
  const block = noise(2 ** bits + 400);
  return Buffer.concat([block, block]);
}

const OFFERS: readonly Case[] = NEGOTIATED.map(
  ({ name, clause, offer, title, expects, check, mayDecline = false }) => ({
    id: `websocket.deflate.offer-${name}`,
    title,
    // A configuration that the server "doesn't support" is to be declined; one that it has agreed to is used.
    ...DECLINE,
    clause,
    severity: "MUST",
    sends: `a handshake that offers ${offer}, and messages`,
    expects: `${expects}; and the messages`,
    run: async (context) => {
      const peer = await context.websocket({ headers: { "Sec-WebSocket-Extensions": offer } });
      const agreement = readAgreement(peer.header("sec-websocket-extensions"));
      if (agreement === undefined) {
        if (!mayDecline) throw new Skip(`the server declines "${offer}"`);
        peer.sendText("uncompressed");
        await peer.expectMessage("uncompressed");
        return;
      }
      if (!offer.includes("client_max_window_bits")) {
        const named = agreement.clientMaxWindowBits !== undefined;
        expect(!named, "no client_max_window_bits, which was not offered", "one");
      }
      check(agreement);
      const deflate = new DeflatePeer(peer, agreement);
      await deflate.echo("compressed");
      const bits = Math.min(
        agreement.serverMaxWindowBits ?? 15,
        agreement.clientMaxWindowBits ?? 15,
      );
      if (bits < 15) await deflate.echo(beyondWindow(bits));
      await deflate.echo("compressed");
    },
  }),
);

/** "A server MUST decline an extension negotiation offer for this extension if …" (§7.1). */
const INVALID_OFFERS: readonly Case[] = [
  { name: "unknown-parameter", parameters: "unknown", why: "an unknown parameter" },
  { name: "unknown-parameter-value", parameters: "unknown=10", why: "an unknown parameter" },
  { name: "server-bits-without-value", parameters: "server_max_window_bits", why: "no value" },
  { name: "server-bits-7", parameters: "server_max_window_bits=7", why: "a window of 7 bits" },
  { name: "server-bits-16", parameters: "server_max_window_bits=16", why: "a window of 16 bits" },
  { name: "server-bits-0", parameters: "server_max_window_bits=0", why: "a window of 0 bits" },
  { name: "server-bits-010", parameters: "server_max_window_bits=010", why: "a leading zero" },
  { name: "server-bits-plus", parameters: "server_max_window_bits=+10", why: "a sign" },
  { name: "server-bits-decimal", parameters: "server_max_window_bits=10.0", why: "a point" },
  { name: "server-bits-0xa", parameters: "server_max_window_bits=0xa", why: "hexadecimal" },
  { name: "server-bits-word", parameters: "server_max_window_bits=ten", why: "a word" },
  {
    name: "server-bits-twice",
    parameters: "server_max_window_bits=10; server_max_window_bits=10",
    why: "a parameter twice",
  },
  { name: "client-bits-7", parameters: "client_max_window_bits=7", why: "a window of 7 bits" },
  { name: "client-bits-16", parameters: "client_max_window_bits=16", why: "a window of 16 bits" },
  { name: "client-bits-09", parameters: "client_max_window_bits=09", why: "a leading zero" },
  { name: "client-bits-word", parameters: "client_max_window_bits=ten", why: "a word" },
  {
    name: "client-bits-twice",
    parameters: "client_max_window_bits; client_max_window_bits=10",
    why: "a parameter twice",
  },
  {
    name: "server-takeover-value",
    parameters: "server_no_context_takeover=1",
    why: "a value where none may be",
  },
  {
    name: "server-takeover-twice",
    parameters: "server_no_context_takeover; server_no_context_takeover",
    why: "a parameter twice",
  },
  {
    name: "client-takeover-value",
    parameters: "client_no_context_takeover=true",
    why: "a value where none may be",
  },
  {
    name: "client-takeover-twice",
    parameters: "client_no_context_takeover; client_no_context_takeover",
    why: "a parameter twice",
  },
  {
    name: "parameter-upper-case",
    parameters: "SERVER_NO_CONTEXT_TAKEOVER=1",
    why: "an unknown parameter, whatever one holds of its case",
  },
].map(({ name, parameters, why }) => ({
  id: `websocket.deflate.declines-${name}`,
  title: `does not agree to ${parameters}: ${why}`,
  ...DECLINE,
  clause: "RFC 7692 §7.1",
  severity: "MUST",
  sends: `a handshake that offers permessage-deflate; ${parameters}`,
  expects: "101 without an extension, or a status of 400 to 499",
  run: async (context) => {
    const offer = `permessage-deflate; ${parameters}`;
    const { status, line, headers } = await offerDeflate(context, offer);
    const right = status === 101 || (status >= 400 && status < 500);
    expect(right, "101, or a status of 400 to 499", describeStatus(line));
    const extension = headers.get("sec-websocket-extensions");
    expect(extension === undefined, "no extension", `${extension}`);
  },
}));

async function offerDeflate(context: Context, offer: string): ReturnType<typeof shakeHands> {
  const { target, conversation } = context;
  const headers = { "Sec-WebSocket-Extensions": offer };
  return shakeHands(await context.tcp(), target, conversation, { headers });
}

const DECLINING: readonly Case[] = [
  {
    id: "websocket.deflate.declined-is-no-failure",
    title: "opens the WebSocket without the extension where it declines the only offer",
    clause: "RFC 7692 §5",
    severity: "SHOULD",
    sends: "a handshake that offers permessage-deflate; server_max_window_bits=16, and a message",
    expects: "101 without an extension, and the message",
    run: async (context) => {
      const offer = "permessage-deflate; server_max_window_bits=16";
      const peer = await context.websocket({ headers: { "Sec-WebSocket-Extensions": offer } });
      const extension = peer.header("sec-websocket-extensions");
      expect(extension === "", "no extension", extension);
      peer.sendText("uncompressed");
      await peer.expectMessage("uncompressed");
    },
  },
  {
    id: "websocket.deflate.fallback",
    title: "takes a second offer where it must decline the first",
    clause: "RFC 7692 §5.2",
    severity: "SHOULD",
    sends: "a handshake that offers permessage-deflate; unknown, permessage-deflate",
    expects: "permessage-deflate in the answer",
    run: async (context) => {
      await openDeflate(context);
      const { status, line, headers } = await offerDeflate(
        context,
        "permessage-deflate; unknown, permessage-deflate",
      );
      expect(status === 101, "status 101", describeStatus(line));
      const got = headers.get("sec-websocket-extensions") ?? "";
      expect(readAgreement(got) !== undefined, "permessage-deflate", "no extension");
    },
  },
];

// Messages: §6 and §7.2.

const SIZES: readonly Case[] = [
  { size: 0, name: "0", words: "no bytes" },
  { size: 1, name: "1", words: "1 byte" },
  { size: 125, name: "125", words: "125 bytes" },
  { size: 126, name: "126", words: "126 bytes" },
  { size: 65_535, name: "65535", words: "65,535 bytes" },
  { size: 65_536, name: "65536", words: "65,536 bytes" },
  { size: MIB, name: "1-mib", words: "1 MiB" },
].flatMap(({ size, name, words }) =>
  [
    { kind: "text", message: prose(size) },
    { kind: "binary", message: noise(size) },
  ].map(({ kind, message }) => ({
    id: `websocket.deflate.${kind}-of-${name}`,
    title: `echoes a compressed ${kind} message of ${words}`,
    ...RECEIVE_COMPRESSED,
    clause: "RFC 7692 §7.2",
    severity: "MUST",
    sends: `a compressed ${kind} message of ${words}`,
    expects: "the same message, compressed or not",
    run: async (context) => {
      await (await openDeflate(context)).echo(message);
    },
  })),
);

/** The examples of §7.2.3, and other ways to say "Hello". */
const HELLO: readonly Case[] = [
  { name: "fixed", what: "one block of fixed codes", hex: "f248cdc9c90700", clause: "7.2.3.1" },
  { name: "stored", what: "one stored block", hex: "000500faff48656c6c6f00", clause: "7.2.3.3" },
  {
    name: "bfinal",
    what: "a block with BFINAL",
    hex: "f348cdc9c9070000",
    clause: "7.2.3.4",
  },
  {
    name: "two-blocks",
    what: "two blocks",
    hex: "f24805000000ffffcac9c90700",
    clause: "7.2.3.5",
  },
  {
    name: "two-stored",
    what: "two stored blocks",
    hex: "000200fdff4865000300fcff6c6c6f00",
    clause: "7.2.3.3",
  },
  {
    name: "empty-blocks",
    what: "an empty stored block and one of fixed codes",
    hex: "000000fffff248cdc9c90700",
    clause: "7.2.3.5",
  },
].map(({ name, what, hex, clause }) => ({
  id: `websocket.deflate.hello-${name}`,
  title: `inflates a message of ${what}`,
  ...RECEIVE_COMPRESSED,
  clause: `RFC 7692 §${clause}`,
  severity: "MUST",
  sends: `"Hello" as ${what}: ${hex}`,
  expects: '"Hello"',
  run: async (context) => {
    const deflate = await openDeflate(context);
    deflate.sendRaw(TEXT, Buffer.from(hex, "hex"));
    await deflate.expectMessage("Hello");
  },
}));

const DYNAMIC: readonly Case[] = [
  { name: "level-0", what: "stored blocks", options: { level: 0 } },
  { name: "huffman-only", what: "codes alone", options: { strategy: constants.Z_HUFFMAN_ONLY } },
  { name: "run-length", what: "runs of one byte", options: { strategy: constants.Z_RLE } },
  { name: "fixed-codes", what: "fixed codes", options: { strategy: constants.Z_FIXED } },
  { name: "level-9", what: "the longest repetitions", options: { level: 9, memLevel: 9 } },
  { name: "small-blocks", what: "many small blocks", options: { memLevel: 1 } },
].map(({ name, what, options }) => ({
  id: `websocket.deflate.form-${name}`,
  title: `inflates 200,000 bytes compressed as ${what}`,
  ...RECEIVE_COMPRESSED,
  clause: "RFC 7692 §7.2.2",
  severity: "MUST",
  sends: `a compressed text message of 200,000 bytes: ${what}`,
  expects: "the same message",
  run: async (context) => {
    const deflate = await openDeflate(context);
    const text = prose(100_000) + noise(50_000).toString("hex");
    deflate.sendRaw(TEXT, compressAlone(text, options));
    await deflate.expectMessage(text);
  },
}));

const FRAGMENTED: readonly Case[] = [
  { name: "example", hex: "f248cdc9c90700", size: 3 },
  { name: "bytes", hex: "f248cdc9c90700", size: 1 },
].map(({ name, hex, size }) => ({
  id: `websocket.deflate.fragmented-${name}`,
  title: `inflates a message in fragments of ${size} byte${size === 1 ? "" : "s"}, of which the first has RSV1`,
  ...RECEIVE_COMPRESSED,
  clause: "RFC 7692 §7.2.3.1",
  severity: "MUST",
  sends: `"Hello" compressed, in fragments of ${size}`,
  expects: '"Hello"',
  run: async (context) => {
    const deflate = await openDeflate(context);
    deflate.sendRaw(TEXT, Buffer.from(hex, "hex"), size);
    await deflate.expectMessage("Hello");
  },
}));

const MESSAGES: readonly Case[] = [
  {
    id: "websocket.deflate.fragmented-large",
    title: "inflates a message of 1 MiB in fragments of 1000 bytes",
    ...RECEIVE_COMPRESSED,
    severity: "MUST",
    sends: "a compressed binary message of 1 MiB in more than a thousand fragments",
    expects: "the same message",
    run: async (context) => {
      const deflate = await openDeflate(context);
      const message = noise(MIB);
      deflate.sendRaw(BINARY, deflate.compress(message), 1000);
      await deflate.expectMessage(message);
    },
  },
  {
    id: "websocket.deflate.fragmented-empty-first",
    title: "inflates a message whose first fragment, with RSV1, is empty",
    ...RECEIVE_COMPRESSED,
    severity: "MUST",
    sends: "an empty text frame with RSV1 and without FIN, and the rest of the message",
    expects: "the message",
    run: async (context) => {
      const deflate = await openDeflate(context);
      deflate.peer.send({ opcode: TEXT, rsv: 4, fin: false });
      deflate.peer.send({ opcode: CONTINUATION, payload: deflate.compress("Hello") });
      await deflate.expectMessage("Hello");
    },
  },
  {
    id: "websocket.deflate.ping-inside",
    title: "answers an uncompressed ping inside a compressed message",
    ...CONTROL_INSIDE,
    clause: "RFC 7692 §6.1",
    severity: "MUST",
    sends: "a fragment of a compressed text, a ping, and the last fragment",
    expects: "a pong without RSV1, and the message",
    run: async (context) => {
      const deflate = await openDeflate(context);
      const payload = deflate.compress("Hello");
      deflate.peer.send({ opcode: TEXT, rsv: 4, fin: false, payload: payload.subarray(0, 3) });
      deflate.peer.send({ opcode: PING, payload: "inside" });
      const pong = await deflate.peer.expectFrame(PONG, "inside");
      expect(pong.rsv === 0, "a pong without RSV1", `rsv ${pong.rsv}`);
      deflate.peer.send({ opcode: CONTINUATION, payload: payload.subarray(3) });
      await deflate.expectMessage("Hello");
    },
  },
  {
    id: "websocket.deflate.in-pieces",
    title: "inflates a message that arrives byte by byte",
    ...RECEIVE_COMPRESSED,
    severity: "MUST",
    sends: "a compressed text message in TCP segments of one byte",
    expects: "the message",
    run: async (context) => {
      const deflate = await openDeflate(context);
      const payload = deflate.compress(prose(500));
      await deflate.peer.sendInPieces({ opcode: TEXT, rsv: 4, payload }, 1);
      await deflate.expectMessage(prose(500));
    },
  },
  {
    id: "websocket.deflate.uncompressed",
    title: "takes an uncompressed message where compression was agreed on",
    ...RECEIVE_UNCOMPRESSED,
    severity: "MUST",
    sends: "a text message without RSV1",
    expects: "the same message, compressed or not",
    run: async (context) => {
      const deflate = await openDeflate(context);
      deflate.peer.sendText("as it is");
      await deflate.expectMessage("as it is");
    },
  },
  {
    id: "websocket.deflate.mixed",
    title:
      "takes compressed and uncompressed messages in turn; the context is of the compressed ones",
    ...WINDOW_OF_LAST,
    severity: "MUST",
    sends: "ten text messages, each second one without RSV1",
    expects: "the same messages",
    run: async (context) => {
      const deflate = await openDeflate(context);
      for (let i = 0; i < 10; i++) {
        const text = `message number ${i}, much as the one before it`;
        if (i % 2 === 0) deflate.send(TEXT, text);
        else deflate.peer.sendText(text);
        await deflate.expectMessage(text);
      }
    },
  },
  {
    id: "websocket.deflate.compresses",
    title: "compresses what it sends where that is agreed on and worth it",
    clause: "RFC 7692 §6.1",
    severity: "INFO",
    sends: "a text message of 20,000 bytes that compresses well",
    expects: "the same message, compressed to less than a tenth",
    run: async (context) => {
      const { compressed, raw } = await (await openDeflate(context)).echo(prose(20_000));
      const got = `${raw.length} bytes, ${compressed ? "compressed" : "uncompressed"}`;
      expect(compressed && raw.length < 2000, "less than 2,000 bytes, compressed", got);
    },
  },
  {
    id: "websocket.deflate.tail-cut-off",
    title: "cuts off the 00 00 FF FF at the end of what it compresses",
    ...SEND_COMPRESSED,
    clause: "RFC 7692 §7.2.1",
    severity: "MUST",
    sends: "a text message of 5,000 bytes",
    expects: "the same message; compressed, it does not end with 00 00 FF FF",
    run: async (context) => {
      const { compressed, raw } = await (await openDeflate(context)).echo(prose(5000));
      const tail = Buffer.from(raw.subarray(-4)).toString("hex");
      expect(!compressed || tail !== "0000ffff", "another end than 0000ffff", tail);
    },
  },
];

// Context takeover: §7.1.1.

const TAKEOVER: readonly Case[] = [
  {
    id: "websocket.deflate.takeover-example",
    title: "inflates the example of a second message that refers to the first",
    ...WINDOW_OF_LAST,
    clause: "RFC 7692 §7.2.3.2",
    severity: "MUST",
    sends: '"Hello" twice, the second time as f2 00 11 00 00',
    expects: '"Hello" twice',
    run: async (context) => {
      const deflate = await openDeflate(context);
      if (deflate.agreement.clientNoContextTakeover) {
        throw new Skip("the server wants each message compressed by itself");
      }
      deflate.sendRaw(TEXT, Buffer.from("f248cdc9c90700", "hex"));
      await deflate.expectMessage("Hello");
      deflate.sendRaw(TEXT, Buffer.from("f200110000", "hex"));
      await deflate.expectMessage("Hello");
    },
  },
  ...[
    { name: "small", size: 200, count: 20, what: "20 messages of 200 bytes" },
    { name: "large", size: 30_000, count: 5, what: "5 messages of 30,000 bytes" },
    { name: "beyond-window", size: 50_000, count: 4, what: "4 messages larger than the window" },
  ].map(
    ({ name, size, count, what }): Case => ({
      id: `websocket.deflate.takeover-${name}`,
      title: `inflates ${what}, each compressed with those before it in mind`,
      ...WINDOW_OF_LAST,
      severity: "MUST",
      sends: `${what} in which much repeats`,
      expects: "the same messages",
      run: async (context) => {
        const deflate = await openDeflate(context);
        const block = noise(size);
        for (let i = 0; i < count; i++) {
          await deflate.echo(Buffer.concat([Buffer.of(i), block.subarray(i)]));
        }
      },
    }),
  ),
  {
    id: "websocket.deflate.takeover-pipelined",
    title: "inflates 50 messages that arrive at once, each with those before it in mind",
    ...WINDOW_OF_LAST,
    severity: "MUST",
    sends: "50 compressed text messages in one write",
    expects: "the same messages in the same order",
    run: async (context) => {
      const deflate = await openDeflate(context);
      const texts = Array.from({ length: 50 }, (_, i) => `${i}: ${prose(40 * i)}`);
      const frames = texts.map((text) =>
        encodeFrame({ opcode: TEXT, rsv: 4, payload: deflate.compress(text) }),
      );
      deflate.peer.sendBytes(Buffer.concat(frames), "50 compressed text frames");
      for (const text of texts) await deflate.expectMessage(text);
    },
  },
  {
    id: "websocket.deflate.server-no-takeover",
    title: "compresses each message by itself where it has agreed to",
    ...SERVER_NO_TAKEOVER,
    clause: "RFC 7692 §7.1.1.1",
    severity: "MUST",
    sends: "the same text three times, where server_no_context_takeover was agreed on",
    expects: "the same messages, each of which can be inflated by itself",
    run: async (context) => {
      const deflate = await openDeflate(context, "permessage-deflate; server_no_context_takeover");
      expect(deflate.agreement.serverNoContextTakeover, "server_no_context_takeover", "none");
      const text = noise(1000).toString("hex");
      for (let i = 0; i < 3; i++) {
        const { raw, compressed } = await deflate.echo(text);
        if (compressed) inflateAlone(raw);
      }
    },
  },
  {
    id: "websocket.deflate.client-no-takeover",
    title: "inflates messages that were compressed each by itself",
    ...RECEIVE_COMPRESSED,
    clause: "RFC 7692 §7.1.1.2",
    severity: "MUST",
    sends: "three messages, each compressed by itself",
    expects: "the same messages",
    run: async (context) => {
      const deflate = await openDeflate(context, "permessage-deflate; client_no_context_takeover");
      for (const text of [prose(1000), prose(999), prose(1000)]) {
        deflate.sendRaw(TEXT, compressAlone(text));
        await deflate.expectMessage(text);
      }
    },
  },
  {
    id: "websocket.deflate.no-takeover-both",
    title: "keeps no context where neither end takes it over",
    ...SERVER_NO_TAKEOVER,
    clause: "RFC 7692 §7.1.1",
    severity: "MUST",
    sends: "five messages, where both ends have agreed to compress each by itself",
    expects: "the same messages, each of which can be inflated by itself",
    run: async (context) => {
      const deflate = await openDeflate(
        context,
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
      );
      for (let i = 0; i < 5; i++) {
        deflate.sendRaw(TEXT, compressAlone(prose(3000)));
        deflate.peer.need("websocket-echo");
        const { raw, compressed } = await deflate.message();
        const text = Buffer.from(compressed ? inflateAlone(raw) : raw).toString();
        expect(text === prose(3000), "the same text", `${text.length} bytes`);
      }
    },
  },
  {
    id: "websocket.deflate.connections-apart",
    title: "keeps the context of each connection apart",
    ...WINDOW_OF_LAST,
    severity: "MUST",
    sends: "other messages on two connections in turn",
    expects: "the same messages on each",
    run: async (context) => {
      const peers = [await openDeflate(context), await openDeflate(context)];
      for (let round = 0; round < 5; round++) {
        for (const [i, deflate] of peers.entries()) {
          await deflate.echo(`connection ${i} says ${round}, and says it ${"again ".repeat(20)}`);
        }
      }
    },
  },
];

// What is wrong: §6.1, §7.2.2, and what RFC 6455 asks of what is inflated.

interface Wrong {
  readonly name: string;
  readonly title: string;
  readonly clause: string;
  readonly sentence?: string;
  readonly codes: readonly number[];
  readonly severity?: Case["severity"];
  readonly silence?: Case["severity"];
  readonly send: (deflate: DeflatePeer) => void;
}

const WRONG: readonly Wrong[] = [
  {
    name: "rsv1-continuation",
    title: "RSV1 on a continuation frame of a compressed message",
    ...COMPRESSED_BIT,
    codes: [1002],
    send: ({ peer }) => {
      peer.send({ opcode: TEXT, rsv: 4, fin: false, payload: Buffer.from("f248cd", "hex") });
      peer.send({ opcode: CONTINUATION, rsv: 4, payload: Buffer.from("c9c90700", "hex") });
    },
  },
  {
    name: "rsv1-continuation-alone",
    title: "RSV1 on a continuation frame of an uncompressed message",
    ...COMPRESSED_BIT,
    codes: [1002],
    send: ({ peer }) => {
      peer.send({ opcode: TEXT, fin: false, payload: "Hel" });
      peer.send({ opcode: CONTINUATION, rsv: 4, payload: "lo" });
    },
  },
  ...[
    { name: "ping", opcode: PING },
    { name: "pong", opcode: PONG },
    { name: "close", opcode: CLOSE },
  ].map(({ name, opcode }) => ({
    name: `rsv1-${name}`,
    title: `RSV1 on a ${name} frame`,
    ...COMPRESSED_BIT,
    codes: [1002],
    send: ({ peer }: DeflatePeer) => peer.send({ opcode, rsv: 4 }),
  })),
  ...[2, 1].flatMap((rsv) =>
    [0, 4].map((rsv1) => ({
      name: `rsv${rsv === 2 ? 2 : 3}${rsv1 === 0 ? "" : "-with-rsv1"}`,
      title: `RSV${rsv === 2 ? 2 : 3}${rsv1 === 0 ? "" : " beside RSV1"}, which permessage-deflate does not use`,
      ...RESERVED_BIT,
      codes: [1002],
      send: (deflate: DeflatePeer) => {
        const payload = rsv1 === 0 ? "Hello" : deflate.compress("Hello");
        deflate.peer.send({ opcode: TEXT, rsv: rsv | rsv1, payload });
      },
    })),
  ),
  // No code is named for data that is not DEFLATE's. 1007 is for "data within a message that was not
  // consistent with the type of the message", 1002 for a breach of the protocol: it is both.
  ...[
    { name: "block-type", what: "a block of the reserved type", hex: "ffffffff" },
    {
      name: "stored-length",
      what: "a stored block whose length is wrong",
      hex: "000500000048656c6c6f",
    },
    { name: "distance", what: "a repetition of what is not there", hex: "f200110000" },
    { name: "codes", what: "a block with codes that cannot be", hex: "04ffffffffffffffff" },
  ].map(({ name, what, hex }) => ({
    name: `garbage-${name}`,
    title: what,
    ...VALIDATE,
    clause: "RFC 7692 §7.2.2",
    codes: [1007, 1002],
    silence: "SHOULD" as const,
    send: (deflate: DeflatePeer) => deflate.sendRaw(TEXT, Buffer.from(hex, "hex")),
  })),
  {
    name: "garbage-uncompressed",
    title: "an uncompressed text with RSV1",
    ...VALIDATE,
    clause: "RFC 7692 §7.2.2",
    codes: [1007, 1002],
    silence: "SHOULD" as const,
    send: (deflate) => deflate.sendRaw(TEXT, Buffer.from("not compressed at all")),
  },
  {
    name: "invalid-utf8",
    title: "a compressed text that is not UTF-8",
    ...UTF8,
    codes: [1007],
    send: (deflate) => deflate.send(TEXT, Buffer.from("6f6bff", "hex")),
  },
  {
    name: "invalid-utf8-surrogate",
    title: "a compressed text with a surrogate",
    ...UTF8,
    codes: [1007],
    send: (deflate) => deflate.send(TEXT, Buffer.from("6f6beda080", "hex")),
  },
  {
    name: "invalid-utf8-truncated",
    title: "a compressed text that ends inside a character",
    ...UTF8,
    codes: [1007],
    send: (deflate) => deflate.send(TEXT, Buffer.from("6f6be282", "hex")),
  },
  {
    name: "invalid-utf8-large",
    title: "a compressed text of 1 MiB whose last byte is wrong",
    ...UTF8,
    codes: [1007],
    send: (deflate) => deflate.send(TEXT, Buffer.concat([Buffer.alloc(MIB, "x"), Buffer.of(0xc0)])),
  },
  {
    name: "invalid-utf8-fragmented",
    title: "a compressed text in fragments that is not UTF-8",
    ...UTF8,
    codes: [1007],
    send: (deflate) => deflate.sendRaw(TEXT, deflate.compress(Buffer.from("6f6bff", "hex")), 2),
  },
  {
    name: "beyond-limit",
    title: "a message that is one byte beyond the limit when it is inflated",
    clause: "RFC 6455 §10.4",
    codes: [1009],
    severity: "SHOULD",
    send: (deflate) => deflate.sendRaw(BINARY, compressAlone(Buffer.alloc(LIMIT + 1))),
  },
  {
    name: "bomb",
    title: "a message of 256 KiB that becomes 256 MiB",
    clause: "RFC 6455 §10.4",
    codes: [1009],
    severity: "SHOULD",
    send: (deflate) => deflate.sendRaw(BINARY, bomb(256)),
  },
  {
    name: "bomb-text",
    title: "a text in fragments that becomes 64 MiB",
    clause: "RFC 6455 §10.4",
    codes: [1009],
    severity: "SHOULD",
    send: (deflate) => deflate.sendRaw(TEXT, bomb(64), 10_000),
  },
];

/** So many MiB of the letter x: one of them, again and again. */
function bomb(mebibytes: number): Uint8Array {
  const one = deflateRawSync(Buffer.alloc(MIB, "x"), { finishFlush: constants.Z_SYNC_FLUSH });
  return Buffer.concat([...Array.from({ length: mebibytes }, () => one), Buffer.of(0)]);
}

const REFUSED: readonly Case[] = WRONG.map(
  ({ name, title, clause, sentence, codes, severity = "MUST", silence, send }): Case => ({
    id: `websocket.deflate.${name}`,
    title: `fails the connection for ${title}`,
    clause,
    ...(sentence !== undefined && { sentence }),
    severity,
    ...(silence !== undefined && { silence }),
    sends: title,
    expects: `the connection failed with ${codes.join(" or ")}`,
    alone: codes.includes(1009),
    run: async (context) => {
      if (codes.includes(1009)) needBehaviour(context.target, "websocket-limit");
      const deflate = await openDeflate(context);
      send(deflate);
      await deflate.peer.expectFailed(codes);
    },
  }),
);

const AT_LIMIT: Case = {
  id: "websocket.deflate.at-limit",
  title: "inflates a message that is as large as the limit",
  clause: "RFC 6455 §10.4",
  severity: "SHOULD",
  sends: "a compressed binary message of 16 MiB, inflated",
  expects: "the same message",
  alone: true,
  run: async (context) => {
    const deflate = await openDeflate(context);
    const message = Buffer.alloc(LIMIT, 7);
    deflate.sendRaw(BINARY, compressAlone(message));
    await deflate.expectMessage(message);
  },
};

const NOT_OFFERED: Case = {
  id: "websocket.deflate.not-offered",
  title: "neither compresses nor inflates where nothing was offered",
  ...RESERVED_BIT,
  clause: "RFC 7692 §6.1",
  severity: "MUST",
  sends: "a handshake without an offer, and a text message with RSV1",
  expects: "the connection failed with 1002",
  run: async (context) => {
    const { target, conversation } = context;
    const tcp = await context.tcp();
    const answer = await shakeHands(tcp, target, conversation, {});
    const peer = new WebSocketPeer(tcp, answer, target, conversation);
    const extension = peer.header("sec-websocket-extensions");
    expect(extension === "", "no extension", extension);
    peer.send({ opcode: TEXT, rsv: 4, payload: compressAlone("Hello") });
    await peer.expectFailed([1002]);
  },
};

export const DEFLATE: readonly Case[] = [
  ...OFFERS,
  ...INVALID_OFFERS,
  ...DECLINING,
  ...SIZES,
  ...HELLO,
  ...DYNAMIC,
  ...FRAGMENTED,
  ...MESSAGES,
  ...TAKEOVER,
  ...REFUSED,
  AT_LIMIT,
  NOT_OFFERED,
];
