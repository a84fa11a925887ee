// Tests decoding text and attachments to packets, and rejecting invalid messages: Socket.IO "Packet encoding".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Bytes } from "../../../protocol/bytes.ts";
import { CLIENT_LIMITS } from "../../../protocol/socketio/check.ts";
import { Decoder } from "../../../protocol/socketio/decoder.ts";
import { ACK, CONNECT_ERROR, EVENT } from "../../../protocol/socketio/packet.ts";
import { RULES } from "../../../protocol/socketio/rules.ts";
import { assertLinear } from "../../support/growth.ts";
import { leastGrowth } from "../../support/memory.ts";
import { bytes } from "../../support/split.ts";
import {
  BREACHES,
  MAX_ATTACHMENTS,
  ODD_REFUSALS,
  PACKETS,
  TOLERATED,
} from "../../vectors/socketio.ts";

type Name = keyof typeof BREACHES;
const NAMES = Object.keys(BREACHES).filter((name): name is Name => name in BREACHES);
const HOLE = '{"_placeholder":true,"num":0}';

function newDecoder(maxAttachments = MAX_ATTACHMENTS): Decoder {
  return new Decoder({ maxAttachments });
}

/** Asserts that the decoder is in its initial state: no attachment is pending, and it decodes the next packet. */
function assertFresh(decoder: Decoder): void {
  assert.equal(decoder.pending, 0);
  assert.throws(() => decoder.add(bytes("00")), { rule: "NO_PLACEHOLDER" });
  const expected = { type: EVENT, namespace: "/", data: ["again", bytes("07")], id: undefined };
  assert.equal(decoder.add(`51-["again",${HOLE}]`), undefined);
  assert.equal(decoder.pending, 1);
  assert.deepEqual(decoder.add(bytes("07")), expected);
  assert.equal(decoder.pending, 0);
}

describe("Decoder decodes", () => {
  for (const { does, text, attachments = [], packet } of [...PACKETS, ...TOLERATED]) {
    test(does, () => {
      const decoder = newDecoder();
      let result = decoder.add(text);
      for (const [i, hex] of attachments.entries()) {
        assert.equal(result, undefined);
        assert.equal(decoder.pending, attachments.length - i);
        result = decoder.add(bytes(hex));
      }
      assert.deepEqual(result, packet);
      assertFresh(decoder);
    });
  }

  test("Packet encoding: several packets in a row", () => {
    const decoder = newDecoder();
    for (const { text, attachments = [], packet } of [...PACKETS, ...TOLERATED]) {
      const messages = [text, ...attachments.map(bytes)];
      assert.deepEqual(messages.map((message) => decoder.add(message)).at(-1), packet);
    }
    assertFresh(decoder);
  });

  test("Packet encoding: binary events of many lengths, without sharing their objects", () => {
    for (const length of [0, 900, 1000, 1010, 1020, 1024, 1030, 2000]) {
      const decoder = newDecoder();
      const pad = "a".repeat(length);
      for (let i = 0; i < 2; i++) {
        decoder.add(`51-["x","${pad}",{"b":${HOLE}}]`);
        const packet = decoder.add(Uint8Array.of(i));
        assert.ok(packet?.type === EVENT);
        assert.deepEqual(packet.data, ["x", pad, { b: Uint8Array.of(i) }]);
      }
      decoder.add(`51-["x","${pad}",{"_placeholder":true,"num":1}]`);
      assert.throws(() => decoder.add(bytes("00")), { rule: "PLACEHOLDER" });
      assertFresh(decoder);
    }
  });

  test("Packet encoding: payloads with many brackets in strings or side by side, which are not nested deeply", () => {
    const decoder = newDecoder();
    for (const text of [`2["x","${"[{".repeat(600)}"]`, `2["x"${",[{}]".repeat(600)}]`]) {
      assert.equal(decoder.add(text)?.type, EVENT);
    }
    const mixed = (times: number): string => `${'{"a":['.repeat(times)}1${"]}".repeat(times)}`;
    assert.equal(decoder.add(`2["x",[${mixed(249)}]]`)?.type, EVENT);
    assert.throws(() => decoder.add(`2["x",${mixed(250)}]`), { rule: "PAYLOAD_DEPTH" });
  });

  test("Packet encoding: attachments without copying them", () => {
    const decoder = newDecoder();
    const attachment = Buffer.from("abc");
    decoder.add(`51-["x",${HOLE}]`);
    const packet = decoder.add(attachment);
    assert.ok(packet?.type === EVENT);
    assert.equal(packet.data[1], attachment);
  });

  test("Packet encoding: __proto__ as an ordinary key", () => {
    const decoder = newDecoder();
    const packet = decoder.add('0{"__proto__":{"polluted":true}}');
    assert.ok(packet !== undefined && "data" in packet && packet.data !== undefined);
    assert.deepEqual(Object.keys(packet.data), ["__proto__"]);
    assert.equal(Object.getPrototypeOf(packet.data), Object.prototype);
    assert.ok(!("polluted" in {}));
  });

  test("Exchange protocol: CONNECT_ERROR with all fields of its payload", () => {
    const packet = newDecoder().add('4{"__proto__":{"a":1},"message":"no","more":2}');
    assert.ok(packet !== undefined && "data" in packet && packet.data !== undefined);
    assert.deepEqual(Object.entries(packet.data), [
      ["__proto__", { a: 1 }],
      ["message", "no"],
      ["more", 2],
    ]);
  });

  for (const { text, message, data } of ODD_REFUSALS) {
    test(`Exchange protocol: ${text} as a CONNECT_ERROR`, () => {
      const packet = newDecoder().add(text);
      assert.ok(packet?.type === CONNECT_ERROR);
      assert.deepEqual({ message: packet.data.message, data: packet.data.data }, { message, data });
    });
  }

  test("Packet encoding: as many arguments as allowed", () => {
    const { maxArguments } = CLIENT_LIMITS;
    for (const [prefix, type] of [
      ["2", EVENT],
      ["37", ACK],
    ] as const) {
      const packet = newDecoder().add(`${prefix}["x"${",0".repeat(maxArguments - 1)}]`);
      assert.ok(packet?.type === type && packet.data.length === maxArguments);
    }
  });

  test("Packet encoding: a payload with as many levels as allowed", () => {
    const depth = 498;
    const decoder = newDecoder();
    const nested = "[".repeat(depth) + HOLE + "]".repeat(depth);
    assert.equal(decoder.add(`2["x",${nested}]`)?.type, EVENT);
    decoder.add(`51-["x",${nested}]`);
    const packet = decoder.add(bytes("07"));
    assert.ok(packet?.type === EVENT);
    let value: unknown = packet.data[1];
    for (let i = 0; i < depth; i++) {
      assert.ok(Array.isArray(value));
      value = value[0];
    }
    assert.deepEqual(value, bytes("07"));
  });
});

describe("Decoder rejects", () => {
  for (const rule of NAMES) {
    const { heading, text } = RULES[rule];
    for (const breach of BREACHES[rule]) {
      const messages: readonly (string | Bytes)[] = typeof breach === "string" ? [breach] : breach;
      const name = messages
        .map((message) => (typeof message === "string" ? JSON.stringify(message) : "bytes"))
        .join(", ");
      test(`${heading}: ${text}: ${name.slice(0, 80)}`, () => {
        const decoder = newDecoder();
        for (const message of messages.slice(0, -1)) decoder.add(message);
        const last = messages.at(-1) ?? "";
        assert.throws(() => decoder.add(last), { name: "ProtocolError", rule });
        assertFresh(decoder);
      });
    }
  }

  test("Packet encoding: more attachments than maxAttachments", () => {
    for (const limit of [0, 1, 2, 9, 10, 11, 1000]) {
      const decoder = newDecoder(limit);
      assert.throws(() => decoder.add(`5${limit + 1}-["x"]`), { rule: "TOO_MANY_ATTACHMENTS" });
      assert.equal(decoder.pending, 0);
      if (limit === 0) continue;
      assert.equal(decoder.add(`5${limit}-["x"]`), undefined);
      assert.equal(decoder.pending, limit);
    }
    assert.throws(() => newDecoder(0).add(`50-["x"]`), { rule: "ATTACHMENT_COUNT" });
  });

  test("Packet encoding: an invalid binary packet before its attachments arrive", () => {
    const decoder = newDecoder();
    for (const text of ["51-{}", '51-["connect"]', "61-[]", "61-1{}", "51-[", '51-00["x"]']) {
      assert.throws(() => decoder.add(text), { name: "ProtocolError" }, text);
      assert.equal(decoder.pending, 0, text);
    }
  });

  test("Packet encoding: prefixes of a million characters in linear time (CVE-2020-36049)", () => {
    const decoder = newDecoder();
    assertLinear(1_000_000, (long) => {
      assert.throws(() => decoder.add(`5${"1".repeat(long)}`), { rule: "ATTACHMENT_COUNT" });
      assert.throws(() => decoder.add(`5${"1".repeat(long)}-`), { rule: "TOO_MANY_ATTACHMENTS" });
      assert.throws(() => decoder.add(`5${"-".repeat(long)}`), { rule: "ATTACHMENT_COUNT" });
      assert.throws(() => decoder.add(`2${"1".repeat(long)}`), { rule: "PACKET_ID" });
      assert.throws(() => decoder.add(`2/${"a".repeat(long)}`), { rule: "EVENT_PAYLOAD" });
      assert.throws(() => decoder.add("2".repeat(long)), { rule: "PACKET_ID" });
    });
  });
});

describe("The memory of a Decoder", () => {
  const SLACK = 512 * 1024;
  const KIB = 1024;

  /** Returns how many bytes of memory a decoder uses after `feed`. */
  function growth(feed: (decoder: Decoder) => void, pending: number): number {
    return leastGrowth(() => {
      const decoder = newDecoder();
      feed(decoder);
      assert.equal(decoder.pending, pending);
      return decoder;
    });
  }

  /**
   * Returns a flat copy of a text, like the texts that a socket delivers, because V8 may store a concatenation
   * differently.
   */
  function flat(text: string): string {
    return Buffer.from(text, "latin1").toString("latin1");
  }

  test("is that of the received attachments while an attachment is missing", () => {
    const size = 100 * KIB;
    const grown = growth((decoder) => {
      decoder.add('510-["x"]');
      for (let i = 0; i < 9; i++) decoder.add(new Uint8Array(size));
    }, 1);
    assert.ok(grown < 9 * size + SLACK, `${grown} bytes`);
  });

  test("is less than 1 KiB for announced attachments that do not arrive", () => {
    const grown = leastGrowth(() =>
      Array.from({ length: 1000 }, () => {
        const decoder = newDecoder();
        decoder.add(`510-["x",${HOLE}]`);
        assert.equal(decoder.pending, 10);
        return decoder;
      }),
    );
    assert.ok(grown < 1000 * KIB, `${grown} bytes`);
  });

  test("is that of a payload's text, not of its objects, while an attachment is missing", () => {
    const length = 900_000;
    const grown = growth((decoder) => {
      decoder.add(flat(`51-["x",[1${",{}".repeat(length / 3)}]]`));
    }, 1);
    assert.ok(grown < length + SLACK, `${grown} bytes`);
  });

  test("is freed when the packet is complete", () => {
    const grown = growth((decoder) => {
      decoder.add(flat(`52-["x","${"a".repeat(1000 * KIB)}"]`));
      for (let i = 0; i < 2; i++) decoder.add(new Uint8Array(1000 * KIB));
    }, 0);
    assert.ok(grown < SLACK, `${grown} bytes`);
  });

  test("is freed after an error, and keeps none of 10,000 unexpected binary messages (CVE-2026-69185)", () => {
    const grown = growth((decoder) => {
      decoder.add(flat(`52-["x","${"a".repeat(1000 * KIB)}"]`));
      decoder.add(new Uint8Array(1000 * KIB));
      assert.throws(() => decoder.add("0"), { rule: "ATTACHMENT_EXPECTED" });
      assert.throws(() => decoder.add('50-["x"]'), { rule: "ATTACHMENT_COUNT" });
      const message = (): Uint8Array => new Uint8Array(KIB);
      for (let i = 0; i < 10_000; i++) {
        assert.throws(() => decoder.add(message()), { rule: "NO_PLACEHOLDER" });
      }
    }, 0);
    assert.ok(grown < SLACK, `${grown} bytes`);
  });
});
