// Compares our codec of Engine.IO with engine.io-parser: both encode to the same bytes, and decode to the same
// packets.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import * as theirs from "engine.io-parser";
import fc from "fast-check";

import type { Bytes } from "../../../protocol/bytes.ts";
import {
  CLOSE,
  decodePacket,
  encodePacket,
  MESSAGE,
  NOOP,
  OPEN,
  type Packet,
  type PacketType,
  PING,
  PONG,
  UPGRADE,
} from "../../../protocol/engineio/packet.ts";
import { decodePayload, encodePayload, SEPARATOR } from "../../../protocol/engineio/payload.ts";
import { ProtocolError, type RuleName } from "../../../protocol/engineio/rules.ts";
import { seed } from "../../support/random.ts";
import { BREACHES, PACKETS, PAYLOADS, TOLERATED_PAYLOADS } from "../../vectors/engineio.ts";

const RUNS = { seed, numRuns: 2000 };

/** The type names of engine.io-parser. A packet type without a name does not compile. */
const NAMES: Record<PacketType, theirs.PacketType> = {
  [OPEN]: "open",
  [CLOSE]: "close",
  [PING]: "ping",
  [PONG]: "pong",
  [MESSAGE]: "message",
  [UPGRADE]: "upgrade",
  [NOOP]: "noop",
};

function theirForm({ type, data }: Packet): theirs.Packet {
  return { type: NAMES[type], data };
}

function outgoing({ type, data }: Packet): string | Bytes {
  return typeof data === "string" ? encodePacket(type, data) : data;
}

function theirText(packet: Packet): string {
  let text = "";
  theirs.encodePacket(theirForm(packet), false, (encoded: string) => {
    text = encoded;
  });
  return text;
}

function theirBody(packets: readonly Packet[]): string {
  let body = "";
  theirs.encodePayload(packets.map(theirForm), (encoded) => {
    body = encoded;
  });
  return body;
}

/** Formats a packet of either parser as one line. */
function line(name: theirs.PacketType, data: unknown): string {
  if (data === undefined) return name;
  if (typeof data === "string") return data === "" ? name : `${name} ${JSON.stringify(data)}`;
  assert.ok(data instanceof Uint8Array);
  return `${name} <${Buffer.from(data).toString("hex")}>`;
}

/** Decodes a payload with our decoder, up to the first invalid packet. */
function ourLines(body: string): { lines: string[]; breach: RuleName | undefined } {
  const lines: string[] = [];
  try {
    for (const { type, data } of decodePayload(body)) lines.push(line(NAMES[type], data));
  } catch (error) {
    assert.ok(error instanceof ProtocolError);
    return { lines, breach: error.rule };
  }
  return { lines, breach: undefined };
}

function theirLines(body: string): { lines: string[]; failed: boolean } {
  const packets = theirs.decodePayload(body);
  const failed = packets.at(-1)?.type === "error";
  const whole = failed ? packets.slice(0, -1) : packets;
  return { lines: whole.map(({ type, data }) => line(type, data)), failed };
}

/**
 * Asserts that both decoders decode a payload to the same packets. The only exception is base64 that our decoder
 * rejects and engine.io-parser accepts.
 */
function sameReading(body: string): void {
  const our = ourLines(body);
  const their = theirLines(body);
  if (our.breach === "INVALID_BASE64") {
    assert.deepEqual(their.lines.slice(0, our.lines.length), our.lines);
    return;
  }
  assert.deepEqual(our.lines, their.lines);
  assert.equal(our.breach !== undefined, their.failed);
}

const text = fc.string({ unit: fc.oneof(fc.constantFrom("", "b", "4", SEPARATOR), fc.string()) });

const textPacket: fc.Arbitrary<Packet> = fc.record({
  type: fc.constantFrom(OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP),
  data: fc.oneof(fc.string({ unit: "binary" }), text),
});

/** Binary packets. The data is a separate array, a Buffer, or a view of a larger buffer. */
const binaryPacket: fc.Arbitrary<Packet> = fc
  .tuple(fc.uint8Array({ maxLength: 100 }), fc.constantFrom("array", "Buffer", "view"))
  .map(([data, kind]) => {
    if (kind === "array") return { type: MESSAGE, data };
    if (kind === "Buffer") return { type: MESSAGE, data: Buffer.from(data) };
    return { type: MESSAGE, data: Buffer.concat([Buffer.alloc(3), data]).subarray(3) };
  });

const packet = fc.oneof(textPacket, binaryPacket);

describe("engine.io-parser and our codec agree on", () => {
  for (const { does, text, type, data } of PACKETS) {
    test(does, () => {
      assert.equal(theirText({ type, data }), text);
      assert.deepEqual(line(NAMES[type], data), line(NAMES[type], theirs.decodePacket(text).data));
      sameReading(text);
    });
  }

  for (const { does, body, packets } of PAYLOADS) {
    test(does, () => {
      assert.equal(theirBody(packets), body);
      sameReading(body);
    });
  }

  for (const { does, body } of TOLERATED_PAYLOADS) {
    test(does, () => {
      sameReading(body);
    });
  }

  test(`the encoding of random packets (seed ${seed})`, () => {
    fc.assert(
      fc.property(textPacket, (each) => {
        assert.equal(outgoing(each), theirText(each));
      }),
      RUNS,
    );
  });

  test(`the encoding of random payloads (seed ${seed})`, () => {
    fc.assert(
      fc.property(fc.array(packet, { maxLength: 8 }), (packets) => {
        assert.equal(encodePayload(packets.map(outgoing)), theirBody(packets));
      }),
      RUNS,
    );
  });

  test(`the packets in random payloads of either encoder (seed ${seed})`, () => {
    const whole = packet.filter(
      ({ data }) => typeof data !== "string" || !data.includes(SEPARATOR),
    );
    fc.assert(
      fc.property(fc.array(whole, { minLength: 1, maxLength: 8 }), (packets) => {
        const expected = packets.map(({ type, data }) => line(NAMES[type], data));
        for (const body of [encodePayload(packets.map(outgoing)), theirBody(packets)]) {
          assert.deepEqual(ourLines(body), { lines: expected, breach: undefined });
          assert.deepEqual(theirLines(body), { lines: expected, failed: false });
        }
      }),
      RUNS,
    );
  });

  test(`the packets and errors in random text (seed ${seed})`, () => {
    fc.assert(fc.property(fc.oneof(text, fc.string({ unit: "binary" })), sameReading), RUNS);
    const separated = fc
      .array(fc.oneof(text, packet.map(theirText)), { maxLength: 5 })
      .map((items) => items.join(SEPARATOR));
    fc.assert(fc.property(separated, sameReading), RUNS);
  });
});

describe("our decoder, unlike engine.io-parser,", () => {
  test("rejects invalid base64", () => {
    for (const [as, body] of BREACHES.INVALID_BASE64) {
      assert.equal(as, "payload");
      assert.equal(ourLines(body).breach, "INVALID_BASE64");
      assert.equal(theirLines(body).failed, false, body);
    }
  });

  test("rejects base64 in a packet outside a payload", () => {
    assert.throws(() => decodePacket("bAQID"), { rule: "UNKNOWN_PACKET_TYPE" });
    assert.equal(theirs.decodePacket("bAQID").type, "message");
  });

  test("rejects nothing else: both decoders reject all other invalid packets", () => {
    for (const rule of ["EMPTY_PACKET", "UNKNOWN_PACKET_TYPE"] as const) {
      for (const [, input] of BREACHES[rule]) {
        if (input.startsWith("b") && !input.includes(SEPARATOR)) continue;
        assert.equal(ourLines(input).breach, rule);
        assert.ok(theirLines(input).failed, input);
      }
    }
  });
});
