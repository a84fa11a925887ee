// Tests RFC 7692 §7.2: each end inflates the messages that the other end compressed, for all negotiated parameters.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";

import { constants, deflateRawSync, type ZlibOptions } from "node:zlib";

import { MessageDeflate } from "../../../lib/websocket/message-deflate.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";

const MESSAGES = ["a", "the same words again and again, ".repeat(50)].map((text) =>
  Buffer.from(text),
);

interface Options {
  readonly maxPayload?: number;
  readonly zlib?: ZlibOptions;
}

function end(
  role: "client" | "server",
  options: object = {},
  { maxPayload = 10_000, zlib = {} }: Options = {},
): MessageDeflate {
  const parameters = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
    ...options,
  };
  return new MessageDeflate({ role, parameters, maxPayload, zlib });
}

describe("MessageDeflate", () => {
  for (const options of [
    {},
    { serverNoContextTakeover: true },
    { clientNoContextTakeover: true },
    { serverMaxWindowBits: 9 },
    { clientMaxWindowBits: 9 },
    { serverMaxWindowBits: 10, clientMaxWindowBits: 12, clientNoContextTakeover: true },
  ]) {
    test(`RFC 7692 §7.2: each end inflates messages that the other compressed, with ${JSON.stringify(options)}`, async () => {
      const [client, server] = [end("client", options), end("server", options)];
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        for (const message of [...MESSAGES, ...MESSAGES]) {
          const compressed = await from.compress(message);
          assert.deepEqual(Buffer.from(await to.inflate(compressed)), message);
        }
      }
      client.close();
      server.close();
    });
  }

  test("RFC 7692 §7.1.1: each end obeys its own no_context_takeover parameter when it compresses", async () => {
    // The message repeats nothing, so only a reference to an earlier message makes it shorter.
    const message = createHash("sha512").update("any").digest();
    for (const role of ["client", "server"] as const) {
      const without = end(role, { [`${role}NoContextTakeover`]: true });
      const first = await without.compress(message);
      assert.equal((await without.compress(message)).length, first.length);
      const other = role === "client" ? "server" : "client";
      const takeover = end(role, { [`${other}NoContextTakeover`]: true });
      await takeover.compress(message);
      assert.ok((await takeover.compress(message)).length < first.length);
      takeover.close();
    }
  });

  test("RFC 7692 §7.2.2: rejects invalid compressed data, and messages larger than maxPayload", async () => {
    const server = end("server");
    await assert.rejects(server.inflate(bytes("ff ff ff")), { rule: "INVALID_DEFLATE" });
    const large = await end("client", { clientNoContextTakeover: true }).compress(
      Buffer.alloc(20_000),
    );
    await assert.rejects(end("server").inflate(large), { rule: "MESSAGE_TOO_BIG" });
    server.close();
    await assert.rejects(server.compress(bytes("00")));
    await assert.rejects(server.inflate(bytes("00")));
    const whole = { clientNoContextTakeover: true, serverNoContextTakeover: true };
    const each = end("server", whole);
    await assert.rejects(each.inflate(bytes("ff ff ff")), { rule: "INVALID_DEFLATE" });
    await assert.rejects(each.inflate(large), { rule: "MESSAGE_TOO_BIG" });
    // Pending jobs reject when the connection closes.
    for (const options of [{}, whole]) {
      const closing = end("server", options);
      const jobs = [closing.compress(Buffer.alloc(100_000)), closing.inflate(large)];
      closing.close();
      const outcomes = await Promise.allSettled(jobs);
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ["rejected", "rejected"],
      );
    }
  });
});

const NO_CONTEXT = { serverNoContextTakeover: true, clientNoContextTakeover: true };

/** Compresses a message with zlib itself, in one call. */
function deflated(message: Uint8Array, options: ZlibOptions = {}): Buffer {
  const whole = deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH, ...options });
  return whole.subarray(0, whole.length - 4);
}

/** Packs bits into bytes, lowest bit first, as in RFC 1951 §3.1.1. */
function bits(text: string): Uint8Array {
  const all = text.replaceAll(" ", "");
  return Uint8Array.from({ length: Math.ceil(all.length / 8) }, (_, i) =>
    Number.parseInt([...all.slice(8 * i, 8 * i + 8).padEnd(8, "0")].reverse().join(""), 2),
  );
}

/** Returns repetitive JSON of about this many bytes. */
function json(random: Random, length: number): Buffer {
  let text = "";
  while (text.length < length) text += `{"id":${random.int(1000)},"name":"n${random.int(9)}"},`;
  return Buffer.from(text);
}

describe("MessageDeflate without the thread pool", () => {
  test(`compressNow() returns the same bytes as zlib with the same window (SEED=${seed})`, () => {
    const random = new Random(seed);
    for (const windowBits of [9, 12, 15]) {
      const server = end("server", { ...NO_CONTEXT, serverMaxWindowBits: windowBits });
      for (let n = 0; n < 200; n++) {
        const length = 1 + random.int(4096);
        const message =
          n % 2 === 0 ? random.bytes(length) : json(random, length).subarray(0, length);
        assert.deepEqual(server.compressNow(message), deflated(message, { windowBits }));
      }
    }
  });

  test("leaves large messages, and compression with context takeover, to the thread pool", async () => {
    const server = end("server", NO_CONTEXT, { maxPayload: 100_000 });
    assert.deepEqual(Buffer.from(server.compressNow(bytes("")) ?? []), Buffer.of(0));
    assert.ok(server.compressNow(Buffer.alloc(4096)));
    assert.equal(server.compressNow(Buffer.alloc(4097)), undefined);
    assert.equal(end("server").compressNow(bytes("00")), undefined);
    const random = new Random(seed);
    const large = deflated(random.bytes(4097));
    assert.equal(server.inflateNow(large), undefined);
    assert.equal((await server.inflate(large)).length, 4097);
  });

  for (const options of [{}, NO_CONTEXT]) {
    test(`RFC 6455 §10.4 inflateNow() stops at 32 KiB or maxPayload, with ${JSON.stringify(options)}`, async () => {
      const most = deflated(Buffer.alloc(32 * 1024));
      const more = deflated(Buffer.alloc(32 * 1024 + 1));
      const server = end("server", options, { maxPayload: 100_000 });
      assert.equal(server.inflateNow(most)?.length, 32 * 1024);
      // The message is too large for inflateNow(), but not for inflate(). The failed attempt must have no effect.
      assert.equal(server.inflateNow(more), undefined);
      assert.equal((await server.inflate(more)).length, 32 * 1024 + 1);
      // After a large message, the next message is not inflated at once. After a small message, messages are inflated at
      // once again.
      assert.equal(server.inflateNow(most), undefined);
      assert.equal((await server.inflate(most)).length, 32 * 1024);
      assert.equal(server.inflateNow(most)?.length, 32 * 1024);
      const bomb = deflated(Buffer.alloc(1_000_000));
      assert.ok(bomb.length < 4096);
      assert.equal(server.inflateNow(bomb), undefined);
      await assert.rejects(server.inflate(bomb), { rule: "MESSAGE_TOO_BIG" });
      // maxPayload is less than 32 KiB, so inflateNow() itself can reject larger messages.
      const strict = end("server", options, { maxPayload: 1000 });
      assert.equal(strict.inflateNow(deflated(Buffer.alloc(1000)))?.length, 1000);
      assert.throws(() => strict.inflateNow(deflated(Buffer.alloc(1001))), {
        rule: "MESSAGE_TOO_BIG",
      });
      assert.throws(() => strict.inflateNow(bomb), { rule: "MESSAGE_TOO_BIG" });
      assert.throws(() => strict.inflateNow(bytes("ff ff ff")), { rule: "INVALID_DEFLATE" });
      const endless = end("server", options, { maxPayload: Number.POSITIVE_INFINITY });
      assert.equal((await endless.inflate(bomb)).length, 1_000_000);
    });
  }

  test("compressNow() and inflateNow() return undefined after close(), and compressNow() also with invalid zlib options", async () => {
    const server = end("server", NO_CONTEXT);
    server.close();
    assert.equal(server.compressNow(bytes("00")), undefined);
    assert.equal(server.inflateNow(bytes("00")), undefined);
    for (const options of [{}, NO_CONTEXT]) {
      const wrong = end("server", options, { zlib: { level: 99 } });
      assert.equal(wrong.compressNow(bytes("00")), undefined);
      await assert.rejects(wrong.compress(bytes("00")), RangeError);
    }
  });
});

describe("MessageDeflate and earlier messages", () => {
  // RFC 7692 §7.2.3.2: the first message is "Hello". The second is "Hello" again, as a reference to the first.
  const hello = bytes("f2 48 cd c9 c9 07 00");
  const again = bytes("f2 00 11 00 00");

  test("rejects a reference to another connection's message, or to any earlier message without context takeover", async () => {
    const [one, other, none] = [end("server"), end("server"), end("server", NO_CONTEXT)];
    for (const each of [one, none]) {
      assert.equal(String(each.inflateNow(hello)), "Hello");
      assert.equal(String(await each.inflate(hello)), "Hello");
    }
    assert.equal(String(one.inflateNow(again)), "Hello");
    assert.equal(String(await one.inflate(again)), "Hello");
    for (const each of [other, none]) {
      assert.throws(() => each.inflateNow(again), { rule: "INVALID_DEFLATE" });
      await assert.rejects(each.inflate(again), { rule: "INVALID_DEFLATE" });
    }
  });

  test("compresses each message independently without context takeover", async () => {
    const random = new Random(seed);
    const secret = random.bytes(20_000);
    const messages = [secret, Buffer.concat([random.bytes(100), secret]), random.bytes(3000)];
    const zlib = {};
    for (let n = 0; n < 3; n++) {
      // Each round uses new connections with the same settings, so that the connections share zlib streams.
      const jobs = Array.from({ length: 30 }, async (_, i) => {
        const each = end("server", NO_CONTEXT, { zlib });
        const message = messages[i % messages.length] ?? secret;
        assert.deepEqual(await each.compress(message), deflated(message));
        assert.deepEqual(
          each.compressNow(message.subarray(0, 1000)),
          deflated(message.subarray(0, 1000)),
        );
      });
      await Promise.all(jobs);
    }
  });

  test("compresses correctly for the next connection after a connection closed during a compression", async () => {
    const message = new Random(seed).bytes(500_000);
    const zlib = {};
    const server = end("server", NO_CONTEXT, { zlib });
    const job = server.compress(message);
    setImmediate(() => server.close());
    await assert.rejects(job, /closed/);
    await assert.rejects(server.compress(message), /closed/);
    const next = end("server", NO_CONTEXT, { zlib });
    for (let n = 0; n < 2; n++) assert.deepEqual(await next.compress(message), deflated(message));
  });

  test("RFC 7692 §7.2.3.4 keeps the context after a block with BFINAL set", () => {
    const server = end("server");
    assert.equal(String(server.inflateNow(bytes("f3 48 cd c9 c9 07 00 00"))), "Hello");
    assert.equal(String(server.inflateNow(again)), "Hello");
  });

  test("RFC 7692 §7.1.2 inflates references within the negotiated window, and rejects longer references", () => {
    // The message repeats five bytes over this distance, so its compressed form has a reference of this distance.
    for (const [gap, fits] of [
      [512, true],
      [513, false],
    ] as const) {
      const random = new Random(seed);
      const past = Buffer.from(random.bytes(5));
      const server = end("server", { clientMaxWindowBits: 9 });
      const whole = end("server", { clientMaxWindowBits: 10 });
      const rest = random.bytes(gap - 5);
      const reference = deflateRawSync(past, {
        windowBits: 10,
        finishFlush: constants.Z_SYNC_FLUSH,
        // zlib finds no match at the very beginning of a dictionary, so the dictionary starts with another byte.
        dictionary: Buffer.concat([Buffer.of(0), past, rest]),
      }).subarray(0, -4);
      for (const each of [server, whole]) {
        each.inflateNow(deflated(past));
        each.inflateNow(deflated(rest));
      }
      assert.deepEqual(whole.inflateNow(reference), past);
      if (fits) assert.deepEqual(server.inflateNow(reference), past);
      else assert.throws(() => server.inflateNow(reference), { rule: "INVALID_DEFLATE" });
    }
  });

  test("RFC 7692 §7.2.2 has a window of 32,768 bytes if no other size was negotiated", async () => {
    // This is a block with fixed Huffman codes: a reference to five bytes at a distance of 32,768, and the end of the
    // block. An empty block follows.
    const reference = bits("0 10 0000011 11101 1111111111111 0000000 000");
    const past = Buffer.from(new Random(seed).bytes(32 * 1024));
    for (const role of ["server", "client"] as const) {
      const each = end(role, {}, { maxPayload: 100_000 });
      for (let at = 0; at < past.length; at += 4096) {
        await each.inflate(deflated(past.subarray(at, at + 4096)));
      }
      assert.deepEqual(Buffer.from(await each.inflate(reference)), past.subarray(0, 5), role);
    }
  });

  test("compress() rejects if the connection closes while zlib compresses the message", async () => {
    const server = end("server");
    const message = new Random(seed).bytes(1_000_000);
    const job = server.compress(message);
    setImmediate(() => server.close());
    await assert.rejects(job, /closed/);
    await assert.rejects(server.compress(message), /closed/);
  });

  test("compress() rejects with the error of zlib, which is not an uncaught exception", async (context) => {
    const zlib = process.getBuiltinModule("node:zlib");
    const created = context.mock.method(zlib, "createDeflateRaw");
    const server = end("server");
    await server.compress(Buffer.from("creates the stream"));
    const job = server.compress(new Random(seed).bytes(1_000_000));
    setImmediate(() => created.mock.calls[0]?.result?.destroy(new Error("out of memory")));
    await assert.rejects(job, /out of memory/);
  });

  for (const windowBits of [9, 11, 15]) {
    test(`inflates messages of many lengths with a window of ${windowBits} bits (SEED=${seed})`, async () => {
      const random = new Random(seed);
      const large = { maxPayload: 200_000 };
      const client = end("client", { clientMaxWindowBits: windowBits }, large);
      const server = end("server", { clientMaxWindowBits: windowBits }, large);
      const lengths = [1, 10, 100, 1000, 3 * 2 ** windowBits];
      for (let n = 0; n < 300; n++) {
        const message = json(random, random.int(random.pick(lengths) ?? 1));
        const compressed = await client.compress(message);
        const now = random.int(4) === 0 ? undefined : server.inflateNow(compressed);
        const inflated = now ?? (await server.inflate(compressed));
        assert.deepEqual(Buffer.from(inflated), message);
        // The program may change a delivered message, which must not affect later messages.
        inflated.fill(0);
      }
      client.close();
    });
  }
});
