// Tests the limit on messages that wait for another process.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Channel } from "../../../lib/cluster/channel.ts";
import { SOURCE, type ToPrimary } from "../../../lib/cluster/messages.ts";

const LIMIT = 10_000;

/** Returns a batch message with one item of this many bytes. */
function batch(length: number): ToPrimary {
  const body = new Uint8Array(length);
  const item = { type: "publish", nsp: "/", node: "a", body, kept: undefined } as const;
  return { source: SOURCE, type: "batch", items: [item] };
}

function start(): {
  readonly channel: Channel<ToPrimary>;
  readonly written: (() => void)[];
  readonly stalled: () => number;
} {
  const written: (() => void)[] = [];
  let stalled = 0;
  const channel = new Channel<ToPrimary>(
    (_message, _socket, callback) => written.push(callback),
    () => stalled++,
    LIMIT,
  );
  return { channel, written, stalled: () => stalled };
}

describe("a channel to another process", () => {
  test("stalls when waiting messages exceed the limit, and then sends no more messages", () => {
    const { channel, written, stalled } = start();
    for (let count = 0; count < 3; count++) channel.send(batch(2_500));
    assert.deepEqual([written.length, stalled()], [3, 0]);
    let called = 0;
    channel.send(batch(2_500), undefined, () => called++);
    channel.send(batch(1), undefined, () => called++);
    assert.deepEqual([written.length, stalled(), called], [3, 1, 2]);
  });

  test("does not count messages that the other process has read", () => {
    const { channel, written, stalled } = start();
    for (let count = 0; count < 100; count++) {
      channel.send(batch(4_000));
      written.shift()?.();
    }
    assert.equal(stalled(), 0);
  });

  test("sends a message that is larger than the limit", () => {
    const { channel, written, stalled } = start();
    channel.send(batch(10 * LIMIT));
    channel.send(batch(1_000));
    assert.deepEqual([written.length, stalled()], [2, 0]);
  });

  test("counts the rooms and the data in a message", () => {
    const room = "r".repeat(50);
    const session = { sid: "s", pid: "p", data: new Uint8Array(), offset: "", address: "" };
    const kept = { sequence: 1, except: [], local: false, rooms: Array(100).fill(room) };
    const body = new Uint8Array();
    for (const item of [
      { type: "keep", nsp: "/", body, kept },
      { type: "socket", nsp: "/", session: { ...session, rooms: Array(100).fill(room) } },
      {
        type: "persist",
        nsp: "/",
        session: { ...session, rooms: [], data: new Uint8Array(5_000) },
      },
    ] as const) {
      const { channel, stalled } = start();
      for (const _each of [1, 2, 3]) channel.send({ source: SOURCE, type: "batch", items: [item] });
      assert.equal(stalled(), 1, item.type);
    }
  });
});
