// Tests the WebSocket client for Node, with `ws` as the server and with handwritten responses.

import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, openAsBlob, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex, PassThrough } from "node:stream";
import { describe, type TestContext, test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";

import { HttpsProxyAgent } from "https-proxy-agent";
import { type ServerOptions, WebSocketServer } from "ws";

import { type CloseEvent, type ErrorEvent, WebSocket } from "../../../lib/websocket/client.ts";
import { byHand, SWITCH } from "../../support/by-hand.ts";
import { CERTIFICATE } from "../../support/certificate.ts";
import { Clock } from "../../support/clock.ts";
import { runText } from "../../support/environment.ts";
import { frame } from "../../support/frame.ts";
import { listen, turn, until } from "../../support/net.ts";
import { Random, seed } from "../../support/random.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

/** Starts an echo server of `ws`. Returns its URL. */
async function echo(
  context: TestContext,
  http: HttpServer = createServer(),
  options: ServerOptions = {},
): Promise<string> {
  const server = new WebSocketServer({
    server: http,
    ...options,
    handleProtocols: ([first]) => first ?? false,
  });
  server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  const port = await listen(http);
  context.after(() => {
    server.close();
    for (const client of server.clients) client.terminate();
    http.close();
  });
  return `ws://127.0.0.1:${port}/`;
}

/** Resolves when a WebSocket closes, with its code, reason and error. */
async function ended(socket: WebSocket): Promise<{ code: number; reason: string; error: string }> {
  let error = "";
  socket.addEventListener("error", (event) => {
    error = isError(event) ? event.message : "?";
  });
  const [event] = await once(socket, "close");
  assert.ok(isClose(event));
  return { code: event.code, reason: event.reason, error };
}

function isError(event: unknown): event is ErrorEvent {
  return event instanceof Event && "message" in event;
}

function isClose(event: unknown): event is CloseEvent {
  return event instanceof Event && "wasClean" in event;
}

describe("WebSocket", () => {
  test("sends and receives text and binary messages of all sizes", async (context) => {
    const socket = new WebSocket(await echo(context));
    assert.equal(socket.readyState, WebSocket.CONNECTING);
    await once(socket, "open");
    assert.equal(socket.readyState, WebSocket.OPEN);
    for (const length of [0, 1, 125, 126, 65_535, 65_536, 300_000]) {
      const text = "é".repeat(length);
      const answered = once(socket, "message");
      socket.send(text);
      assert.equal((await answered)[0].data, text);
      for (const type of ["arraybuffer", "nodebuffer"] as const) {
        socket.binaryType = type;
        const bytes = Buffer.alloc(length, 7);
        const back = once(socket, "message");
        socket.send(bytes);
        const [{ data }] = await back;
        assert.equal(data instanceof ArrayBuffer, type === "arraybuffer");
        assert.ok(Buffer.from(data).equals(bytes));
      }
    }
    const end = ended(socket);
    socket.close(3000, "bye");
    assert.equal(socket.readyState, WebSocket.CLOSING);
    assert.deepEqual(await end, { code: 3000, reason: "bye", error: "" });
    assert.equal(socket.readyState, WebSocket.CLOSED);
  });

  test("supports handlers as properties, like browsers", async (context) => {
    const socket = new WebSocket(await echo(context));
    const log: string[] = [];
    await new Promise<void>((resolve) => {
      socket.onopen = function (this: unknown) {
        log.push(this === socket ? "open" : "?");
        socket.send("x");
      };
      socket.onmessage = ({ data }) => {
        log.push(data);
        socket.close();
      };
      socket.onclose = () => resolve();
    });
    assert.deepEqual(log, ["open", "x"]);
  });

  test("RFC 6455 §10.6 connects over TLS, with a subprotocol and header fields", async (context) => {
    const https = createSecureServer(CERTIFICATE);
    const seen: unknown[] = [];
    https.on("upgrade", ({ headers }) => seen.push(headers["x-name"]));
    const url = (await echo(context, https)).replace("ws:", "wss:");
    const options = { rejectUnauthorized: false, headers: { "X-Name": "ada" } };
    const socket = new WebSocket(url, ["chat", "other"], options);
    await once(socket, "open");
    assert.equal(socket.protocol, "chat");
    assert.deepEqual(seen, ["ada"]);
    socket.close();
    await once(socket, "close");
    const refused = await ended(new WebSocket(url));
    assert.match(refused.error, /certificate/);
  });

  for (const [does, answer, error] of [
    ["another status", () => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", /status 403/],
    ["a redirect", () => "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", /status 302/],
    [
      "an invalid Sec-WebSocket-Accept",
      () => SWITCH("dGhlIHNhbXBsZSBub25jZQ=="),
      /Sec-WebSocket-Accept header does not match/,
    ],
    [
      "a subprotocol that was not offered",
      (key: string) => SWITCH(key, "Sec-WebSocket-Protocol: x\r\n"),
      /subprotocol/,
    ],
    [
      "an extension that was not offered",
      (key: string) => SWITCH(key, "Sec-WebSocket-Extensions: permessage-fold\r\n"),
      /extension/,
    ],
    ["data that is not HTTP", () => "SSH-2.0-OpenSSH\r\n", /Parse Error|HPE/i],
  ] as const) {
    test(`fails the connection if the server answers with ${does}`, async (context) => {
      const { code, error: message } = await ended(new WebSocket(await byHand(context, answer)));
      assert.equal(code, 1006);
      assert.match(message, error);
    });
  }

  test("fails the connection if the server does not answer within handshakeTimeout", async (context) => {
    const url = await byHand(context, () => undefined);
    const { error } = await ended(new WebSocket(url, [], { handshakeTimeout: 50 }));
    assert.match(error, /timed out/);
  });

  test("fails the connection if no server listens", async () => {
    const http = createServer();
    const port = await listen(http);
    http.close();
    await once(http, "close");
    const { code, error } = await ended(new WebSocket(`ws://127.0.0.1:${port}`));
    assert.equal(code, 1006);
    assert.match(error, /ECONNREFUSED/);
  });

  for (const [does, bytes, error] of [
    ["a masked frame", frame(1, "x", { key: Uint8Array.of(1, 2, 3, 4) }), /mask/i],
    ["text that is not UTF-8", frame(1, Uint8Array.of(0xff)), /UTF-8/],
    ["a message that is too long", frame(2, new Uint8Array(200)), /./],
  ] as const) {
    test(`${does} fails the connection`, async (context) => {
      const url = await byHand(context, SWITCH, (socket) => socket.write(bytes));
      const outcome = await ended(new WebSocket(url, [], { maxPayload: 100 }));
      assert.match(outcome.error, error);
    });
  }

  test("receives a frame in the same packet as the handshake response, and masks its pongs", async (context) => {
    const heard: Buffer[] = [];
    const url = await byHand(context, SWITCH, (socket) => {
      socket.write(Buffer.concat([frame(1, "at once"), frame(9, "p")]));
      socket.on("data", (chunk) => {
        heard.push(chunk);
        socket.end(frame(8, ""));
      });
    });
    const socket = new WebSocket(url);
    const [{ data }] = await once(socket, "message");
    assert.equal(data, "at once");
    await ended(socket);
    const [pong] = heard;
    assert.deepEqual([...(pong?.subarray(0, 2) ?? [])], [0x8a, 0x81]);
  });

  test("RFC 6455 §5.3, §10.3 masks each frame with a key that cannot be predicted", async (context) => {
    const FRAMES = 200;
    const received: Buffer[] = [];
    const url = await byHand(context, SWITCH, (tcp) =>
      tcp.on("data", (chunk) => received.push(chunk)),
    );
    const socket = new WebSocket(url, [], { perMessageDeflate: false });
    await once(socket, "open");
    for (let i = 0; i < FRAMES; i++) socket.send("x");
    // The frame of a one-byte message has seven bytes: two of header, four of key, and the payload.
    await until(() => Buffer.concat(received).length === 7 * FRAMES);
    const keys = Array.from({ length: FRAMES }, (_, i) =>
      Buffer.concat(received).subarray(7 * i + 2, 7 * i + 6),
    );
    assert.equal(new Set(keys.map((key) => key.toString("hex"))).size, FRAMES);
    for (let at = 0; at < 4; at++) {
      // 200 random bytes have about 139 different values. The differences between consecutive bytes have about as many
      // different values.
      const values = keys.map((key) => key[at] ?? 0);
      assert.ok(new Set(values).size > 80);
      const differences = values.map((value, i) => (value - (values[i - 1] ?? 0)) & 0xff);
      assert.ok(new Set(differences).size > 80);
    }
    socket.close();
  });

  test("RFC 6455 §9.1 uses no extension that the server has not accepted", async (context) => {
    const received = new PassThrough();
    const url = await byHand(context, SWITCH, (tcp) => tcp.pipe(received));
    const socket = new WebSocket(url, [], { perMessageDeflate: { threshold: 0 } });
    await once(socket, "open");
    assert.equal(socket.extensions, "");
    socket.send("compressible ".repeat(50));
    const [chunk] = await once(received, "data");
    // The byte has FIN and the text opcode, but not RSV1: the message is not compressed.
    assert.equal(chunk[0], 0x81);
    socket.close();
  });

  test("RFC 6455 §7.1.1 closes with 1006 after 30 seconds if the server does not end TCP", async (context) => {
    const clock = new Clock(context);
    let asked = false;
    const url = await byHand(context, SWITCH, (tcp) => {
      tcp.once("data", () => {
        asked = true;
      });
    });
    const socket = new WebSocket(url);
    await once(socket, "open");
    const end = ended(socket);
    socket.close(1000);
    await until(() => asked);
    clock.tick(29_999);
    await turn();
    assert.equal(socket.readyState, WebSocket.CLOSING);
    clock.tick(1);
    assert.equal((await end).code, 1006);
  });

  // RFC 6455 §3.
  test("the constructor, send() and close() throw for invalid arguments", async (context) => {
    const name = "SyntaxError";
    for (const [url, message] of [
      ["nothing", '"nothing" is not a valid URL'],
      ["ftp://x/", 'the scheme of "ftp://x/" must be ws, wss, http or https'],
      ["ws://x/#fragment", 'the URL must have no fragment, got "ws://x/#fragment"'],
    ] as const) {
      assert.throws(() => new WebSocket(url), { name, message });
    }
    for (const protocols of [["a", "a"], "not a token"]) {
      const message = "each subprotocol must be a token and occur only once";
      assert.throws(() => new WebSocket("ws://127.0.0.1:1", protocols), { name, message });
    }
    const socket = new WebSocket(await echo(context));
    const message = "the WebSocket is not open yet";
    assert.throws(() => socket.send("early"), { name: "InvalidStateError", message });
    assert.throws(() => socket.close(1001), { name: "InvalidAccessError" });
    assert.throws(() => socket.close(1000, "x".repeat(124)), { name: "SyntaxError" });
    const end = ended(socket);
    socket.close();
    assert.match((await end).error, /closed before it was open/);
    socket.send("late");
    socket.close();
  });

  test("RFC 7692 §5.1 offers permessage-deflate unless the option is false", async (context) => {
    const OFFERS = [
      [undefined, "permessage-deflate; client_max_window_bits"],
      [true, "permessage-deflate; client_max_window_bits"],
      [{}, "permessage-deflate; client_max_window_bits"],
      [
        { serverNoContextTakeover: true },
        "permessage-deflate; server_no_context_takeover; client_max_window_bits",
      ],
      [false, undefined],
    ] as const;
    for (const [perMessageDeflate, offer] of OFFERS) {
      const http = createServer();
      const url = await echo(context, http);
      const asked = once(http, "upgrade");
      const socket = new WebSocket(
        url,
        [],
        perMessageDeflate === undefined ? {} : { perMessageDeflate },
      );
      const [{ headers }] = await asked;
      assert.equal(headers["sec-websocket-extensions"], offer);
      socket.close();
    }
  });

  test("is CLOSING from the server's close frame until TCP ends", async (context) => {
    const url = await byHand(context, SWITCH, (tcp) => {
      tcp.write(frame(8, Uint8Array.of(3, 232)));
      tcp.once("data", () => {
        assert.equal(socket.readyState, WebSocket.CLOSING);
        tcp.end();
      });
    });
    const socket = new WebSocket(url);
    assert.equal((await ended(socket)).code, 1000);
    assert.equal(socket.readyState, WebSocket.CLOSED);
  });

  test("emits no message after close()", async (context) => {
    const url = await byHand(context, SWITCH, (tcp) => {
      tcp.once("data", () =>
        tcp.end(Buffer.concat([frame(1, "late"), frame(8, Uint8Array.of(3, 232))])),
      );
    });
    const socket = new WebSocket(url);
    socket.onmessage = () => assert.fail("a message was emitted");
    await once(socket, "open");
    socket.close();
    assert.deepEqual(await ended(socket), { code: 1000, reason: "", error: "" });
  });

  test("keeps the process alive while it is open, unless autoUnref is true", async (context) => {
    const answers = await echo(context);
    const silent = await byHand(context, SWITCH);
    const program = `
      import { WebSocket } from "./websocket.ts";
      const [, url, autoUnref] = process.argv;
      const socket = new WebSocket(url, [], { autoUnref: autoUnref === "true" });
      socket.onopen = () => {
        console.log("open");
        socket.send("hello");
      };
      socket.onmessage = () => socket.close();
      socket.onclose = () => console.log("closed");`;
    for (const [autoUnref, url, printed] of [
      ["false", answers, "open\nclosed\n"],
      ["true", silent, "open\n"],
    ] as const) {
      const { signal } = context;
      const { stdout } = await runText(program, [url, autoUnref], { signal });
      assert.equal(stdout, printed);
    }
  });

  test("has constants and `extensions`, sends and receives Blobs, as in browsers", async (context) => {
    const socket = new WebSocket(await echo(context, createServer(), { perMessageDeflate: true }));
    assert.deepEqual([socket.binaryType, socket.extensions, socket.protocol], ["blob", "", ""]);
    await once(socket, "open");
    assert.deepEqual([socket.readyState, socket.OPEN, WebSocket.OPEN], [1, 1, 1]);
    assert.match(socket.extensions, /^permessage-deflate/);
    const got: unknown[] = [];
    const all = new Promise<void>((resolve) => {
      socket.onmessage = ({ data, origin }) => {
        assert.equal(origin, new URL(socket.url).origin);
        if (got.push(data) === 3) resolve();
      };
    });
    // Messages that are sent after a Blob must not overtake it.
    socket.send(new Blob(["from ", "a Blob"]));
    socket.send("behind it");
    socket.send(new DataView(new ArrayBuffer(3), 1));
    assert.ok(socket.bufferedAmount > 0);
    await all;
    const [first, second, third] = got;
    assert.ok(first instanceof Blob && third instanceof Blob);
    assert.deepEqual([await first.text(), second, third.size], ["from a Blob", "behind it", 2]);
    socket.close();
    assert.deepEqual(await ended(socket), { code: 1005, reason: "", error: "" });
  });

  test("without compression, messages wait for a Blob that was sent before them", async (context) => {
    const socket = new WebSocket(await echo(context), [], { perMessageDeflate: false });
    socket.binaryType = "nodebuffer";
    await once(socket, "open");
    const got: string[] = [];
    socket.onmessage = ({ data }) => void got.push(`${data}`);
    socket.send(new Blob(["Blob"]));
    socket.send("text");
    socket.send(Buffer.from("bytes"));
    await until(() => got.length === 3);
    assert.deepEqual(got, ["Blob", "text", "bytes"]);
    socket.close();
  });

  test("a Blob is compressed like other messages", async (context) => {
    const received = new PassThrough();
    const answer = (key: string): string =>
      SWITCH(key, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    const socket = new WebSocket(await byHand(context, answer, (tcp) => tcp.pipe(received)));
    await once(socket, "open");
    socket.send(new Blob(["compressible ".repeat(500)]));
    const [chunk] = await once(received, "data");
    // The byte has FIN, RSV1 and the binary opcode.
    assert.equal(chunk[0], 0xc2);
    socket.close();
  });

  test("a Blob that cannot be read ends the connection with an error", async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "barewire-"));
    context.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "file");
    writeFileSync(file, "content");
    const blob = await openAsBlob(file);
    const socket = new WebSocket(await echo(context));
    await once(socket, "open");
    // The Blob refers to the content that the file had when it was opened.
    writeFileSync(file, "other content");
    socket.send(blob);
    const { code, error } = await ended(socket);
    assert.equal(code, 1006);
    assert.notEqual(error, "");
  });

  test('data of the type "nodebuffer" has memory of its own', async (context) => {
    const url = await byHand(context, SWITCH, (tcp) => tcp.write(frame(2, Uint8Array.of(1, 2, 3))));
    const socket = new WebSocket(url);
    socket.binaryType = "nodebuffer";
    const [{ data }] = await once(socket, "message");
    assert.deepEqual([data.byteOffset, data.buffer.byteLength], [0, 3]);
    socket.close();
  });

  for (const [does, theirs, ours] of [
    [
      "without context takeover",
      { serverNoContextTakeover: true, clientNoContextTakeover: true },
      true,
    ],
    ["with small windows", { serverMaxWindowBits: 9, clientMaxWindowBits: 10 }, true],
    ["with a threshold", {}, { threshold: 1, zlibDeflateOptions: { level: 9 } }],
    [
      "with parameters that only the client requests",
      {},
      { clientNoContextTakeover: true, serverMaxWindowBits: 10 },
    ],
  ] as const) {
    test(`permessage-deflate ${does}: sends and receives messages of all sizes (seed ${seed})`, async (context) => {
      const perMessageDeflate = { threshold: 0, ...theirs };
      const url = await echo(context, createServer(), { perMessageDeflate });
      const socket = new WebSocket(url, [], { perMessageDeflate: ours });
      socket.binaryType = "nodebuffer";
      await once(socket, "open");
      const random = new Random(seed);
      for (const length of [0, 1, 500, 2000, 70_000, 300_000]) {
        const bytes = Buffer.from(random.bytes(length));
        for (const data of ["é".repeat(length), bytes]) {
          const back = once(socket, "message");
          socket.send(data);
          assert.deepEqual((await back)[0].data, data);
        }
      }
      const end = ended(socket);
      socket.send("x".repeat(5000));
      socket.close(1000, "behind it");
      assert.deepEqual(await end, { code: 1000, reason: "behind it", error: "" });
    });
  }

  test("permessage-deflate: a message that cannot be inflated, or becomes too long, fails the connection", async (context) => {
    const compressed = (payload: Uint8Array): Uint8Array => frame(2, payload, { rsv: 4 });
    for (const [bytes, error] of [
      [compressed(Uint8Array.of(0xff, 0xff)), /deflate|inflate/i],
      [compressed(deflateRawSync(Buffer.alloc(5000))), /larger|big|long/i],
    ] as const) {
      const extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
      const url = await byHand(
        context,
        (key) => SWITCH(key, extension),
        (socket) => socket.write(bytes),
      );
      assert.match((await ended(new WebSocket(url, [], { maxPayload: 1000 }))).error, error);
    }
  });

  test("permessage-deflate: many small messages in one chunk do not block the event loop", async (context) => {
    const small = deflateRawSync("small", { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
    const message = frame(1, small, { rsv: 4 });
    const url = await byHand(
      context,
      (key) => SWITCH(key, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
      (socket) => socket.write(Buffer.concat(new Array<Uint8Array>(1000).fill(message))),
    );
    const socket = new WebSocket(url);
    let count = 0;
    const turns = new Set<number>();
    socket.onmessage = () => {
      if (count++ === 0) setImmediate(() => turns.add(count));
    };
    await until(() => count === 1000);
    const [turn = count] = turns;
    assert.ok(turn <= 100, `${turn} messages in one turn of the event loop`);
  });

  test("RFC 6455 §7.1.1 disconnects after 30 seconds from a server that does not answer the close frame", async (context) => {
    const clock = new Clock(context);
    const server = new EventEmitter();
    let isClosed = false;
    const url = await byHand(context, SWITCH, (tcp) => {
      tcp.once("data", () => server.emit("close frame"));
      tcp.on("close", () => {
        isClosed = true;
      });
    });
    const socket = new WebSocket(url);
    const closed = once(socket, "close");
    await once(socket, "open");
    const received = once(server, "close frame");
    socket.close(1000);
    await received;
    clock.tick(29_999);
    await turn();
    assert.equal(isClosed, false);
    clock.tick(1);
    const [event] = await closed;
    assert.ok(isClose(event));
    assert.deepEqual([event.code, event.wasClean], [1006, false]);
  });

  test("follows redirections with followRedirects, and sends no credentials to another host", async (context) => {
    const seen: unknown[] = [];
    const target = createServer();
    target.on("upgrade", ({ headers, url }) => {
      seen.push([url, headers.authorization, headers.cookie, headers["x-more"]]);
    });
    const end = await echo(context, target);
    const first = createServer((request, response) => {
      const here = request.url === "/1" ? "/2" : `${end}there`;
      seen.push([request.url, request.headers.authorization]);
      response.writeHead(307, { Location: here }).end();
    });
    const port = await listen(first);
    context.after(() => first.close());
    const headers = { Authorization: "secret", Cookie: "a=b", "X-More": "yes" };
    const options = { followRedirects: true, headers };
    const socket = new WebSocket(`ws://127.0.0.1:${port}/1`, [], options);
    await once(socket, "open");
    assert.deepEqual(seen, [
      ["/1", "secret"],
      ["/2", "secret"],
      ["/there", undefined, undefined, "yes"],
    ]);
    socket.close();
    await once(socket, "close");
    const loop = createServer((_, response) => response.writeHead(302, { Location: "/" }).end());
    const loopPort = await listen(loop);
    context.after(() => loop.close());
    const lost = new WebSocket(`ws://127.0.0.1:${loopPort}/`, [], { followRedirects: true });
    assert.match((await ended(lost)).error, /too many redirections/);
  });

  test("sends the option auth to the first host, and not to another host after a redirection", async (context) => {
    const seen: unknown[] = [];
    const target = createServer();
    target.on("upgrade", ({ headers }) => seen.push(headers.authorization));
    const end = await echo(context, target);
    const first = createServer(({ headers }, response) => {
      seen.push(headers.authorization);
      response.writeHead(307, { Location: end }).end();
    });
    const port = await listen(first);
    context.after(() => first.close());
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;
    for (const [userinfo, headers, sent] of [
      ["", {}, basic("us\u00e9r:pass")],
      ["other:secret@", {}, basic("other:secret")],
      ["", { authorization: "Bearer abc" }, "Bearer abc"],
    ] as const) {
      const options = { auth: "us\u00e9r:pass", followRedirects: true, headers };
      const socket = new WebSocket(`ws://${userinfo}127.0.0.1:${port}/`, [], options);
      socket.onopen = () => socket.close();
      await ended(socket);
      assert.deepEqual(seen.splice(0), [sent, undefined]);
    }
  });

  test("follows ten redirections, and not an eleventh", async (context) => {
    const end = await echo(context);
    let left = 0;
    const first = createServer((_, response) => {
      response.writeHead(302, { Location: --left > 0 ? "/" : end }).end();
    });
    const port = await listen(first);
    context.after(() => first.close());
    for (const [redirections, error] of [
      [10, ""],
      [11, "too many redirections"],
    ] as const) {
      left = redirections;
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`, [], { followRedirects: true });
      socket.onopen = () => socket.close();
      assert.equal((await ended(socket)).error, error);
    }
  });

  test("follows redirections to TLS, also with the scheme https", async (context) => {
    const end = await echo(context, createSecureServer(CERTIFICATE));
    for (const scheme of ["wss:", "https:"]) {
      const first = createServer((_, response) => {
        response.writeHead(302, { Location: end.replace("ws:", scheme) }).end();
      });
      const port = await listen(first);
      context.after(() => first.close());
      const options = { followRedirects: true, rejectUnauthorized: false };
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`, [], options);
      socket.onopen = () => socket.close();
      assert.equal((await ended(socket)).error, "");
    }
  });

  test("reports the handshake's error even if destroying the program's stream fails", async (context) => {
    const uncaught = gatherUncaught(context);
    const stream = new Duplex({
      read: () => {},
      write: (_chunk, _encoding, done) => {
        stream.push(SWITCH("another key"));
        done();
      },
      destroy: (_error, done) => done(new Error("cannot be destroyed")),
    });
    const socket = new WebSocket("ws://localhost/", [], { createConnection: () => stream });
    assert.match((await ended(socket)).error, /Sec-WebSocket-Accept/);
    await turn();
    assert.deepEqual(uncaught, []);
  });

  test("connects through a proxy with an agent of the program", async (context) => {
    const asked: unknown[] = [];
    const proxy = createServer();
    proxy.on("connect", (request, client) => {
      asked.push(request.url);
      const [host, port] = `${request.url}`.split(":");
      const upstream = connect(Number(port), host, () => {
        client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
        upstream.pipe(client).pipe(upstream);
      });
      client.on("error", () => upstream.destroy());
      upstream.on("error", () => client.destroy());
    });
    const port = await listen(proxy);
    context.after(() => proxy.close());
    const https = createSecureServer(CERTIFICATE);
    for (const url of [await echo(context), (await echo(context, https)).replace("ws:", "wss:")]) {
      const agent = new HttpsProxyAgent(`http://127.0.0.1:${port}`);
      const socket = new WebSocket(url, [], { agent, rejectUnauthorized: false });
      await once(socket, "open");
      const back = once(socket, "message");
      socket.send("through");
      assert.equal((await back)[0].data, "through");
      socket.close();
      await once(socket, "close");
      assert.equal(asked.pop(), new URL(url).host);
    }
  });
});
