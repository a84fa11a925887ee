// Decodes random input as a packet, a payload, an open packet and a query. The input either is valid or violates a
// named rule.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { admit, decodeOpen, parseQuery } from "../../../protocol/engineio/handshake.ts";
import { decodePacket, encodePacket, type Packet } from "../../../protocol/engineio/packet.ts";
import { decodePayload, encodePayload, SEPARATOR } from "../../../protocol/engineio/payload.ts";
import { ProtocolError, RULES } from "../../../protocol/engineio/rules.ts";
import { Mutator } from "../../support/mutate.ts";
import { Random, seed } from "../../support/random.ts";
import {
  BREACHES,
  OPENS,
  PACKETS,
  PAYLOADS,
  REQUESTS,
  SID,
  TOLERATED_OPENS,
} from "../../vectors/engineio.ts";

const INPUTS = 100_000;

const CORPUS: readonly string[] = [
  ...PACKETS.map(({ text }) => text),
  ...PAYLOADS.map(({ body }) => body),
  ...[...OPENS, ...TOLERATED_OPENS].map(({ data }) => data),
  ...REQUESTS.map(({ search }) => search),
  ...Object.values(BREACHES).flatMap((breaches) => breaches.map(([, input]) => input)),
];

/** Characters that have a meaning in some grammar, and a few that have none. */
const LETTERS = `0123456789bAQ+/=-_${SEPARATOR}{}[]",:&%?\\\0\n é€\ud835\udfd2\ufeff`;

const MUTATOR = new Mutator(LETTERS, CORPUS);

function noise(random: Random): string {
  if (random.int(10) === 0) {
    return Array.from({ length: random.int(40) }, () => MUTATOR.letter(random)).join("");
  }
  let text = random.pick(CORPUS) ?? "";
  for (let i = random.int(4); i >= 0; i--) text = MUTATOR.mutate(text, random);
  return text.slice(0, 2000);
}

/** Returns the result of `read` as JSON, or the rule that the input violates. */
function outcome(read: () => unknown): string {
  try {
    return JSON.stringify(read());
  } catch (error) {
    if (!(error instanceof ProtocolError && error.rule in RULES)) throw error;
    return error.rule;
  }
}

function readAll(input: string): string[] {
  const session = { transport: "polling", protocol: 4 } as const;
  const query = parseQuery(input);
  const find = (sid: string): typeof session | undefined => (sid === SID ? session : undefined);
  return [
    outcome(() => decodePacket(input)),
    outcome(() => [...decodePayload(input)]),
    outcome(() => decodeOpen(input)),
    outcome(() =>
      admit({ method: "GET", query, upgrade: false }, ["polling", "websocket"], [4], find),
    ),
    outcome(() =>
      admit({ method: "GET", query, upgrade: true }, ["polling", "websocket"], [4], find),
    ),
  ];
}

/** Encodes decoded packets again. The result equals the input if the input was in the encoder's form. */
function writtenAgain(packets: readonly Packet[]): string {
  return encodePayload(
    packets.map(({ type, data }) => (typeof data === "string" ? encodePacket(type, data) : data)),
  );
}

describe("random input", () => {
  test(`is decoded to the same result twice, or violates a named rule: ${INPUTS} inputs (seed ${seed})`, () => {
    const random = new Random(seed);
    const seen = new Set<string>();
    for (let i = 0; i < INPUTS; i++) {
      const input = noise(random);
      const first = readAll(input);
      assert.deepEqual(readAll(input), first, JSON.stringify(input));
      for (const each of first) if (each in RULES) seen.add(each);
    }
    // INVALID_UTF8 applies to binary input only, and is detected before the input becomes text.
    const expected = Object.keys(BREACHES).filter((rule) => rule !== "INVALID_UTF8");
    assert.deepEqual([...seen].sort(), expected.sort());
  });

  test(`if valid, decodes to the same packets after it is decoded and encoded again (seed ${seed})`, () => {
    const random = new Random(seed + 1);
    for (let i = 0; i < INPUTS / 5; i++) {
      const input = noise(random);
      if (outcome(() => [...decodePayload(input)]) in RULES) continue;
      const packets = [...decodePayload(input)];
      const again = writtenAgain(packets);
      assert.deepEqual([...decodePayload(again)], packets);
      assert.equal(again.length, input.length);
    }
  });
});
