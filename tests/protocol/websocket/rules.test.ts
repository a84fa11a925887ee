// Tests the rules whose violation fails the connection: RFC 6455 §7.1.7.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Endpoint } from "../../../protocol/websocket/endpoint.ts";
import { ProtocolError, RULES, type RuleName } from "../../../protocol/websocket/rules.ts";
import { MemoryWire, Station } from "../../support/endpoint.ts";
import { describeFrames } from "../../support/frame.ts";
import { bytes, everySplit, inChunks } from "../../support/split.ts";
import { BREACHES, PROFILES } from "../../vectors/frames.ts";

const NAMES = Object.keys(RULES).filter((name): name is RuleName => name in RULES);

describe("the connection fails if", () => {
  for (const rule of NAMES) {
    const { section, code, text } = RULES[rule];
    test(`${section} ${text}`, () => {
      for (const breach of BREACHES[rule]) {
        const [as, hex] = typeof breach === "string" ? ["client" as const, breach] : breach;
        const whole = bytes(hex);
        const splits = whole.length < 300 ? everySplit(whole) : [[whole], inChunks(whole, 1)];
        for (const chunks of splits) {
          const station = stationFor(as);
          for (const chunk of chunks) station.receive(chunk);
          const { endpoint, wire } = station;
          assert.equal(endpoint.failure?.rule, rule, hex);
          assert.equal(endpoint.state, "failed", hex);
          // RFC 6455 §7.1.7: "…SHOULD send a Close frame with an appropriate status code". Then the endpoint ends
          // TCP.
          const said = describeFrames(wire.take()).at(-1);
          assert.equal(said, `close ${code} ${text} (${section})`, hex);
          assert.ok(wire.ended);
        }
      }
    });
  }
});

function stationFor(as: keyof typeof PROFILES): Station {
  const options = PROFILES[as];
  return new Station(
    options.role === "client" ? { ...options, randomFill: (key) => key.fill(7) } : options,
  );
}

describe("ProtocolError", () => {
  for (const rule of NAMES) {
    test(`for ${rule} has the rule, its close code and a message that fits in a close frame`, () => {
      const error = new ProtocolError(rule);
      assert.ok(error instanceof Error);
      assert.equal(error.name, "ProtocolError");
      assert.equal(error.rule, rule);
      assert.equal(error.code, RULES[rule].code);
      assert.match(error.message, /^[^()]+ \(RFC (6455|7692) §[\d.]+\)$/);
      assert.ok(Buffer.byteLength(error.message) <= 123);

      const wire = new MemoryWire();
      new Endpoint(wire, PROFILES.server).fail(rule);
      assert.deepEqual(describeFrames(wire.take()), [`close ${error.code} ${error.message}`]);
    });
  }

  test("RFC 6455 §7.4.1, §10.7 has code 1009 for size, 1007 for invalid data, and 1002 for all other rules", () => {
    const codes = new Map(NAMES.map((name) => [name, RULES[name].code]));
    assert.equal(codes.get("MESSAGE_TOO_BIG"), 1009);
    assert.equal(codes.get("INVALID_UTF8"), 1007);
    assert.equal(codes.get("INVALID_DEFLATE"), 1007);
    for (const [name, code] of codes) {
      if (!/^(MESSAGE_TOO_BIG|INVALID_UTF8|INVALID_DEFLATE)$/.test(name)) assert.equal(code, 1002);
    }
  });
});
