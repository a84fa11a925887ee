// Engine.IO 3 "Encoding": packets and payloads of clients 1.x and 2.x, beside their own parsers.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

import type { Bytes } from "../../../protocol/bytes.ts";
import { encodePacket, MESSAGE, type Packet, PING } from "../../../protocol/engineio/packet.ts";
import { ProtocolError, RULES, type RuleName } from "../../../protocol/engineio/rules.ts";
import {
  decodeBinaryMessage,
  decodeBinaryPayload,
  decodeOnceMore,
  decodePayload,
  decodeTextPacket,
  encodeBinaryMessage,
  encodePayload,
  toAscii,
} from "../../../protocol/engineio/v3.ts";
import { Mutator } from "../../support/mutate.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";
import { BINARY_PAYLOADS, BREACHES_3, TEXT_PAYLOADS } from "../../vectors/engineio-v3.ts";

const message = (data: string): Packet => ({ type: MESSAGE, data });
const binary = (hex: string): Packet => ({ type: MESSAGE, data: bytes(hex) });

/** A packet as encodePayload() takes it. */
function outgoing({ type, data }: Packet): string | Bytes {
  return typeof data === "string" ? encodePacket(type, data) : data;
}

function comparable(packets: Iterable<Packet>): unknown[] {
  return Array.from(packets, ({ type, data }) => ({
    type,
    data: typeof data === "string" ? data : new Uint8Array(data),
  }));
}

function decode(body: string | Bytes): Packet[] {
  return [...(typeof body === "string" ? decodePayload(body) : decodeBinaryPayload(body))];
}

describe("a text payload", () => {
  for (const [body, packets] of TEXT_PAYLOADS) {
    test(JSON.stringify(body), () => {
      assert.equal(encodePayload(packets.map(outgoing), false), body);
      assert.deepEqual(comparable(decode(body)), packets);
      for (let end = 1; end < body.length; end++) {
        // A part of it is the packets that are whole, and a breach.
        const part = body.slice(0, end);
        try {
          assert.ok(decode(part).length < packets.length);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, part);
        }
      }
    });
  }

  test("a length counts UTF-16 code units", () => {
    for (const text of ["é", "日本", "😀", "a\ud83d", "Ω≈ç"]) {
      const body = `${text.length + 1}:4${text}1:2`;
      assert.deepEqual(decode(body), [message(text), { type: PING, data: "" }]);
    }
  });
});

describe("a binary payload", () => {
  for (const [hex, packets] of BINARY_PAYLOADS) {
    test(hex, () => {
      const body = bytes(hex);
      assert.deepEqual(new Uint8Array(bytes(hex)), encoded(packets));
      assert.deepEqual(comparable(decode(body)), packets);
    });
  }

  test("only where the client can receive bytes, and then always", () => {
    assert.deepEqual(encoded([message("a")]), bytes("00 02 ff 34 61"));
    assert.equal(encodePayload([bytes("01")], false), "6:b4AQ==");
  });
});

function encoded(packets: readonly Packet[]): Uint8Array {
  const body = encodePayload(packets.map(outgoing), true);
  assert.ok(typeof body !== "string");
  return new Uint8Array(body);
}

describe("breaches", () => {
  for (const [rule, breaches] of Object.entries(BREACHES_3)) {
    for (const [as, input] of breaches) {
      test(`${rule} ${JSON.stringify(input).slice(0, 60)}`, () => {
        const body = as === "bytes" ? bytes(input) : input;
        assert.throws(() => decode(body), { name: "ProtocolError", rule });
      });
    }
  }

  test("a WebSocket message of bytes has a type", () => {
    const rules: [string, RuleName][] = [
      ["", "EMPTY_PACKET"],
      ["34 61", "UNKNOWN_PACKET_TYPE"],
      ["02", "UNKNOWN_PACKET_TYPE"],
    ];
    for (const [hex, rule] of rules) {
      assert.throws(() => decodeBinaryMessage(bytes(hex)), { rule });
    }
    assert.deepEqual(comparable([decodeBinaryMessage(bytes("04 01 02"))]), [binary("01 02")]);
    assert.deepEqual(new Uint8Array(encodeBinaryMessage(bytes("01 02"))), bytes("04 01 02"));
    assert.deepEqual(comparable([decodeTextPacket("b4AQI=")]), [binary("01 02")]);
  });

  const run = seed;
  test(`noise is read, or a breach that has a name (seed ${run})`, () => {
    const random = new Random(run);
    const corpus = [
      ...TEXT_PAYLOADS.map(([body]) => body),
      ...Object.values(BREACHES_3).flatMap((all) => all.map(([, input]) => input)),
    ];
    const mutator = new Mutator("0123456789:b4=é\0ÿ", corpus);
    for (let n = 0; n < 50_000; n++) {
      let text = random.pick(corpus) ?? "";
      for (let i = random.int(4); i >= 0; i--) text = mutator.mutate(text, random);
      const body = n % 2 === 0 ? text : Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff);
      try {
        decode(body);
      } catch (error) {
        assert.ok(error instanceof ProtocolError && error.rule in RULES, `${error}`);
      }
    }
  });
});

interface Parser {
  encodePayload(
    packets: object[],
    binary: boolean,
    callback: (body: string | Buffer) => void,
  ): void;
  decodePayload(
    body: string | Buffer,
    callback: (packet: { type: string; data?: string | Buffer }) => void,
  ): void;
}

function isParser(value: unknown): value is Parser {
  return typeof value === "object" && value !== null && "decodePayload" in value;
}

/** The parser that a client has. */
function parserOf(client: string): Parser {
  const engine = createRequire(createRequire(import.meta.url).resolve(client));
  const parser: unknown = createRequire(engine.resolve("engine.io-client"))("engine.io-parser");
  assert.ok(isParser(parser));
  return parser;
}

const CLIENTS = [
  { client: "socket.io-client-1.3", twice: true },
  { client: "socket.io-client-1.7", twice: true },
  { client: "socket.io-client-2", twice: false },
] as const;

/** Messages of Socket.IO with all kinds of characters. */
const TEXTS = ["é", "日本", "😀", "aÿb", "\u2028", "\u007f\u0080", "Ã", "x"].map(
  (text) => `2["chat",${JSON.stringify(text)}]`,
);

for (const { client, twice } of CLIENTS) {
  describe(`beside the parser of ${client}`, () => {
    const parser = parserOf(client);

    function theirs(packets: object[], supportsBinary: boolean): string | Buffer {
      let body: string | Buffer = "";
      parser.encodePayload(packets, supportsBinary, (given) => {
        body = given;
      });
      return body;
    }

    function read(body: string | Bytes): unknown[] {
      const packets: unknown[] = [];
      const given = typeof body === "string" ? body : Buffer.from(body);
      parser.decodePayload(given, ({ type, data }) => {
        packets.push(typeof data === "string" ? [type, JSON.parse(data.slice(1))] : [type, data]);
      });
      return packets;
    }

    test("it reads our texts as they are meant", () => {
      const body = encodePayload(
        TEXTS.map((text) => `4${text}`),
        false,
      );
      const expected = TEXTS.map((text) => ["message", JSON.parse(text.slice(1))]);
      assert.deepEqual(read(body), expected);
    });

    test("we read its texts as they are meant", () => {
      const body = theirs(
        TEXTS.map((data) => ({ type: "message", data })),
        false,
      );
      assert.ok(typeof body === "string");
      assert.equal(/[^\0-\xff]/.test(body), !twice);
      assert.deepEqual(decode(body), TEXTS.map(message));
    });

    test("where it can receive bytes it sends texts alone as bytes (1.x) or as text (2.x)", () => {
      const packets = TEXTS.map((data) => ({ type: "message", data }));
      const sent = theirs(packets, true);
      assert.equal(typeof sent === "string", !twice);
      const read = typeof sent === "string" ? decodePayload(sent, true) : decodeBinaryPayload(sent);
      assert.deepEqual([...read], TEXTS.map(message));
    });

    test("bytes both ways, as bytes and as base64", () => {
      // Of a pool it would send the whole.
      const data = Buffer.from(Uint8Array.of(1, 2, 255).buffer);
      const packets = [
        { type: "message", data: TEXTS[1] },
        { type: "message", data },
      ];
      const ours = [`4${TEXTS[1]}`, data];
      const expected = [
        { type: MESSAGE, data: TEXTS[1] },
        { type: MESSAGE, data: Uint8Array.of(1, 2, 255) },
      ];
      for (const supportsBinary of [true, false]) {
        const body = encodePayload(ours, supportsBinary);
        const got = read(body);
        assert.deepEqual(got[0], ["message", JSON.parse(TEXTS[1]?.slice(1) ?? "")]);
        assert.deepEqual(got[1], ["message", data]);
        const sent = theirs(packets, supportsBinary);
        // The oldest sends other bytes than it was given: the whole pool of Node's, or none of it.
        if (client === "socket.io-client-1.3") continue;
        assert.deepEqual(
          comparable(decode(typeof sent === "string" ? sent : new Uint8Array(sent))),
          expected,
        );
      }
    });

    const run = seed;
    test(`random messages both ways (seed ${run})`, () => {
      const random = new Random(run);
      for (let n = 0; n < 500; n++) {
        const texts = Array.from({ length: 1 + random.int(4) }, () => {
          const codes = Array.from({ length: random.int(20) }, () =>
            random.int(3) === 0 ? random.int(0x10000) : random.int(0x100),
          );
          // Half a character is no text; the oldest parser takes none that is not whole.
          const whole = codes.filter((code) => code < 0xd800 || code > 0xdfff);
          return `2${JSON.stringify([String.fromCharCode(...whole)])}`;
        });
        const body = encodePayload(
          texts.map((text) => `4${text}`),
          false,
        );
        assert.deepEqual(
          read(body),
          texts.map((text) => ["message", JSON.parse(text.slice(1))]),
        );
        const sent = theirs(
          texts.map((data) => ({ type: "message", data })),
          false,
        );
        assert.ok(typeof sent === "string");
        // What a client of 2.x sends and looks encoded twice is taken for that.
        const misread = !twice && texts.some((text) => decodeOnceMore(text) !== text);
        if (!misread) assert.deepEqual(decode(sent), texts.map(message));
      }
    });
  });
}

describe("texts of clients 1.x and 2.x", () => {
  test("what cannot have been encoded twice stays as it is", () => {
    for (const text of ["abc", "é", "日", "a\xc3", "\x80", "\xff", "\xc3\xa9日", "\xed\xa0\x80"]) {
      assert.equal(decodeOnceMore(text), text);
    }
    // Whose lower halves would be UTF-8.
    for (const text of ["\xc3\u01a9", "\xc3\xa9\u0141"]) assert.equal(decodeOnceMore(text), text);
    assert.equal(decodeOnceMore("\xc3\xa9"), "é");
    assert.equal(decodeOnceMore("a\xf0\x9f\x98\x80b"), "a😀b");
  });

  test("who can receive bytes and sends text is of 2.x, and encodes it once", () => {
    const body = "3:4\xc3\xa9";
    assert.deepEqual([...decodePayload(body)], [message("é")]);
    assert.deepEqual([...decodePayload(body, false)], [message("é")]);
    assert.deepEqual([...decodePayload(body, true)], [message("\xc3\xa9")]);
  });

  test("only JSON is made ASCII", () => {
    assert.equal(toAscii('42["é😀\ud800"]'), '42["\\u00e9\\ud83d\\ude00\\ud800"]');
    assert.equal(toAscii('42/é,["é"]'), '42/é,["\\u00e9"]');
    assert.equal(toAscii('44"ü"'), '44"\\u00fc"');
    assert.equal(toAscii("42/é,"), "42/é,");
    assert.equal(toAscii("3probe"), "3probe");
  });
});
