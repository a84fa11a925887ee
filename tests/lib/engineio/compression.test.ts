// Tests compressed responses to polls: RFC 9110 §12.5.3.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gunzipSync, inflateSync } from "node:zlib";

import type { ServerOptions } from "../../../server.ts";
import { open, PollingClient, serve, until } from "../../support/net.ts";

const TEXT = "many words, again and again; ".repeat(100);

/** Sends a poll with this Accept-Encoding. Returns the response and its Content-Encoding. */
async function poll(
  context: Parameters<typeof serve>[0],
  accept: string | undefined,
  options: ServerOptions = {},
  text = TEXT,
  compress = true,
): Promise<{ encoding: string | undefined; length: number; body: string }> {
  const { port, io } = await serve(context, options);
  const client = await PollingClient.open(port);
  await client.join();
  io.compress(compress).emit("text", text);
  const headers = accept === undefined ? {} : { "Accept-Encoding": accept };
  const { bytes, headers: answered } = await client.poll({ headers });
  assert.equal(answered["content-length"], `${bytes.length}`);
  const encoding = answered["content-encoding"];
  const body =
    encoding === "gzip" ? gunzipSync(bytes) : encoding === "deflate" ? inflateSync(bytes) : bytes;
  return { encoding, length: bytes.length, body: body.toString() };
}

describe("A response to a poll", () => {
  // biome-ignore format: aligned table
  const ACCEPTS: readonly (readonly [string | undefined, string | undefined])[] = [
    [undefined,                     undefined],
    ["gzip",                        "gzip"],
    ["deflate",                     "deflate"],
    ["gzip, deflate, br",           "gzip"],
    ["br, deflate",                 "deflate"],
    ["GZip;q=0.5",                  "gzip"],
    ["gzip;q=0, deflate",           "deflate"],
    ["gzip;q=0.000",                undefined],
    ["identity",                    undefined],
    ["br",                          undefined],
    ["gzipped",                     undefined],
    ["",                            undefined],
  ];
  for (const [accept, gives] of ACCEPTS) {
    test(`is encoded as ${gives ?? "identity"} for Accept-Encoding: ${accept ?? "(missing)"}`, async (context) => {
      const { encoding, body, length } = await poll(context, accept);
      assert.equal(encoding, gives);
      assert.equal(body, `42["text","${TEXT}"]`);
      if (gives !== undefined) assert.ok(length < 200);
    });
  }

  test("is compressed if it has at least `threshold` bytes", async (context) => {
    const short = "x".repeat(1024 - '42["text",""]'.length - 1);
    assert.equal((await poll(context, "gzip", {}, short)).encoding, undefined);
    assert.equal((await poll(context, "gzip", {}, `${short}x`)).encoding, "gzip");
    const options = { httpCompression: { threshold: 20 } };
    assert.equal((await poll(context, "gzip", options, "x".repeat(20))).encoding, "gzip");
  });

  test("is not compressed with httpCompression: false or after compress(false)", async (context) => {
    assert.equal((await poll(context, "gzip", { httpCompression: false })).encoding, undefined);
    assert.equal((await poll(context, "gzip", {}, TEXT, false)).encoding, undefined);
  });

  test("of several messages is compressed unless all were sent with compress(false)", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    io.compress(false).emit("a", TEXT);
    io.emit("b", TEXT);
    const { headers, bytes } = await client.poll({ headers: { "Accept-Encoding": "gzip" } });
    assert.equal(headers["content-encoding"], "gzip");
    assert.equal(gunzipSync(bytes).toString(), `42["a","${TEXT}"]\x1e42["b","${TEXT}"]`);
  });

  test("is sent uncompressed if zlib fails, here because of maxOutputLength", async (context) => {
    const { body, encoding } = await poll(context, "gzip", {
      httpCompression: { maxOutputLength: 1 },
    });
    assert.equal(encoding, undefined);
    assert.equal(body, `42["text","${TEXT}"]`);
  });

  test("a client that disconnects while the response is compressed ends its session", async (context) => {
    const { port, io } = await serve(context);
    const ends: unknown[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => ends.push(reason)));
    const client = await PollingClient.open(port);
    await client.join();
    const request = open(port, client.path, { headers: { "Accept-Encoding": "gzip" } });
    request.on("error", () => {}).end();
    await until(() => [...io.sockets.sockets.values()].some(({ conn }) => conn.writable));
    io.emit("large", "x".repeat(5_000_000));
    request.destroy();
    await until(() => ends.length === 1);
    assert.deepEqual(ends, ["transport error"]);
  });
});
