// Tests the conversion of received bytes to messages: RFC 6455 §5.4 to §6.2.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { BINARY, PING, TEXT } from "../../../protocol/websocket/frame.ts";
import { NEED_DATA, Receiver, type ReceiverOptions } from "../../../protocol/websocket/receiver.ts";
import { receive } from "../../support/endpoint.ts";
import { frame } from "../../support/frame.ts";
import { bytes, everySplit, inChunks } from "../../support/split.ts";
import { BREACHES, FRAMES, PROFILES } from "../../vectors/frames.ts";

describe("Receiver decodes", () => {
  for (const { does, input, gives, as = "client" } of FRAMES) {
    test(does, () => {
      const whole = bytes(input);
      const splits = whole.length < 3000 ? everySplit(whole) : [[whole], inChunks(whole, 1000)];
      for (const chunks of splits) assert.deepEqual(receive(chunks, PROFILES[as]), gives);
    });
  }
});

/** The rules whose violation is visible in the first two bytes of a frame. */
const EARLY = [
  "MASK_REQUIRED",
  "MASK_FORBIDDEN",
  "RESERVED_BITS",
  "RESERVED_OPCODE",
  "NOTHING_TO_CONTINUE",
  "MESSAGE_UNFINISHED",
  "CONTROL_FRAGMENTED",
  "CONTROL_TOO_LONG",
] as const;

describe("Receiver rejects", () => {
  const RULES_OF_FRAMES = [...EARLY, "MINIMAL_LENGTH", "MESSAGE_TOO_BIG", "INVALID_UTF8"] as const;
  for (const rule of RULES_OF_FRAMES) {
    test(`RFC 6455 §7.1.7 ${rule}, whole and byte by byte`, () => {
      for (const breach of BREACHES[rule]) {
        const [as, hex] = typeof breach === "string" ? ["client" as const, breach] : breach;
        // The endpoint, not the receiver, checks the reason of close frames.
        if (rule === "INVALID_UTF8" && hex.startsWith("88")) continue;
        const whole = bytes(hex);
        for (const chunks of [[whole], inChunks(whole, 1)]) {
          assert.equal(receive(chunks, PROFILES[as]).at(-1), `fail ${rule}`, hex);
        }
      }
    });
  }
});

describe("Receiver as a scanner", () => {
  test("next() returns one event per call, and then NEED_DATA", () => {
    const receiver = new Receiver(PROFILES.client);
    assert.equal(receiver.compressed, false);
    assert.equal(receiver.next(), NEED_DATA);
    receiver.push(bytes("81 01 61 89 00 82 01 62"));
    assert.equal(receiver.next(), TEXT);
    assert.equal(receiver.next(), PING);
    assert.equal(receiver.next(), BINARY);
    assert.equal(receiver.next(), NEED_DATA);
    assert.equal(receiver.payload.length, 0);
    assert.equal(receiver.next(), NEED_DATA);
  });

  test("push() accepts chunks before earlier events are read", () => {
    const receiver = new Receiver(PROFILES.client);
    for (const chunk of inChunks(bytes("81 01 61 01 01 62 80 01 63 89 00"), 1)) {
      receiver.push(chunk);
    }
    assert.equal(receiver.next(), TEXT);
    receiver.push(bytes("8a 01"));
    receiver.push(bytes("70"));
    assert.equal(receiver.next(), TEXT);
    assert.deepEqual([...receiver.payload], [0x62, 0x63]);
    assert.equal(receiver.next(), PING);
    assert.equal(receiver.next(), 0xa);
    assert.equal(receiver.next(), NEED_DATA);
  });

  test("push() does not change the current payload", () => {
    const receiver = new Receiver(PROFILES.server);
    const key = bytes("01 02 03 04");
    receiver.push(Buffer.concat([frame(1, "first", { key }), frame(1, "second", { key })]));
    assert.equal(receiver.next(), TEXT);
    const { payload } = receiver;
    receiver.push(frame(1, "third", { key }));
    assert.equal(Buffer.from(payload).toString(), "first");
    assert.equal(receiver.next(), TEXT);
    assert.equal(Buffer.from(receiver.payload).toString(), "second");
  });

  test("next() does not copy a message that is whole in its chunk", () => {
    for (const opcode of [1, 2, 9]) {
      const receiver = new Receiver(PROFILES.client);
      // The chunk has its own memory: two chunks in Node's pool would share a buffer even after a copy.
      const chunk = new Uint8Array(frame(opcode, "unmoved"));
      receiver.push(chunk);
      receiver.next();
      assert.equal(receiver.payload.buffer, chunk.buffer);
    }
  });

  test("next() does not reuse the memory of an earlier fragmented message", () => {
    const receiver = new Receiver(PROFILES.client);
    const payloads: Uint8Array[] = [];
    for (const letter of ["a", "b"]) {
      receiver.push(frame(2, letter.repeat(300), { fin: false }));
      receiver.push(frame(0, letter));
      assert.equal(receiver.next(), BINARY);
      payloads.push(receiver.payload);
      receiver.next();
    }
    const [a, b] = payloads.map((payload) => Buffer.from(payload).toString());
    assert.equal(a, "a".repeat(301));
    assert.equal(b, "b".repeat(301));
  });

  test("discard() removes the current payload and all input", () => {
    const receiver = new Receiver(PROFILES.client);
    receiver.push(bytes("02 7e 03 e8 61*900"));
    receiver.next();
    receiver.push(bytes("62*50"));
    receiver.discard();
    assert.equal(receiver.payload.length, 0);
    assert.equal(receiver.next(), NEED_DATA);

    const reading = new Receiver(PROFILES.client);
    reading.push(bytes("81 01 61 81 01 62"));
    assert.equal(reading.next(), TEXT);
    reading.discard();
    assert.equal(reading.payload.length, 0);
    assert.equal(reading.next(), NEED_DATA);
  });
});

describe("Receiver fails at the first invalid byte", () => {
  for (const rule of EARLY) {
    test(`RFC 6455 §5.2 ${rule} is detected in the first two bytes of a frame`, () => {
      for (const breach of BREACHES[rule]) {
        const [as, hex] = typeof breach === "string" ? ["client" as const, breach] : breach;
        const input = bytes(hex);
        const failed = fallsAt(input, PROFILES[as]);
        // The bytes before `start` are complete frames, and the violation is in the next two bytes.
        const start = frameStarts(input).findLast((at) => at < failed) ?? 0;
        assert.equal(failed, start + 2, hex);
      }
    });
  }

  test("RFC 6455 §10.4 MESSAGE_TOO_BIG and MINIMAL_LENGTH are detected in the length", () => {
    assert.equal(fallsAt(bytes("82 7e 03 e9 61 62"), PROFILES.client), 4);
    assert.equal(fallsAt(bytes("82 7f 00*5 01 00 00 61"), PROFILES.client), 10);
    assert.equal(fallsAt(bytes("82 7e 00 7d 61 62"), PROFILES.client), 4);
    assert.equal(fallsAt(bytes("82 7f 00*6 ff ff 61"), PROFILES.client), 10);
  });

  test("RFC 6455 §8.1 INVALID_UTF8 is detected at the first byte that cannot be valid (Autobahn 6.4)", () => {
    // The header has two bytes, and "κόσμε" has eleven bytes. After the 14th byte, which is f4, the 15th byte cannot be
    // 90.
    const text = "ce ba e1 bd b9 cf 83 ce bc ce b5 f4 90 80 80 65 64 69 74 65 64";
    assert.equal(fallsAt(bytes(`81 15 ${text}`), PROFILES.client), 15);
    assert.equal(fallsAt(bytes(`01 15 ${text}`), PROFILES.client), 15);
    assert.equal(fallsAt(bytes("81 05 61 ff 61 61 61"), PROFILES.client), 4);
    assert.equal(fallsAt(bytes("81 05 61 ed a0 61 61"), PROFILES.client), 5);
  });
});

/** Returns how many bytes a receiver reads one by one before it fails, or -1 if it does not fail. */
function fallsAt(input: Uint8Array, options: ReceiverOptions): number {
  for (let length = 1; length <= input.length; length++) {
    const log = receive(inChunks(input.subarray(0, length), 1), options);
    if (log.at(-1)?.startsWith("fail")) return length;
  }
  return -1;
}

/** Returns the offsets of frames in bytes that consist of complete short frames and arbitrary bytes. */
function frameStarts(input: Uint8Array): number[] {
  const starts = [0];
  for (let at = 0; at + 1 < input.length; ) {
    const second = input[at + 1] ?? 0;
    at += 2 + (second & 0x7f) + (second >= 0x80 ? 4 : 0);
    starts.push(at);
  }
  return starts;
}
