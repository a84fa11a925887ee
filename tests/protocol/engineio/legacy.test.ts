// Compares packets and payloads for clients 1.x and 2.x with the parsers of these clients: Engine.IO 3 "Encoding".

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

import type { Bytes } from "../../../protocol/bytes.ts";
import {
  decodeBinaryMessage,
  decodeBinaryPayload,
  decodeOnceMore,
  decodeTextPacket,
  encodeBinaryMessage,
  encodeBinaryPayload,
  TextPayloads,
  toAscii,
} from "../../../protocol/engineio/legacy.ts";
import { encodePacket, MESSAGE, type Packet, PING } from "../../../protocol/engineio/packet.ts";
import { ProtocolError, RULES, type RuleName } from "../../../protocol/engineio/rules.ts";
import { Mutator } from "../../support/mutate.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";
import { BINARY_PAYLOADS, BREACHES_3, TEXT_PAYLOADS } from "../../vectors/engineio-v3.ts";

const message = (data: string): Packet => ({ type: MESSAGE, data });
const binary = (hex: string): Packet => ({ type: MESSAGE, data: bytes(hex) });

/** Returns a packet in the form that the payload encoders accept. */
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
  const texts = new TextPayloads();
  return [...(typeof body === "string" ? texts.decode(body) : decodeBinaryPayload(body))];
}

/** Encodes packets as a text payload for a client that has not sent any text yet. */
function encodeText(packets: readonly (string | Bytes)[]): string {
  return new TextPayloads().encode(packets);
}

describe("a text payload", () => {
  for (const [body, packets] of TEXT_PAYLOADS) {
    test(JSON.stringify(body), () => {
      assert.equal(encodeText(packets.map(outgoing)), body);
      assert.deepEqual(comparable(decode(body)), packets);
      for (let end = 1; end < body.length; end++) {
        // A truncated payload must decode to fewer packets, or violate a rule.
        const part = body.slice(0, end);
        try {
          assert.ok(decode(part).length < packets.length);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, part);
        }
      }
    });
  }

  test("has lengths in UTF-16 code units", () => {
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

  test("can have text packets, and a text payload can have binary data in base64", () => {
    assert.deepEqual(encoded([message("a")]), bytes("00 02 ff 34 61"));
    assert.equal(encodeText([bytes("01")]), "6:b4AQ==");
  });
});

function encoded(packets: readonly Packet[]): Uint8Array {
  return new Uint8Array(encodeBinaryPayload(packets.map(outgoing)));
}

describe("invalid payloads", () => {
  for (const [rule, breaches] of Object.entries(BREACHES_3)) {
    for (const [as, input] of breaches) {
      test(`violate ${rule}: ${JSON.stringify(input).slice(0, 60)}`, () => {
        const body = as === "bytes" ? bytes(input) : input;
        assert.throws(() => decode(body), { name: "ProtocolError", rule });
      });
    }
  }

  test("a binary WebSocket message starts with its packet type", () => {
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
  test(`random input is decoded, or throws a ProtocolError with a rule (seed ${run})`, () => {
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

/** Returns the parser that a client uses. */
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

/** Socket.IO messages with different kinds of characters. */
const TEXTS = ["é", "日本", "😀", "aÿb", "\u2028", "\u007f\u0080", "Ã", "x"].map(
  (text) => `2["chat",${JSON.stringify(text)}]`,
);

for (const { client, twice } of CLIENTS) {
  describe(`compared with the parser of ${client}`, () => {
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

    test("the client decodes text of our encoder", () => {
      const body = encodeText(TEXTS.map((text) => `4${text}`));
      const expected = TEXTS.map((text) => ["message", JSON.parse(text.slice(1))]);
      assert.deepEqual(read(body), expected);
    });

    test("our decoder decodes text of the client", () => {
      const body = theirs(
        TEXTS.map((data) => ({ type: "message", data })),
        false,
      );
      assert.ok(typeof body === "string");
      assert.equal(/[^\0-\xff]/.test(body), !twice);
      assert.deepEqual(decode(body), TEXTS.map(message));
    });

    // For payloads without binary data: in Node, clients 1.x send bytes. In browsers, they send text, as clients 2.x
    // do.
    test("our decoder decodes text that the client sends in Node, as bytes (1.x) or as text (2.x)", () => {
      const packets = TEXTS.map((data) => ({ type: "message", data }));
      const sent = theirs(packets, true);
      assert.equal(typeof sent === "string", !twice);
      assert.deepEqual(decode(sent), TEXTS.map(message));
    });

    test("each parser decodes the binary data of the other parser, as bytes and as base64", () => {
      // `data` has an ArrayBuffer of its own. If it shared Node's Buffer pool, the client's parser would send the whole
      // pool.
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
        const body = supportsBinary ? encodeBinaryPayload(ours) : encodeText(ours);
        const got = read(body);
        assert.deepEqual(got[0], ["message", JSON.parse(TEXTS[1]?.slice(1) ?? "")]);
        assert.deepEqual(got[1], ["message", data]);
        const sent = theirs(packets, supportsBinary);
        // The parser of version 1.3 sends wrong bytes: the whole Buffer pool of Node, or none of its bytes.
        if (client === "socket.io-client-1.3") continue;
        assert.deepEqual(
          comparable(decode(typeof sent === "string" ? sent : new Uint8Array(sent))),
          expected,
        );
      }
    });

    const run = seed;
    test(`each parser decodes random messages of the other parser (seed ${run})`, () => {
      const random = new Random(run);
      for (let n = 0; n < 500; n++) {
        const texts = Array.from({ length: 1 + random.int(4) }, () => {
          const codes = Array.from({ length: random.int(20) }, () =>
            random.int(3) === 0 ? random.int(0x10000) : random.int(0x100),
          );
          // Lone surrogates are not valid text, and the oldest parser rejects them.
          const whole = codes.filter((code) => code < 0xd800 || code > 0xdfff);
          return `2${JSON.stringify([String.fromCharCode(...whole)])}`;
        });
        const body = encodeText(texts.map((text) => `4${text}`));
        assert.deepEqual(
          read(body),
          texts.map((text) => ["message", JSON.parse(text.slice(1))]),
        );
        const sent = theirs(
          texts.map((data) => ({ type: "message", data })),
          false,
        );
        assert.ok(typeof sent === "string");
        // If the first text of a client 2.x looks like text encoded twice, our decoder decodes it twice.
        const all = texts.join("");
        const misread = !twice && (decodeOnceMore(all) ?? all) !== all;
        if (!misread) assert.deepEqual(decode(sent), texts.map(message));
      }
    });
  });
}

describe("the text encoding of clients 1.x and 2.x", () => {
  test("decodes text a second time only if it can have been encoded twice", () => {
    for (const text of ["é", "日", "a\xc3", "\x80", "\xff", "\xc3\xa9日", "\xed\xa0\x80"]) {
      assert.equal(decodeOnceMore(text), undefined);
    }
    // Characters above U+00FF whose lower bytes would be valid UTF-8.
    for (const text of ["\xc3\u01a9", "\xc3\xa9\u0141"]) {
      assert.equal(decodeOnceMore(text), undefined);
    }
    assert.equal(decodeOnceMore("\xc3\xa9"), "é");
    assert.equal(decodeOnceMore("a\xf0\x9f\x98\x80b"), "a😀b");
  });

  const payload = (...texts: string[]): string =>
    texts.map((text) => `${text.length}:${text}`).join("");
  const LIKE_UTF8 = "4CAFÉ®";
  const READ_TWICE = "4CAFɮ";
  // biome-ignore format: aligned table
  const SESSIONS: readonly (readonly [does: string, bodies: readonly string[], last: string])[] = [
    ["the client has sent nothing before",                                     [],                               READ_TWICE],
    ["the client has sent only ASCII",                                         [payload("4a")],                  READ_TWICE],
    ["the client has sent a text encoded twice",                               [payload("4\xe6\x97\xa5")],       READ_TWICE],
    ["the client has sent a character above U+00FF",                           [payload("4日")],                  LIKE_UTF8],
    ["the client has sent a character that is not UTF-8",                      [payload("4é")],                  LIKE_UTF8],
    ["the client has sent a text encoded twice, and a text that is not UTF-8", [payload("4Ã©"), payload("4é")],  LIKE_UTF8],
    ["the client has sent a CONNECT of 2.x",                                   [payload("40/admin,")],           LIKE_UTF8],
    ["the client has sent a DISCONNECT of 2.x",                                [payload("2", "41/admin,")],      LIKE_UTF8],
    ["the client has sent a CONNECT of 1.x",                                   [payload("40/admin")],            READ_TWICE],
    ["the client has sent a CONNECT of 1.x with a query",                      [payload("40/admin?list=a,")],    READ_TWICE],
    ['the client has sent a CONNECT of 1.x with "40/a," in its query',         [payload("40/admin?list=40/a,")], READ_TWICE],
    ["the client has sent a CONNECT of 1.x to a name with a comma",            [payload("40/a,b")],              READ_TWICE],
  ];
  for (const [does, bodies, last] of SESSIONS) {
    test(`${last === READ_TWICE ? "decodes" : "does not decode"} text that looks like UTF-8 a second time if ${does}`, () => {
      const texts = new TextPayloads();
      for (const body of bodies) for (const _ of texts.decode(body));
      const [packet] = texts.decode(payload(LIKE_UTF8));
      assert.deepEqual(packet, message(last.slice(1)));
    });
  }

  test("infers the encoding from another text of the same payload", () => {
    const packets = [...new TextPayloads().decode(payload(LIKE_UTF8, "4é"))];
    assert.deepEqual(packets, [message("CAFÉ®"), message("é")]);
  });

  test("encodes the name of a namespace as the client encodes text", () => {
    const name = "/日本";
    const once = payload(`40${name},`);
    const twice = payload(`40${Buffer.from(name).toString("latin1")}`);
    for (const body of [once, twice]) {
      const texts = new TextPayloads();
      const [packet] = texts.decode(body);
      assert.deepEqual(packet, message(body === once ? `0${name},` : `0${name}`));
      const answer = texts.encode([`40${name}`]);
      assert.equal(answer, body === once ? payload(`40${name}`) : twice);
    }
  });

  test("encodes the name of a namespace once if the client has sent only ASCII", () => {
    const texts = new TextPayloads();
    for (const body of [undefined, payload("4a"), payload("40/admin")]) {
      if (body !== undefined) for (const _ of texts.decode(body));
      assert.equal(texts.encode(["40/日本"]), payload("40/日本"));
    }
  });

  test("escapes non-ASCII characters in JSON only", () => {
    assert.equal(toAscii('42["é😀\ud800"]'), '42["\\u00e9\\ud83d\\ude00\\ud800"]');
    assert.equal(toAscii('42/é,["é"]'), '42/é,["\\u00e9"]');
    assert.equal(toAscii('44"ü"'), '44"\\u00fc"');
    assert.equal(toAscii("42/é,"), "42/é,");
    assert.equal(toAscii("3probe"), "3probe");
  });
});
