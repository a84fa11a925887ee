// Tests the memory that an incomplete message needs: RFC 6455 §10.4. These tests take seconds.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { NEED_DATA, Receiver } from "../../../protocol/websocket/receiver.ts";
import { frame } from "../../support/frame.ts";
import { leastGrowth } from "../../support/memory.ts";
import { bytes } from "../../support/split.ts";

describe("Receiver holds at most maxPayload and a block of 64 KiB", () => {
  const MAX = 1024 * 1024;
  const SLACK = 512 * 1024;
  const KEY = bytes("00 00 00 00");
  const options = { role: "server", maxPayload: MAX, deflate: false } as const;

  /** Returns how many bytes of memory a receiver uses after `feed`. */
  function growth(feed: (give: (chunk: Uint8Array) => void, receiver: Receiver) => void): number {
    return leastGrowth(() => {
      const receiver = new Receiver(options);
      const give = (chunk: Uint8Array): void => {
        receiver.push(chunk);
        while (receiver.next() !== NEED_DATA);
      };
      feed(give, receiver);
      return receiver;
    });
  }

  /** Returns the header of a masked frame with a payload of `length` bytes. */
  function header(first: number, length: number): Uint8Array {
    const head = Buffer.alloc(14);
    head[0] = first;
    head[1] = 0xff;
    head.writeBigUInt64BE(BigInt(length), 2);
    return new Uint8Array(head);
  }

  test("while a frame of the largest size arrives byte by byte", () => {
    const grown = growth((give) => {
      give(header(0x82, MAX));
      for (let i = 1; i < MAX; i++) give(new Uint8Array(1));
    });
    assert.ok(grown < MAX + 64 * 1024 + SLACK, `${grown} bytes`);
  });

  test("while 300,000 empty fragments arrive", () => {
    const grown = growth((give) => {
      give(frame(2, "", { fin: false, key: KEY }));
      for (let i = 0; i < 300_000; i++) give(frame(0, "", { fin: false, key: KEY }));
    });
    assert.ok(grown < 64 * 1024 + SLACK, `${grown} bytes`);
  });

  test("while 300,000 fragments of one byte arrive", () => {
    const grown = growth((give) => {
      give(frame(2, "x", { fin: false, key: KEY }));
      for (let i = 0; i < 300_000; i++) give(frame(0, "x", { fin: false, key: KEY }));
    });
    assert.ok(grown < 300_000 + 64 * 1024 + SLACK, `${grown} bytes`);
  });

  test("after a header without its payload, for which it allocates nothing", () => {
    const grown = leastGrowth(() =>
      Array.from({ length: 100 }, () => {
        const receiver = new Receiver(options);
        receiver.push(header(0x82, MAX));
        receiver.next();
        return receiver;
      }),
    );
    // The receiver must not allocate memory for a payload of which no byte has arrived.
    assert.ok(grown < SLACK, `${grown} bytes`);
  });

  test("after a header and the first byte of its payload, for which it allocates one block", () => {
    const grown = leastGrowth(() =>
      Array.from({ length: 100 }, () => {
        const receiver = new Receiver(options);
        receiver.push(Buffer.concat([header(0x82, MAX), new Uint8Array(1)]));
        receiver.next();
        return receiver;
      }),
    );
    assert.ok(grown < 100 * 65 * 1024 + SLACK, `${grown} bytes`);
  });

  test("while small fragments arrive in large chunks", () => {
    // Each chunk is 64 KiB of complete messages, followed by one byte of an incomplete message.
    const filler = frame(2, new Uint8Array(65_000), { key: KEY });
    const rest = frame(0, "x", { fin: false, key: KEY });
    const grown = growth((give) => {
      const pings = Buffer.concat(Array(6000).fill(frame(9, "ping", { key: KEY })));
      give(filler);
      give(frame(2, "x", { fin: false, key: KEY }));
      for (let i = 0; i < 500; i++) give(new Uint8Array(Buffer.concat([pings, rest])));
    });
    assert.ok(grown < 64 * 1024 + SLACK, `${grown} bytes`);
  });

  test("after half a header at the end of a large chunk", () => {
    const grown = leastGrowth(() =>
      Array.from({ length: 200 }, () => {
        const receiver = new Receiver(options);
        const message = frame(2, new Uint8Array(65_000), { key: KEY });
        receiver.push(new Uint8Array(Buffer.concat([message, bytes("89 fd 00 00 00")])));
        while (receiver.next() !== NEED_DATA);
        return receiver;
      }),
    );
    assert.ok(grown < SLACK, `${grown} bytes`);
  });

  test("and no chunk between two messages", () => {
    const grown = leastGrowth(() =>
      Array.from({ length: 200 }, () => {
        const receiver = new Receiver(options);
        receiver.push(frame(2, new Uint8Array(65_000), { key: KEY }));
        while (receiver.next() !== NEED_DATA);
        return receiver;
      }),
    );
    assert.ok(grown < SLACK, `${grown} bytes`);
  });
});
