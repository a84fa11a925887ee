// Tests the storage of the fragments of an incomplete message: RFC 6455 §5.4.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Fragments } from "../../protocol/fragments.ts";
import { held, leastGrowth } from "../support/memory.ts";
import { Random, seed } from "../support/random.ts";

describe("Fragments", () => {
  test("are empty if nothing or only empty chunks were added", () => {
    const fragments = new Fragments();
    assert.equal(fragments.length, 0);
    assert.equal(fragments.take().length, 0);
    fragments.add(new Uint8Array(0), 0);
    fragments.add(new Uint8Array(0), 1000);
    assert.equal(fragments.length, 0);
    assert.equal(fragments.take().length, 0);
  });

  test("take() returns all added chunks in order, and leaves nothing", () => {
    const fragments = new Fragments();
    fragments.add(Buffer.from("ab"), 0);
    fragments.add(Buffer.from("c"), 3);
    assert.equal(fragments.length, 3);
    assert.equal(Buffer.from(fragments.take()).toString(), "abc");
    assert.equal(fragments.length, 0);
    assert.equal(fragments.take().length, 0);
    fragments.add(Buffer.from("d"), 0);
    assert.equal(Buffer.from(fragments.take()).toString(), "d");
  });

  test("clear() removes all chunks", () => {
    const fragments = new Fragments();
    fragments.add(new Uint8Array(70_000), 0);
    fragments.clear();
    assert.equal(fragments.length, 0);
    fragments.add(Buffer.from("x"), 0);
    assert.equal(Buffer.from(fragments.take()).toString(), "x");
  });

  test("are copies, so that the caller may overwrite a chunk", () => {
    const fragments = new Fragments();
    const chunk = Buffer.from("before");
    fragments.add(chunk, 0);
    chunk.fill(0);
    assert.equal(Buffer.from(fragments.take()).toString(), "before");
  });

  test("take() returns memory that is not written to again", () => {
    const fragments = new Fragments();
    fragments.add(Buffer.from("first"), 100);
    const first = fragments.take();
    fragments.add(Buffer.from("other"), 100);
    assert.equal(Buffer.from(first).toString(), "first");
  });

  for (const size of [255, 256, 257, 512, 65535, 65536, 65537, 131072, 200_000]) {
    test(`return ${size} bytes, added at once or in pieces, with a known length or not`, () => {
      const whole = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
      for (const piece of [size, 1000, 997, 64]) {
        for (const announced of [true, false]) {
          const fragments = new Fragments();
          for (let at = 0; at < size; at += piece) {
            const end = Math.min(at + piece, size);
            fragments.add(whole.subarray(at, end), announced ? size - end : 0);
            assert.equal(fragments.length, end);
          }
          assert.equal(Buffer.compare(fragments.take(), whole), 0);
        }
      }
    });
  }

  test("take() does not copy a message of known length that fits in one block", () => {
    const fragments = new Fragments();
    fragments.add(new Uint8Array(1000), 1000);
    fragments.add(new Uint8Array(1000), 0);
    const whole = fragments.take();
    assert.equal(whole.length, 2000);
    // The block has exactly 2,000 bytes, unless Node allocates it from its pool for small buffers.
    assert.ok(whole.buffer.byteLength <= Buffer.poolSize + 64);
  });

  test(`use at most the added bytes and one block, whatever length is announced (SEED=${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 20; round++) {
      const all: Fragments[] = [];
      const before = held();
      let length = 0;
      for (let i = 0; i < 50; i++) {
        const fragments = new Fragments();
        for (let n = random.int(20); n > 0; n--) {
          fragments.add(new Uint8Array(random.int(5000)), random.pick([0, 1, 1e5, 1e9, 2 ** 52]));
        }
        length += fragments.length;
        all.push(fragments);
      }
      const grown = held() - before;
      assert.equal(all.length, 50);
      assert.ok(grown < length + 50 * 65 * 1024 + 256 * 1024, `${grown} bytes for ${length}`);
    }
  });

  test("use little more memory than the added bytes for a million small chunks", () => {
    const one = Uint8Array.of(1);
    const grown = leastGrowth(() => {
      const fragments = new Fragments();
      for (let i = 0; i < 1_000_000; i++) fragments.add(one, 0);
      assert.equal(fragments.length, 1_000_000);
      return fragments;
    });
    assert.ok(grown < 1_000_000 + 64 * 1024 + 256 * 1024, `${grown} bytes`);
  });

  test("use a small block for a short message of unknown length", () => {
    const grown = leastGrowth(() =>
      Array.from({ length: 1000 }, () => {
        const fragments = new Fragments();
        fragments.add(Uint8Array.of(1), 0);
        return fragments;
      }),
    );
    assert.ok(grown < 1000 * 1024, `${grown} bytes`);
  });
});
