// Tests the encoding of a packet: one character for the type, followed by the payload. Engine.IO "Packet encoding".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  CLOSE,
  decodePacket,
  encodePacket,
  MESSAGE,
  NOOP,
  OPEN,
  PING,
  PONG,
  UPGRADE,
} from "../../../protocol/engineio/packet.ts";
import { ProtocolError, RULES } from "../../../protocol/engineio/rules.ts";
import { BREACHES, PACKETS } from "../../vectors/engineio.ts";

type Name = keyof typeof BREACHES;
const NAMES = Object.keys(BREACHES).filter((name): name is Name => name in BREACHES);

// Engine.IO "Protocol".
describe("a packet", () => {
  for (const { does, text, type, data } of PACKETS) {
    test(does, () => {
      assert.equal(encodePacket(type, data), text);
      assert.deepEqual(decodePacket(text), { type, data });
    });
  }

  test("Packet encoding: consists of only its type if it has no data", () => {
    for (const type of [OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP] as const) {
      assert.equal(encodePacket(type), type);
      assert.deepEqual(decodePacket(type), { type, data: "" });
    }
  });

  test("Packet encoding: has one of seven characters as its type", () => {
    const types: string[] = [];
    for (let code = 0; code <= 0xffff; code++) {
      const text = String.fromCharCode(code);
      try {
        types.push(decodePacket(text).type);
      } catch (error) {
        assert.ok(error instanceof ProtocolError);
        assert.equal(error.rule, "UNKNOWN_PACKET_TYPE");
      }
    }
    // Compare the lengths first, because the report of the difference between long lists takes minutes.
    assert.equal(types.length, 7);
    assert.deepEqual(types, ["0", "1", "2", "3", "4", "5", "6"]);
  });
});

describe("an invalid packet", () => {
  for (const rule of NAMES) {
    for (const [as, input] of BREACHES[rule]) {
      if (as !== "packet") continue;
      test(`${RULES[rule].heading}: violates ${rule}: ${JSON.stringify(input)}`, () => {
        assert.throws(() => decodePacket(input), { name: "ProtocolError", rule });
      });
    }
  }
});

describe("ProtocolError", () => {
  for (const rule of NAMES) {
    test(`for ${rule} names the rule, and its message has the heading of the protocol document`, () => {
      const error = new ProtocolError(rule);
      assert.ok(error instanceof Error);
      assert.equal(error.name, "ProtocolError");
      assert.equal(error.rule, rule);
      assert.equal(error.message, `${RULES[rule].text} (Engine.IO "${RULES[rule].heading}")`);
      assert.match(error.message, /^[a-z][^()]+ \(Engine\.IO "[A-Z][\w -]+"\)$/);
    });
  }
});
