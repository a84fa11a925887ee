// Tests the client files that the server serves to pages.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";

import { build } from "esbuild";

import { ask, serve } from "../support/net.ts";

const BUNDLES = new URL("../../node_modules/socket.io-client/dist/", import.meta.url);
const NAMES = [
  "socket.io.js",
  "socket.io.min.js",
  "socket.io.esm.min.js",
  "socket.io.msgpack.min.js",
].flatMap((name) => [name, `${name}.map`]);

describe("the serveClient option", () => {
  test("serves each file by its name, with any query", async (context) => {
    const { port } = await serve(context);
    for (const name of NAMES) {
      const { status, headers, bytes } = await ask(port, `/socket.io/${name}?v=1`);
      assert.equal(status, 200, name);
      assert.ok(bytes.equals(readFileSync(new URL(name, BUNDLES))), name);
      const type = name.endsWith(".map") ? "application/json" : "application/javascript";
      assert.equal(headers["content-type"], `${type}; charset=utf-8`);
      assert.equal(headers["cache-control"], "public, max-age=0");
      assert.equal(headers["content-encoding"], undefined);
    }
  });

  test("compresses a file with the preferred coding of Accept-Encoding", async (context) => {
    const { port } = await serve(context);
    const plain = readFileSync(new URL("socket.io.min.js", BUNDLES));
    for (const [accepted, encoding] of [
      ["gzip, deflate, br", "br"],
      ["gzip", "gzip"],
      ["br;q=0.5, gzip", "gzip"],
      ["br;q=0, gzip;q=0.1", "gzip"],
      ["*", "br"],
      ["gzip;q=0", undefined],
      ["gzip;q=x", undefined],
      ["identity", undefined],
    ] as const) {
      const headers = { "Accept-Encoding": accepted };
      const answer = await ask(port, "/socket.io/socket.io.min.js", { headers });
      assert.equal(answer.headers["content-encoding"], encoding, accepted);
      assert.equal(answer.headers.vary, "Accept-Encoding");
      const { bytes } = answer;
      const body =
        encoding === "br" ? brotliDecompressSync(bytes) : encoding ? gunzipSync(bytes) : bytes;
      assert.ok(body.equals(plain));
    }
  });

  test("answers 304 if If-None-Match has the file's ETag", async (context) => {
    const { port } = await serve(context);
    const path = "/socket.io/socket.io.js";
    const { etag } = (await ask(port, path)).headers;
    assert.match(`${etag}`, /^"[^"]+"$/);
    for (const known of [`${etag}`, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const { status, body, headers } = await ask(port, path, {
        headers: { "If-None-Match": known },
      });
      assert.deepEqual([status, body, headers.etag], [304, "", etag], known);
    }
    const other = await ask(port, path, { headers: { "If-None-Match": '"other"' } });
    assert.equal(other.status, 200);
  });

  test("answers HEAD without a body, and other methods and unknown files with 400", async (context) => {
    const { port } = await serve(context);
    const head = await ask(port, "/socket.io/socket.io.js", { method: "HEAD" });
    assert.equal(head.status, 200);
    assert.ok(Number(head.headers["content-length"]) > 1000);
    for (const [path, method] of [
      ["socket.io.js", "POST"],
      ["socket.io.esm.js", "GET"],
      ["../socket.io.js", "GET"],
      ["constructor", "GET"],
    ] as const) {
      const { status, body } = await ask(port, `/socket.io/${path}`, { method });
      assert.deepEqual([status, body], [400, '{"code":0,"message":"Transport unknown"}']);
    }
  });

  test("serves the files below `path` with CORS headers, and serves no files if serveClient is false", async (context) => {
    const cors = { origin: "https://page.example" };
    const own = await serve(context, { path: "/chat/", cors });
    const { status, headers } = await ask(own.port, "/chat/socket.io.esm.min.js", {
      headers: { Origin: "https://page.example" },
    });
    assert.equal(status, 200);
    assert.equal(headers["access-control-allow-origin"], "https://page.example");
    assert.equal(headers.vary, "Origin, Accept-Encoding");
    const bare = await serve(context, { addTrailingSlash: false });
    assert.equal((await ask(bare.port, "/socket.io/socket.io.js")).status, 200);
    const without = await serve(context, { serveClient: false });
    assert.equal((await ask(without.port, "/socket.io/socket.io.js")).status, 400);
  });

  for (const format of ["cjs", "esm"] as const) {
    test(`answers 404 for client files in a server bundled as ${format}`, async (context) => {
      const folder = mkdtempSync(join(tmpdir(), "barewire-bundled-"));
      context.after(() => rmSync(folder, { recursive: true }));
      const file = join(folder, format === "cjs" ? "server.cjs" : "server.mjs");
      const library = JSON.stringify(join(import.meta.dirname, "../../server.ts"));
      await build({
        stdin: {
          contents: `import { createServer } from "node:http";
            import { Server } from ${library};
            const http = createServer();
            new Server(http);
            http.listen(0, "127.0.0.1", () => console.log(http.address().port));`,
          resolveDir: folder,
        },
        outfile: file,
        bundle: true,
        platform: "node",
        format,
        logLevel: "error",
      });
      const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
      context.after(() => child.kill("SIGKILL"));
      const exited = once(child, "exit").then(([code]) =>
        assert.fail(`the program has exited with code ${code}`),
      );
      exited.catch(() => {});
      const [line] = await Promise.race([once(createInterface(child.stdout), "line"), exited]);
      for (const path of ["socket.io.js", "socket.io.min.js.map"]) {
        const answer = await Promise.race([ask(Number(line), `/socket.io/${path}`), exited]);
        assert.equal(answer.status, 404);
      }
      const session = await ask(Number(line), "/socket.io/?EIO=4&transport=polling");
      assert.equal(session.status, 200);
    });
  }
});
