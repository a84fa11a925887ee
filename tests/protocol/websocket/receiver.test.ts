// RFC 6455 §5.4 to §6.2: bytes in, messages out, and how much of them is held meanwhile.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { BINARY, PING, TEXT } from "../../../protocol/websocket/frame.ts";
import { NEED_DATA, Receiver, type ReceiverOptions } from "../../../protocol/websocket/receiver.ts";
import { receive } from "../../support/endpoint.ts";
import { frame } from "../../support/frame.ts";
import { held } from "../../support/memory.ts";
import { bytes, everySplit, inChunks } from "../../support/split.ts";
import { BREACHES, FRAMES, PROFILES } from "../../vectors/frames.ts";

describe("Receiver reads", () => {
  for (const { does, input, gives, as = "client" } of FRAMES) {
    test(does, () => {
      const whole = bytes(input);
      const splits = whole.length < 3000 ? everySplit(whole) : [[whole], inChunks(whole, 1000)];
      for (const chunks of splits) assert.deepEqual(receive(chunks, PROFILES[as]), gives);
    });
  }
});

describe("Receiver as a scanner", () => {
  test("gives one event a call, and NEED_DATA as often as it is asked", () => {
    const receiver = new Receiver(PROFILES.client);
    assert.equal(receiver.next(), NEED_DATA);
    receiver.push(bytes("81 01 61 89 00 82 01 62"));
    assert.equal(receiver.next(), TEXT);
    assert.equal(receiver.next(), PING);
    assert.equal(receiver.next(), BINARY);
    assert.equal(receiver.next(), NEED_DATA);
    assert.equal(receiver.next(), NEED_DATA);
  });

  test("takes chunks while others are still unread", () => {
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

  test("a payload stays what it is while more is pushed, until next() is called", () => {
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

  test("a message that lies whole in its chunk is not copied", () => {
    const receiver = new Receiver(PROFILES.client);
    const chunk = frame(2, "unmoved");
    receiver.push(chunk);
    receiver.next();
    assert.equal(receiver.payload.buffer, chunk.buffer);
  });

  test("a payload put together from fragments is nobody else's memory", () => {
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

  test("after discard() it holds nothing", () => {
    const receiver = new Receiver(PROFILES.client);
    receiver.push(bytes("02 7e 03 e8 61*900"));
    receiver.next();
    receiver.push(bytes("62*50"));
    receiver.discard();
    assert.equal(receiver.payload.length, 0);
    assert.equal(receiver.next(), NEED_DATA);
  });
});

describe("Receiver fails at the first byte that is wrong", () => {
  // The rules whose breach lies in the two bytes that begin a frame.
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
  for (const rule of EARLY) {
    test(`RFC 6455 §5.2 ${rule} is known from a frame's first two bytes`, () => {
      for (const breach of BREACHES[rule]) {
        const [as, hex] = typeof breach === "string" ? ["client" as const, breach] : breach;
        const input = bytes(hex);
        const failed = fallsAt(input, PROFILES[as]);
        // Whatever stands before it are whole frames; the breach is in the next two bytes.
        const start = frameStarts(input).findLast((at) => at < failed) ?? 0;
        assert.equal(failed, start + 2, hex);
      }
    });
  }

  test("RFC 6455 §10.4 MESSAGE_TOO_BIG and MINIMAL_LENGTH are known from the length", () => {
    assert.equal(fallsAt(bytes("82 7e 03 e9 61 62"), PROFILES.client), 4);
    assert.equal(fallsAt(bytes("82 7f 00*5 01 00 00 61"), PROFILES.client), 10);
    assert.equal(fallsAt(bytes("82 7e 00 7d 61 62"), PROFILES.client), 4);
    assert.equal(fallsAt(bytes("82 7f 00*6 ff ff 61"), PROFILES.client), 10);
  });

  test("RFC 6455 §8.1 INVALID_UTF8 at the byte that no other can make good (Autobahn 6.4)", () => {
    // Two bytes of header, "κόσμε" in eleven, f4, and 90.
    const text = "ce ba e1 bd b9 cf 83 ce bc ce b5 f4 90 80 80 65 64 69 74 65 64";
    assert.equal(fallsAt(bytes(`81 15 ${text}`), PROFILES.client), 15);
    assert.equal(fallsAt(bytes(`01 15 ${text}`), PROFILES.client), 15);
    assert.equal(fallsAt(bytes("81 05 61 ff 61 61 61"), PROFILES.client), 4);
    assert.equal(fallsAt(bytes("81 05 61 ed a0 61 61"), PROFILES.client), 5);
  });
});

/** How many bytes, given one by one, it takes to fail; -1 where it does not. */
function fallsAt(input: Uint8Array, options: ReceiverOptions): number {
  for (let length = 1; length <= input.length; length++) {
    const log = receive(inChunks(input.subarray(0, length), 1), options);
    if (log.at(-1)?.startsWith("fail")) return length;
  }
  return -1;
}

/** Where frames begin, in bytes that hold whole short frames and then whatever there is. */
function frameStarts(input: Uint8Array): number[] {
  const starts = [0];
  for (let at = 0; at + 1 < input.length; ) {
    const second = input[at + 1] ?? 0;
    at += 2 + (second & 0x7f) + (second >= 0x80 ? 4 : 0);
    starts.push(at);
  }
  return starts;
}

describe("Receiver holds no more than maxPayload and a block of 64 KiB", () => {
  const MAX = 1024 * 1024;
  const SLACK = 512 * 1024;
  const KEY = bytes("00 00 00 00");
  const options = { role: "server", maxPayload: MAX, deflate: false } as const;

  /** What `feed` leaves held by a receiver, beyond what was held before. */
  function growth(feed: (give: (chunk: Uint8Array) => void, receiver: Receiver) => void): number {
    const receiver = new Receiver(options);
    const give = (chunk: Uint8Array): void => {
      receiver.push(chunk);
      while (receiver.next() !== NEED_DATA);
    };
    const before = held();
    feed(give, receiver);
    const after = held();
    // The receiver is used behind the measurement, so that it lives until then.
    assert.equal(receiver.next(), NEED_DATA);
    return after - before;
  }

  /** The header of a masked frame that announces `length` bytes. */
  function header(first: number, length: number): Uint8Array {
    const head = Buffer.alloc(14);
    head[0] = first;
    head[1] = 0xff;
    head.writeBigUInt64BE(BigInt(length), 2);
    return new Uint8Array(head);
  }

  test("while a frame of the largest size comes a byte at a time", () => {
    const grown = growth((give) => {
      give(header(0x82, MAX));
      for (let i = 1; i < MAX; i++) give(new Uint8Array(1));
    });
    assert.ok(grown < MAX + 64 * 1024 + SLACK, `${grown} bytes`);
  });

  test("while 300,000 fragments of nothing come", () => {
    const grown = growth((give) => {
      give(frame(2, "", { fin: false, key: KEY }));
      for (let i = 0; i < 300_000; i++) give(frame(0, "", { fin: false, key: KEY }));
    });
    assert.ok(grown < 64 * 1024 + SLACK, `${grown} bytes`);
  });

  test("while 300,000 fragments of one byte come", () => {
    const grown = growth((give) => {
      give(frame(2, "x", { fin: false, key: KEY }));
      for (let i = 0; i < 300_000; i++) give(frame(0, "x", { fin: false, key: KEY }));
    });
    assert.ok(grown < 300_000 + 64 * 1024 + SLACK, `${grown} bytes`);
  });

  test("when a length is announced and nothing follows", () => {
    const receivers: Receiver[] = [];
    const before = held();
    for (let i = 0; i < 100; i++) {
      const receiver = new Receiver(options);
      receiver.push(header(0x82, MAX));
      receiver.next();
      receivers.push(receiver);
    }
    const grown = held() - before;
    assert.equal(receivers.length, 100);
    // Not a block each: what has not come is not waited for with memory.
    assert.ok(grown < SLACK, `${grown} bytes`);
  });

  test("and one byte of what was announced costs one block at most", () => {
    const receivers: Receiver[] = [];
    const before = held();
    for (let i = 0; i < 100; i++) {
      const receiver = new Receiver(options);
      receiver.push(Buffer.concat([header(0x82, MAX), new Uint8Array(1)]));
      receiver.next();
      receivers.push(receiver);
    }
    const grown = held() - before;
    assert.equal(receivers.length, 100);
    assert.ok(grown < 100 * 65 * 1024 + SLACK, `${grown} bytes`);
  });

  test("however large the chunks are that the fragments lie in", () => {
    // Each chunk is 64 KiB of messages that end in it, and then one byte of one that does not.
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

  test("however large the chunks are in which half a header lies", () => {
    const receivers: Receiver[] = [];
    const before = held();
    for (let i = 0; i < 200; i++) {
      const receiver = new Receiver(options);
      const message = frame(2, new Uint8Array(65_000), { key: KEY });
      receiver.push(new Uint8Array(Buffer.concat([message, bytes("89 fd 00 00 00")])));
      while (receiver.next() !== NEED_DATA);
      receivers.push(receiver);
    }
    const grown = held() - before;
    assert.equal(receivers.length, 200);
    assert.ok(grown < SLACK, `${grown} bytes`);
  });

  test("and an idle one holds no chunk", () => {
    const receivers: Receiver[] = [];
    const before = held();
    for (let i = 0; i < 200; i++) {
      const receiver = new Receiver(options);
      receiver.push(frame(2, new Uint8Array(65_000), { key: KEY }));
      while (receiver.next() !== NEED_DATA);
      receivers.push(receiver);
    }
    const grown = held() - before;
    assert.equal(receivers.length, 200);
    assert.ok(grown < SLACK, `${grown} bytes`);
  });
});
