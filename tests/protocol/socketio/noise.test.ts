// Decodes random messages. Each message is valid or violates a named rule. After a violation, the decoder is in its
// initial state.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Bytes } from "../../../protocol/bytes.ts";
import { Decoder } from "../../../protocol/socketio/decoder.ts";
import { encode } from "../../../protocol/socketio/encoder.ts";
import type { Packet } from "../../../protocol/socketio/packet.ts";
import { ProtocolError, RULES } from "../../../protocol/socketio/rules.ts";
import { Mutator } from "../../support/mutate.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";
import { BREACHES, MAX_ATTACHMENTS, PACKETS, TOLERATED } from "../../vectors/socketio.ts";

type Message = string | Bytes;

const INPUTS = 100_000;

const CORPUS: readonly (readonly Message[])[] = [
  ...[...PACKETS, ...TOLERATED].map(({ text, attachments = [] }) => [
    text,
    ...attachments.map(bytes),
  ]),
  ...Object.values(BREACHES).flatMap((breaches) =>
    breaches.map((breach) => (typeof breach === "string" ? [breach] : breach)),
  ),
];

/** Characters that have a meaning in the grammar, and a few that have none. */
const LETTERS = '00112233445566789-/,[]{}":.+e x\\\0\n é€\ud835\udfd2\ufeff';

const MUTATOR = new Mutator(
  LETTERS,
  CORPUS.flatMap(([first]) => (typeof first === "string" ? [first] : [])),
);

/** Changes the order of the messages, or changes one text. */
function mutate(messages: readonly Message[], random: Random): readonly Message[] {
  const at = random.int(messages.length);
  switch (random.int(8)) {
    case 0:
      return messages.toSpliced(at, 1);
    case 1:
      return messages.toSpliced(at, 0, random.bytes(random.int(4)));
    case 2:
      return messages.toSpliced(at, 0, ...messages.slice(at));
    case 3:
      return [...messages.slice(0, at), ...(random.pick(CORPUS) ?? [])];
    default:
      return messages.map((message, i) =>
        i === at && typeof message === "string" ? MUTATOR.mutate(message, random) : message,
      );
  }
}

function noise(random: Random): readonly Message[] {
  if (random.int(10) === 0) {
    const text = Array.from({ length: random.int(40) }, () => MUTATOR.letter(random)).join("");
    return random.int(2) === 0 ? [text] : [text, random.bytes(random.int(4))];
  }
  let messages = random.pick(CORPUS) ?? [];
  for (let i = random.int(4); i >= 0; i--) messages = mutate(messages, random);
  return messages.slice(0, 30);
}

function show(packet: Packet | undefined): string {
  return JSON.stringify(packet) ?? "";
}

/**
 * Returns the result for each message: the packet as JSON, or the violated rule. All messages are decoded by the same
 * decoder.
 */
function outcome(messages: readonly Message[]): string[] {
  const decoder = new Decoder({ maxAttachments: MAX_ATTACHMENTS });
  return messages.map((message) => {
    const pending = decoder.pending;
    try {
      const packet = decoder.add(message);
      // Each message either completes a packet, or reduces the number of pending attachments by one.
      if (packet !== undefined) assert.equal(decoder.pending, 0);
      else if (typeof message === "string") assert.ok(decoder.pending >= 1 && pending === 0);
      else assert.equal(decoder.pending, pending - 1);
      assert.ok(decoder.pending <= MAX_ATTACHMENTS);
      return show(packet);
    } catch (error) {
      if (!(error instanceof ProtocolError && error.rule in RULES)) throw error;
      assert.equal(decoder.pending, 0);
      return error.rule;
    }
  });
}

/** Asserts that a decoder that failed decodes the remaining messages like a new decoder. */
function assertFreshAfter(messages: readonly Message[], results: readonly string[]): void {
  const failed = results.findIndex((result) => result in RULES);
  if (failed === -1) return;
  assert.deepEqual(outcome(messages.slice(failed + 1)), results.slice(failed + 1));
}

describe("random input", () => {
  test(`is decoded to the same result twice, or violates a named rule: ${INPUTS} inputs (seed ${seed})`, () => {
    const random = new Random(seed);
    const seen = new Set<string>();
    for (let i = 0; i < INPUTS; i++) {
      const messages = noise(random);
      const first = outcome(messages);
      assert.deepEqual(outcome(messages), first, JSON.stringify(messages));
      assertFreshAfter(messages, first);
      for (const each of first) if (each in RULES) seen.add(each);
    }
    assert.deepEqual([...seen].sort(), Object.keys(BREACHES).sort());
  });

  test(`a decoded packet is the same after it is encoded and decoded again (seed ${seed})`, () => {
    const random = new Random(seed + 1);
    let written = 0;
    for (let i = 0; i < INPUTS / 5; i++) {
      const decoder = new Decoder({ maxAttachments: Number.POSITIVE_INFINITY });
      for (const message of noise(random)) {
        let packet: Packet | undefined;
        try {
          packet = decoder.add(message);
        } catch {
          continue;
        }
        if (packet === undefined) continue;
        const { text, attachments } = encode(packet);
        // If the packet has no attachments, a value that looks like a placeholder is encoded like a placeholder. Such a
        // packet is ambiguous, so the test skips it.
        if (attachments.length === 0 && /^[56]/.test(text)) continue;
        const again = new Decoder({ maxAttachments: Number.POSITIVE_INFINITY });
        const results = [text, ...attachments].map((each) => again.add(each));
        assert.equal(show(results.at(-1)), show(packet));
        written++;
      }
    }
    assert.ok(written > 1000, `${written} packets`);
  });
});
