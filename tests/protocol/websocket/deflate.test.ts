// RFC 7692 §7.2: what one end compresses the other inflates, whatever they have agreed on.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";

import { MessageDeflate } from "../../../protocol/websocket/deflate.ts";
import { bytes } from "../../support/split.ts";

const MESSAGES = ["", "a", "the same words again and again, ".repeat(50)].map((text) =>
  Buffer.from(text),
);

function end(role: "client" | "server", options: object = {}): MessageDeflate {
  const parameters = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
    ...options,
  };
  return new MessageDeflate({ role, parameters, maxPayload: 10_000, zlib: {} });
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
    test(`§7.2: both ways, with ${JSON.stringify(options)}`, async () => {
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

  test("§7.1.1: each direction has the parameter of the end that sends", async () => {
    // Nothing in it comes twice, so that only a message before it helps.
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

  test("§7.2.2: what is none, or too much, is a breach", async () => {
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
    // What is under way when it is closed ends with an error.
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
