// Tests the encoding of several packets in one body, with binary data in base64: Engine.IO "HTTP long-polling".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Bytes, decodeUtf8 } from "../../../protocol/bytes.ts";
import { encodePacket, type Packet } from "../../../protocol/engineio/packet.ts";
import { decodePayload, encodePayload, SEPARATOR } from "../../../protocol/engineio/payload.ts";
import { RULES } from "../../../protocol/engineio/rules.ts";
import { leastGrowth } from "../../support/memory.ts";
import { bytes } from "../../support/split.ts";
import { BREACHES, PACKETS, PAYLOADS, TOLERATED_PAYLOADS } from "../../vectors/engineio.ts";

type Name = keyof typeof BREACHES;
const NAMES = Object.keys(BREACHES).filter((name): name is Name => name in BREACHES);

/** Returns a packet in the form that encodePayload() accepts. */
function outgoing({ type, data }: Packet): string | Bytes {
  return typeof data === "string" ? encodePacket(type, data) : data;
}

/** Returns packets with their binary data as Uint8Arrays, so that deepEqual() ignores the class. */
function comparable(packets: Iterable<Packet>): unknown[] {
  return Array.from(packets, ({ type, data }) => ({
    type,
    data: typeof data === "string" ? data : new Uint8Array(data),
  }));
}

describe("a payload", () => {
  for (const { does, body, packets } of PAYLOADS) {
    test(does, () => {
      assert.equal(encodePayload(packets.map(outgoing)), body);
      assert.deepEqual(comparable(decodePayload(body)), packets);
    });
  }

  for (const { does, body, packets } of TOLERATED_PAYLOADS) {
    test(does, () => {
      assert.deepEqual(comparable(decodePayload(body)), packets);
    });
  }

  test("HTTP long-polling: may have one packet of any type, or packets of all types", () => {
    const texts = PACKETS.map(({ text }) => text);
    const expected = PACKETS.map(({ type, data }) => ({ type, data }));
    for (const [i, text] of texts.entries()) {
      assert.equal(encodePayload([text]), text);
      assert.deepEqual([...decodePayload(text)], [expected[i]]);
    }
    assert.equal(encodePayload(texts), texts.join(SEPARATOR));
    assert.deepEqual([...decodePayload(encodePayload(texts))], expected);
  });

  test("HTTP long-polling: may have binary data of any length, also from a view of a larger buffer", () => {
    const memory = Uint8Array.from({ length: 300 }, (_, i) => i);
    for (let length = 0; length <= 256; length++) {
      const part = memory.subarray(17, 17 + length);
      const body = encodePayload([part]);
      assert.equal(body, `b${Buffer.from(part).toString("base64")}`);
      assert.deepEqual(comparable(decodePayload(body)), [{ type: "4", data: part }]);
    }
  });

  test("HTTP long-polling: is empty if it has no packets", () => {
    assert.equal(encodePayload([]), "");
  });
});

describe("an invalid payload", () => {
  for (const rule of NAMES) {
    for (const [as, input] of BREACHES[rule]) {
      if (as !== "payload") continue;
      test(`${RULES[rule].heading}: violates ${rule}: ${JSON.stringify(input)}`, () => {
        assert.throws(() => [...decodePayload(input)], { name: "ProtocolError", rule });
      });
    }
  }

  test("HTTP long-polling: makes decodeUtf8() return undefined if it is not UTF-8", () => {
    for (const [, hex] of BREACHES.INVALID_UTF8) assert.equal(decodeUtf8(bytes(hex)), undefined);
  });

  test("HTTP long-polling: yields the packets before the invalid packet", () => {
    const given: Packet[] = [];
    const rest = decodePayload("4a\x1e2\x1e7\x1e4b");
    assert.throws(
      () => {
        for (const packet of rest) given.push(packet);
      },
      { rule: "UNKNOWN_PACKET_TYPE" },
    );
    assert.deepEqual(given, [
      { type: "4", data: "a" },
      { type: "2", data: "" },
    ]);
    assert.deepEqual(rest.next(), { done: true, value: undefined });
  });
});

describe("a payload is decoded one packet at a time", () => {
  const SLACK = 512 * 1024;

  test("a caller that stops early receives no error for later invalid packets", () => {
    const rest = decodePayload("1\x1e7\x1ebA");
    assert.deepEqual(rest.next().value, { type: "1", data: "" });
    rest.return();
    assert.deepEqual(rest.next(), { done: true, value: undefined });
  });

  test("a million packets need no memory besides the body", () => {
    const body = "4\x1e".repeat(1_000_000).concat("4");
    const packets = decodePayload(body);
    packets.next();
    const grown = leastGrowth(() => {
      for (let i = 0; i < 300_000; i++) packets.next();
      return packets;
    });
    assert.deepEqual(packets.next().value, { type: "4", data: "" });
    assert.ok(grown < SLACK, `${grown} bytes`);
  });
});
