// Tests the part of permessage-deflate that does not need zlib: RFC 7692 §7.2.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  directionOf,
  EMPTY_BLOCK,
  SlidingWindow,
  withoutTail,
  withTail,
} from "../../../protocol/websocket/deflate.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";

test("RFC 7692 §7.2.1, §7.2.2: the sender removes the tail 00 00 ff ff, and the receiver appends it", () => {
  const flushed = bytes("f2 48 cd c9 c9 07 00 00 00 ff ff");
  const sent = bytes("f2 48 cd c9 c9 07 00");
  assert.deepEqual(Buffer.from(withoutTail(flushed)), Buffer.from(sent));
  assert.deepEqual(Buffer.from(withTail(sent)), Buffer.from(flushed));
});

test("RFC 7692 §7.2.3.6: an empty message is one empty block", () => {
  assert.deepEqual(Buffer.from(EMPTY_BLOCK), Buffer.from(bytes("00")));
});

test("RFC 7692 §7.1: each direction has its own window and context takeover", () => {
  const parameters = {
    serverNoContextTakeover: true,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 9,
    clientMaxWindowBits: 12,
  };
  assert.deepEqual(directionOf("server", parameters), { windowBits: 9, takeover: false });
  assert.deepEqual(directionOf("client", parameters), { windowBits: 12, takeover: true });
});

describe("SlidingWindow", () => {
  test(`contains the last bytes of all messages (seed ${seed})`, () => {
    const random = new Random(seed);
    for (const size of [1, 2, 7, 256, 512]) {
      const window = new SlidingWindow(size);
      let all = Buffer.alloc(0);
      for (let round = 0; round < 200; round++) {
        const message = random.bytes(random.int(round % 10 === 0 ? 3 * size : size + 2));
        all = Buffer.concat([all, message]);
        window.add(message);
        assert.deepEqual(Buffer.from(window.bytes), all.subarray(-size), `size ${size}`);
      }
    }
  });

  // Node does not allocate a window of this size from its pool.
  const LARGE = 262_144;

  test("uses little memory for few bytes, and at most a quarter more than the window", () => {
    const window = new SlidingWindow(LARGE);
    window.add(new Uint8Array(40_000));
    assert.equal(window.bytes.buffer.byteLength, 80_000);
    window.add(new Uint8Array(LARGE));
    assert.equal(window.bytes.buffer.byteLength, 1.25 * LARGE);
  });

  test("moves its bytes within the same memory when the additional quarter is full", () => {
    const window = new SlidingWindow(LARGE);
    window.add(new Uint8Array(LARGE));
    const { buffer } = window.bytes;
    const starts = [LARGE / 8, LARGE / 8, 1].map((length) => {
      window.add(new Uint8Array(length));
      return window.bytes.byteOffset;
    });
    assert.deepEqual(starts, [LARGE / 8, LARGE / 4, 0]);
    assert.equal(window.bytes.buffer, buffer);
  });
});
