// Compares our codec of Socket.IO with socket.io-parser: both encode to the same bytes, and decode to the same
// packets.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";
import * as theirs from "socket.io-parser";

import type { Bytes } from "../../../protocol/bytes.ts";
import { Decoder } from "../../../protocol/socketio/decoder.ts";
import { encode } from "../../../protocol/socketio/encoder.ts";
import {
  ACK,
  CONNECT,
  CONNECT_ERROR,
  DISCONNECT,
  EVENT,
  type EventData,
  type Packet,
  RESERVED_EVENTS,
} from "../../../protocol/socketio/packet.ts";
import { ProtocolError, type RuleName } from "../../../protocol/socketio/rules.ts";
import { seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";
import { BREACHES, MAX_ATTACHMENTS, PACKETS, TOLERATED } from "../../vectors/socketio.ts";

type Message = string | Bytes;

const RUNS = { seed, numRuns: 3000 };
type Name = keyof typeof BREACHES;
const NAMES = Object.keys(BREACHES).filter((name): name is Name => name in BREACHES);

// Formats packets as text. A value and the decoded copy of the value have the same text.

function canonical(value: unknown): unknown {
  if (value === undefined || typeof value === "function") return null;
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof ArrayBuffer) return { bytes: Buffer.from(value).toString("hex") };
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    return { bytes: Buffer.from(buffer, byteOffset, byteLength).toString("hex") };
  }
  if (value instanceof Date) return value.toJSON();
  if (Array.isArray(value)) return value.map(canonical);
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) =>
      item === undefined || typeof item === "function" ? [] : [[key, canonical(item)]],
    ),
  );
}

function line(type: number, namespace: string, id: number | undefined, data: unknown): string {
  return JSON.stringify([
    type,
    namespace,
    id ?? "no id",
    data === undefined ? "no data" : canonical(data),
  ]);
}

function ourLine(packet: Packet): string {
  const id = "id" in packet ? packet.id : undefined;
  return line(packet.type, packet.namespace, id, "data" in packet ? packet.data : undefined);
}

function theirLine({ type, nsp, id, data }: theirs.Packet): string {
  // Our decoder converts a CONNECT_ERROR payload that is a string to an object with this message, and ignores ids
  // except those of events and acknowledgements. So this function does the same.
  const payload = type === CONNECT_ERROR && typeof data === "string" ? { message: data } : data;
  return line(type, nsp, type === EVENT || type === ACK ? id : undefined, payload);
}

// Encodes packets with both codecs.

function encodeOurs(packet: Packet): Message[] {
  const { text, attachments } = encode(packet);
  return [text, ...attachments];
}

function encodeTheirs(packet: Packet): Message[] {
  const { type, namespace: nsp } = packet;
  const data = "data" in packet ? packet.data : undefined;
  const id = "id" in packet ? packet.id : undefined;
  const encoder = new theirs.Encoder();
  const [text, ...attachments]: unknown[] = encoder.encode(
    id === undefined ? { type, nsp, data } : { type, nsp, data, id },
  );
  assert.ok(typeof text === "string");
  return [text, ...attachments.map(plainBytes)];
}

/**
 * Converts an attachment of socket.io-parser to a Uint8Array. socket.io-parser keeps the class of the caller's value.
 */
function plainBytes(value: unknown): Bytes {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  assert.ok(ArrayBuffer.isView(value));
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function wire(messages: readonly Message[]): string[] {
  return messages.map((message) =>
    typeof message === "string" ? message : `<${Buffer.from(message).toString("hex")}>`,
  );
}

// Decodes messages with both codecs, up to the first invalid message.

interface OurReading {
  readonly lines: readonly string[];
  readonly breach: RuleName | undefined;
  /** The index of the message that violates the rule. */
  readonly at: number;
}

function decodeOurs(messages: readonly Message[]): OurReading {
  const decoder = new Decoder({ maxAttachments: MAX_ATTACHMENTS });
  const lines: string[] = [];
  for (const [at, message] of messages.entries()) {
    try {
      const packet = decoder.add(message);
      if (packet !== undefined) lines.push(ourLine(packet));
    } catch (error) {
      assert.ok(error instanceof ProtocolError);
      return { lines, breach: error.rule, at };
    }
  }
  return { lines, breach: undefined, at: messages.length };
}

function decodeTheirs(messages: readonly Message[]): { lines: string[]; failed: boolean } {
  const decoder = new theirs.Decoder({ maxAttachments: MAX_ATTACHMENTS });
  const lines: string[] = [];
  decoder.on("decoded", (packet) => void lines.push(theirLine(packet)));
  try {
    for (const message of messages) decoder.add(message);
  } catch {
    return { lines, failed: true };
  }
  return { lines, failed: false };
}

function sameEncoding(packet: Packet): void {
  const our = encodeOurs(packet);
  const their = encodeTheirs(packet);
  assert.deepEqual(wire(our), wire(their));
  const expected = [ourLine(packet)];
  assert.deepEqual(decodeOurs(their), { lines: expected, breach: undefined, at: their.length });
  assert.deepEqual(decodeTheirs(our), { lines: expected, failed: false });
}

describe("socket.io-parser and our codec agree on", () => {
  for (const { does, text, attachments = [], packet } of PACKETS) {
    test(does, () => {
      assert.deepEqual(wire(encodeTheirs(packet)), wire([text, ...attachments.map(bytes)]));
      const messages = [text, ...attachments.map(bytes)];
      const lines = [ourLine(packet)];
      assert.deepEqual(decodeOurs(messages).lines, lines);
      assert.deepEqual(decodeTheirs(messages), { lines, failed: false });
    });
  }

  for (const { does, text, attachments = [] } of TOLERATED) {
    // socket.io-parser decodes white space in the place of an id as id 0.
    if (/^\d\s/.test(text)) continue;
    test(does, () => {
      const messages = [text, ...attachments.map(bytes)];
      assert.deepEqual(decodeOurs(messages).lines, decodeTheirs(messages).lines);
    });
  }
});

// Generates random packets.

const binary: fc.Arbitrary<unknown> = fc
  .tuple(
    fc.uint8Array({ maxLength: 24 }),
    fc.constantFrom("Uint8Array", "Buffer", "ArrayBuffer", "DataView", "Uint16Array", "part"),
  )
  .map(([data, kind]) => {
    const { buffer } = new Uint8Array(data);
    switch (kind) {
      case "Buffer":
        return Buffer.from(data);
      case "ArrayBuffer":
        return buffer;
      case "DataView":
        return new DataView(buffer, data.length >> 1);
      case "Uint16Array":
        return new Uint16Array(buffer, 0, data.length >> 1);
      case "part":
        return data.subarray(data.length >> 2, data.length >> 1);
      default:
        return data;
    }
  });

const word = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("_placeholder", "num", "constructor", "toString", "51-/a,", "\ud835", "é€𐍈"),
);
// socket.io-parser loses the key "__proto__", as a test at the end of this file shows.
const key = word.filter((name) => name !== "__proto__");

const scalar: fc.Arbitrary<unknown> = fc.oneof(
  word,
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constantFrom(null, undefined, -0, [], {}, new Date(0), new Date(1e12)),
);

function tree(leaf: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const { node } = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      fc.array(tie("node"), { maxLength: 4 }),
      fc.dictionary(key, tie("node"), { maxKeys: 4 }),
    ),
  }));
  return node;
}

const plain = tree(scalar);
const mixed = tree(fc.oneof({ arbitrary: scalar, weight: 5 }, { arbitrary: binary, weight: 1 }));

const namespace = fc.oneof(
  fc.constantFrom("/", "/admin", "/7", "/a?b=c", "/é€"),
  fc.string({ unit: "binary" }).map((rest) => `/${rest.replace(/[,\p{Cc}]/gu, "")}`),
);
const ackId = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, Number.MAX_SAFE_INTEGER));
const name = fc.oneof(
  word.filter((each) => !RESERVED_EVENTS.has(each)),
  fc.integer(),
);
/** At most 10 binary values, so that no packet exceeds the limit for attachments. */
const args = fc
  .array(mixed, { maxLength: 5 })
  .filter((list) => (JSON.stringify(canonical(list)).match(/"bytes"/g) ?? []).length <= 10);

const packet: fc.Arbitrary<Packet> = fc.oneof(
  { arbitrary: fc.record({ type: fc.constant(DISCONNECT), namespace }), weight: 1 },
  {
    arbitrary: fc.record({
      type: fc.constant(CONNECT),
      namespace,
      data: fc.option(fc.dictionary(key, plain, { maxKeys: 4 }), { nil: undefined }),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      type: fc.constant(CONNECT_ERROR),
      namespace,
      data: fc.tuple(word, plain).map(([message, data]) => ({ message, data })),
    }),
    weight: 2,
  },
  {
    arbitrary: fc.record({
      type: fc.constant(EVENT),
      namespace,
      data: fc.tuple(name, args).map(([first, rest]): EventData => [first, ...rest]),
      id: fc.option(ackId, { nil: undefined }),
    }),
    weight: 10,
  },
  {
    arbitrary: fc.record({ type: fc.constant(ACK), namespace, data: args, id: ackId }),
    weight: 5,
  },
);

/**
 * Whether a packet contains a value that looks like a placeholder. In a packet with binary data, decoders cannot
 * distinguish such a value from a placeholder.
 */
function isAmbiguous(each: Packet): boolean {
  return JSON.stringify("data" in each ? canonical(each.data) : null).includes(
    '"_placeholder":true',
  );
}

describe("socket.io-parser and our codec, for random packets,", () => {
  test(`encode to the same bytes, and decode these to the original packet (seed ${seed})`, () => {
    let attached = 0;
    const property = fc.property(packet, (each) => {
      fc.pre(!isAmbiguous(each));
      sameEncoding(each);
      if (encode(each).attachments.length > 0) attached++;
    });
    fc.assert(property, RUNS);
    assert.ok(attached > RUNS.numRuns / 10, `${attached} packets with bytes`);
  });

  test(`decode several packets in a row to the same packets (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 6 }), (packets) => {
        fc.pre(!packets.some(isAmbiguous));
        const messages = packets.flatMap(encodeTheirs);
        assert.deepEqual(decodeOurs(messages).lines, decodeTheirs(messages).lines);
      }),
      { seed, numRuns: 500 },
    );
  });
});

// Combines parts of packets at random. Most combinations are invalid.

/** The reason why our decoder rejects a text, and whether socket.io-parser may accept it. */
type Leniency = readonly [why: string, reads: (text: string) => boolean];

const STRICTER: Partial<Record<RuleName, Leniency>> = {
  PACKET_TYPE: [
    "socket.io-parser decodes white space, or nothing, as type 0",
    (text) => /^(\s|$)/.test(text),
  ],
  ATTACHMENT_COUNT: [
    "counts in other forms are invalid: 01, +1, 0x1, 1e0, 1.0 or with white space",
    (text) => Number(text.slice(1, text.indexOf("-"))) >= 1,
  ],
  PLACEHOLDER: [
    "a fraction is invalid as a number, and socket.io-parser returns undefined for it",
    (text) => /"num":0\.5/.test(text),
  ],
  NAMESPACE: [
    "control characters in names are invalid, because names are logged",
    (text) => /\/[^,]*\p{Cc}/u.test(text),
  ],
  PACKET_ID: [
    "ids in other forms are invalid, because an ACK could not repeat them",
    (text) => /\d/.test(text),
  ],
  PAYLOAD_JSON: [
    "white space and digits are neither an id nor JSON",
    (text) => /^\d(\d+-)?(\/[^,]*,)?\d*\s/.test(text),
  ],
  PAYLOAD_DEPTH: [
    "deeper payloads could overflow the stack of the code that uses them",
    (text) => text.split(/[[{]/).length > 500,
  ],
  TOO_MANY_ARGUMENTS: [
    "a function cannot be called with more arguments",
    (text) => text.split(",").length > 10_000,
  ],
  CONNECT_PAYLOAD: [
    "a number after white space is JSON, but an id for socket.io-parser",
    (text) => /^\d(\/[^,]*,?)?[\d\s]*$/.test(text),
  ],
  DISCONNECT_PAYLOAD: [
    "a number after white space is JSON, but an id for socket.io-parser",
    (text) => /^\d(\/[^,]*,?)?[\d\s]*$/.test(text),
  ],
  EVENT_PAYLOAD: [
    '"The payload is mandatory and MUST be a non-empty array"',
    (text) => /^[25](\d+-)?(\/[^,]*,?)?[\d\s]*$/.test(text),
  ],
  ACK_PAYLOAD: [
    "socket.io-client throws if the payload is missing",
    (text) => /^[36](\d+-)?(\/[^,]*,?)?[\d\s]*$/.test(text),
  ],
  ACK_ID: ["an ACK without an id acknowledges no event", (text) => /^[36]/.test(text)],
};

/** Whether socket.io-parser accepts `messages`, although they violate `rule`. */
function isStricter(rule: RuleName, messages: readonly Message[]): boolean {
  const last = messages.findLast((message) => typeof message === "string");
  return typeof last === "string" && (STRICTER[rule]?.[1](last) ?? false);
}

const blank = /^\d(\d+-)?(\/[^,]*,)?\s/;

const piece = fc.constantFrom(
  ..."0123456789",
  ..." \n-,/",
  "00",
  "0x1-",
  "1e0-",
  "51-",
  "52-",
  "61-7",
  "/a",
  "/a,",
  '["x"',
  '["connect"',
  ",",
  "[",
  "]",
  "{",
  "}",
  "null",
  '"x"',
  ',{"_placeholder":true,"num":0}]',
  ',{"_placeholder":true,"num":1}]',
  ',{"_placeholder":true,"num":0.5}]',
  '{"message":"no"}',
);
const corpus = fc.constantFrom(
  ...[...PACKETS, ...TOLERATED].map((each) => each.text),
  ...Object.values(BREACHES)
    .flat(2)
    .filter((message) => typeof message === "string"),
);
const text = fc.oneof(
  corpus,
  fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("")),
  fc
    .tuple(corpus, piece, fc.nat(20))
    .map(([valid, insert, at]) => valid.slice(0, at) + insert + valid.slice(at)),
  fc.tuple(corpus, fc.nat(20)).map(([valid, at]) => valid.slice(0, at) + valid.slice(at + 1)),
);

/**
 * Whether a CONNECT_ERROR packet has a payload that is not an object with a message. Our decoder converts the payload
 * to a message, socket.io-parser does not.
 */
function isOddRefusal(message: Message): boolean {
  if (typeof message !== "string" || !message.startsWith("4")) return false;
  const [ours, theirs] = [decodeOurs([message]), decodeTheirs([message])];
  return theirs.failed || ours.lines[0] !== theirs.lines[0];
}

describe("socket.io-parser and our decoder, for random text,", () => {
  test(`decode the same packets, and ours rejects more only for the listed reasons (seed ${seed})`, () => {
    const seen = new Set<string>();
    const message = fc.oneof(
      { arbitrary: text, weight: 4 },
      { arbitrary: fc.constant(bytes("01 02")), weight: 1 },
    );
    const property = fc.property(fc.array(message, { minLength: 1, maxLength: 4 }), (messages) => {
      // socket.io-parser decodes white space before the payload as id 0.
      fc.pre(!messages.some((each) => typeof each === "string" && blank.test(each)));
      fc.pre(!messages.some(isOddRefusal));
      const our = decodeOurs(messages);
      const their = decodeTheirs(messages);
      if (our.breach === undefined) {
        assert.deepEqual(their, { lines: our.lines, failed: false });
        seen.add("read");
        return;
      }
      seen.add(our.breach);
      assert.deepEqual(their.lines.slice(0, our.lines.length), our.lines);
      const until = messages.slice(0, our.at + 1);
      if (isStricter(our.breach, until)) return;
      assert.deepEqual(decodeTheirs(until), { lines: our.lines, failed: true });
    });
    fc.assert(property, { seed, numRuns: 40_000 });
    assert.deepEqual([...seen].sort(), ["read", ...NAMES].sort());
  });
});

describe("our codec differs from socket.io-parser", () => {
  for (const rule of NAMES) {
    const [reason] = STRICTER[rule] ?? [];
    test(`${rule}: ${reason ?? "no difference, socket.io-parser rejects it too"}`, () => {
      const messages = BREACHES[rule].map((breach) =>
        typeof breach === "string" ? [breach] : breach,
      );
      const read = messages.filter((each) => !decodeTheirs(each).failed);
      for (const each of messages) assert.equal(decodeOurs(each).breach, rule);
      for (const each of read) assert.ok(isStricter(rule, each), JSON.stringify(each));
      assert.equal(read.length > 0, reason !== undefined);
    });
  }

  test("white space before the payload is part of the JSON, but socket.io-parser reads it as the id 0", () => {
    assert.deepEqual(decodeOurs(['2 ["x"]']).lines, ['[2,"/","no id",["x"]]']);
    assert.deepEqual(decodeTheirs(['2 ["x"]']).lines, ['[2,"/",0,["x"]]']);
  });

  test("the key __proto__ is kept beside bytes, but lost by socket.io-parser", () => {
    const object: object = JSON.parse('{"__proto__":{"a":1}}');
    const data: EventData = ["x", object, bytes("00")];
    const [ours] = encodeOurs({ type: EVENT, namespace: "/", data });
    const [their] = encodeTheirs({ type: EVENT, namespace: "/", data });
    assert.equal(ours, '51-["x",{"__proto__":{"a":1}},{"_placeholder":true,"num":0}]');
    assert.equal(their, '51-["x",{},{"_placeholder":true,"num":0}]');
  });

  test("a Blob throws a TypeError, while socket.io-parser attaches it", () => {
    const data: EventData = ["x", new Blob(["a"])];
    assert.throws(() => encode({ type: EVENT, namespace: "/", data }), TypeError);
  });

  test("the result of toJSON() is encoded alike with and without bytes beside it, but socket.io-parser encodes it differently", () => {
    const value = { toJSON: (): Date => new Date(0) };
    const without: Packet = { type: EVENT, namespace: "/", data: ["x", value] };
    const beside: Packet = { type: EVENT, namespace: "/", data: ["x", value, bytes("00")] };
    assert.equal(encodeOurs(without)[0], '2["x",{}]');
    assert.equal(encodeOurs(beside)[0], '51-["x",{},{"_placeholder":true,"num":0}]');
    assert.equal(encodeTheirs(without)[0], '2["x",{}]');
    const theirText = '51-["x","1970-01-01T00:00:00.000Z",{"_placeholder":true,"num":0}]';
    assert.equal(encodeTheirs(beside)[0], theirText);
  });
});
