// Tests WebSocketStream as the WHATWG proposes it, with the server of barewire, the server of `ws`, and a handwritten
// server.

import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { createServer } from "node:http";
import type { Socket as TcpSocket } from "node:net";
import { getDefaultHighWaterMark } from "node:stream";
import { type ReadableStreamDefaultReader, WritableStream } from "node:stream/web";
import { describe, type TestContext, test } from "node:test";
import { runInNewContext } from "node:vm";

import { WebSocketServer as StockServer } from "ws";
import { errorOfClose } from "../../../lib/websocket/error.ts";
import {
  type WebSocketConnection,
  WebSocketError,
  type WebSocketServerOptions,
  WebSocketStream,
} from "../../../websocket.ts";
import { byHand, SWITCH } from "../../support/by-hand.ts";
import { frame } from "../../support/frame.ts";
import { listen, reset, turn } from "../../support/net.ts";
import { connection, serveWebSocket } from "../../support/web-socket-server.ts";

const MESSAGE = 16 * 1024;
const TOTAL = 20 * 1024 * 1024;

/** Connects a WebSocketStream. Resolves to the WebSocketStream and the server's end of the connection. */
async function connected(
  context: TestContext,
  options: Omit<WebSocketServerOptions, "server" | "port" | "noServer"> = {},
) {
  const { server, port } = await serveWebSocket(context, options);
  const accepted = connection(server);
  const webSocket = new WebSocketStream(`ws://127.0.0.1:${port}/path`, { protocols: ["chat"] });
  const streams = await webSocket.opened;
  const peer = await accepted;
  const closed = new Promise<readonly [number, string]>((resolve) =>
    peer.once("close", (code, reason) => resolve([code, reason])),
  );
  return { webSocket, ...streams, peer, closed };
}

/** Reads a stream to its end. Resolves to its chunks. */
async function rest(reader: ReadableStreamDefaultReader<unknown>): Promise<unknown[]> {
  const chunks: unknown[] = [];
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
  }
  return chunks;
}

function isWebSocketError(closeCode: number | null, reason = ""): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof WebSocketError && error instanceof DOMException, `${error}`);
    assert.deepEqual(
      [error.name, error.closeCode, error.reason],
      ["WebSocketError", closeCode, reason],
    );
    return true;
  };
}

describe("WebSocketStream", () => {
  test("has url, opened and closed, and receives text as strings and binary messages as Uint8Arrays", async (context) => {
    const { webSocket, readable, writable, extensions, protocol, peer, closed } =
      await connected(context);
    assert.match(webSocket.url, /^ws:\/\/127\.0\.0\.1:\d+\/path$/);
    assert.deepEqual([extensions, protocol], ["", "chat"]);
    const received: unknown[] = [];
    peer.on("message", (data) => {
      received.push(typeof data === "string" ? data : [...data]);
      peer.send(data);
    });
    const writer = writable.getWriter();
    const reader = readable.getReader();
    await writer.write("é");
    await writer.write(Uint8Array.of(1, 2).buffer);
    await writer.write(new DataView(Uint8Array.of(1, 2, 3).buffer, 1));
    await writer.write(runInNewContext("Uint8Array.of(4).buffer"));
    const echoes: unknown[] = [];
    while (echoes.length < 4) echoes.push((await reader.read()).value);
    assert.deepEqual(received, ["é", [1, 2], [2, 3], [4]]);
    assert.deepEqual(echoes, ["é", Uint8Array.of(1, 2), Uint8Array.of(2, 3), Uint8Array.of(4)]);
    webSocket.close({ closeCode: 3000, reason: "bye" });
    assert.deepEqual(await webSocket.closed, { closeCode: 3000, reason: "" });
    assert.deepEqual(await closed, [3000, "bye"]);
    assert.deepEqual(await rest(reader), []);
    await assert.rejects(writer.write("late"), {
      name: "InvalidStateError",
      message: "the WebSocket is closed",
    });
  });

  for (const maker of ["barewire", "ws"]) {
    test(`buffers only a small part of a 20 MB echo while the reader is slow: ${maker} server`, async (context) => {
      const http = createServer();
      const port = await listen(http);
      context.after(() => http.close());
      const server = new StockServer({ noServer: true });
      let url = `ws://127.0.0.1:${port}/`;
      const peers: WebSocketConnection[] = [];
      if (maker === "ws") {
        http.on("upgrade", (request, socket, head) =>
          server.handleUpgrade(request, socket, head, (peer) => {
            peer.on("message", (data) => {
              peer.pause();
              peer.send(data, () => peer.resume());
            });
          }),
        );
      } else {
        const ours = await serveWebSocket(context);
        url = `ws://127.0.0.1:${ours.port}/`;
        ours.server.on("connection", (peer) => {
          peers.push(peer);
          peer.on("message", (data) => {
            if (!peer.send(data)) peer.pause();
          });
          peer.on("drain", () => peer.resume());
        });
      }
      const webSocket = new WebSocketStream(url, { perMessageDeflate: false });
      const { readable, writable } = await webSocket.opened;
      const writing = (async () => {
        const writer = writable.getWriter();
        for (let written = 0; written < TOTAL; written += MESSAGE) {
          await writer.write(new Uint8Array(MESSAGE));
        }
      })();
      let received = 0;
      let most = 0;
      for await (const chunk of readable) {
        assert.ok(chunk instanceof Uint8Array);
        received += chunk.length;
        for (const peer of peers) most = Math.max(most, peer.bufferedAmount);
        if (received === TOTAL) break;
        await turn();
      }
      await writing;
      assert.equal(received, TOTAL);
      // The limit is the high-water mark of the socket, plus two messages and their frame headers.
      const bound = getDefaultHighWaterMark(false) + 2 * (MESSAGE + 4);
      assert.ok(most <= bound, `${most} bytes`);
    });
  }

  test("does not read the peer's close frame while earlier messages are unread", async (context) => {
    for (const length of [1, 100]) {
      const { readable, peer, closed } = await connected(context);
      let answered = false;
      void closed.then(() => {
        answered = true;
      });
      const texts = Array.from({ length }, (_, i) => `${i}`);
      for (const text of texts) peer.send(text);
      // A close frame from the client would show that the client has read all earlier messages.
      peer.close(1000);
      for (let i = 0; i < 100; i++) await turn();
      assert.equal(answered, false);
      assert.deepEqual(await rest(readable.getReader()), texts);
      assert.deepEqual(await closed, [1000, ""]);
    }
  });

  describe("closed", () => {
    const cases: readonly (readonly [
      string,
      (peer: WebSocketConnection) => void,
      number,
      string,
    ])[] = [
      ["1000", (peer) => peer.close(1000), 1000, ""],
      ["no code", (peer) => peer.close(), 1005, ""],
      ["4000 and a reason", (peer) => peer.close(4000, "over"), 4000, "over"],
    ];
    for (const [does, end, closeCode, reason] of cases) {
      test(`is fulfilled when the server closes with ${does}`, async (context) => {
        const { webSocket, readable, writable, peer } = await connected(context);
        peer.send("last");
        end(peer);
        assert.deepEqual(await rest(readable.getReader()), ["last"]);
        assert.deepEqual(await webSocket.closed, { closeCode, reason });
        await assert.rejects(writable.getWriter().closed, { name: "InvalidStateError" });
      });
    }

    for (const [does, bytes] of [
      ["sends a reserved opcode", frame(3, "?")],
      ["ends TCP without a close frame", undefined],
    ] as const) {
      test(`is rejected when the server ${does}, and both streams fail`, async (context) => {
        const url = await byHand(context, SWITCH, (tcp) => {
          if (bytes === undefined) tcp.end();
          else tcp.write(bytes);
        });
        const webSocket = new WebSocketStream(url);
        const { readable, writable } = await webSocket.opened;
        const failed = isWebSocketError(1006);
        await assert.rejects(webSocket.closed, failed);
        await assert.rejects(rest(readable.getReader()), failed);
        await assert.rejects(writable.getWriter().write("late"), failed);
      });
    }
  });

  for (const [does, messages] of [
    ["one unread message", ["a"]],
    ["two unread messages", ["a", "b"]],
  ] as const) {
    test(`delivers ${does} before the error of a lost connection`, async (context) => {
      let peer: TcpSocket | undefined;
      const url = await byHand(context, SWITCH, (tcp) => {
        peer = tcp;
        tcp.write(Buffer.concat(["first", ...messages].map((text) => frame(1, text))));
      });
      const webSocket = new WebSocketStream(url);
      const { readable, writable } = await webSocket.opened;
      const reader = readable.getReader();
      const writer = writable.getWriter();
      assert.deepEqual(await reader.read(), { value: "first", done: false });
      // In the next iteration of the event loop, the client has received the second message, and has stopped reading.
      await turn();
      assert.ok(peer !== undefined);
      reset(peer);
      const failed = isWebSocketError(1006);
      await assert.rejects(async () => {
        for (let n = 0; n < 10_000; n++) {
          await writer.write("lost");
          await turn();
        }
      }, failed);
      await assert.rejects(webSocket.closed, failed);
      for (const value of messages) {
        assert.deepEqual(await reader.read(), { value, done: false });
      }
      // A read that waits for ever loses the race.
      const next = reader.read().catch((error: unknown) => error);
      assert.ok(failed(await Promise.race([next, turn()])));
    });
  }

  test("receives many pings while no write is pending", async (context) => {
    const url = await byHand(context, SWITCH, (tcp) => {
      // The pongs exceed the high-water mark of the client's socket. When the server has received pongs, this socket has
      // drained.
      tcp.write(Buffer.alloc(60_000, frame(9)));
      tcp.once("data", () => tcp.write(frame(1, "last")));
    });
    const { readable } = await new WebSocketStream(url).opened;
    assert.equal((await readable.getReader().read()).value, "last");
  });

  test("a write during the closing handshake is rejected even if many pongs are sent in the meantime", async (context) => {
    const url = await byHand(context, SWITCH, (tcp) => {
      // The client answers these pings and the close frame in one turn of the event loop, in which it also writes "late".
      const pings = Buffer.alloc(60_000, frame(9));
      tcp.write(Buffer.concat([pings, frame(1, "now"), frame(8, Uint8Array.of(3, 0xe8))]));
      tcp.once("data", () => tcp.end());
    });
    const webSocket = new WebSocketStream(url);
    const { readable, writable } = await webSocket.opened;
    assert.equal((await readable.getReader().read()).value, "now");
    const write = writable.getWriter().write("late");
    await assert.rejects(write, { name: "InvalidStateError", message: "the WebSocket is closed" });
    assert.deepEqual(await webSocket.closed, { closeCode: 1000, reason: "" });
  });

  test("a write during the closing handshake is rejected when the WebSocket is closed", async (context) => {
    let peer: TcpSocket | undefined;
    const url = await byHand(context, SWITCH, (tcp) => {
      peer = tcp;
    });
    const webSocket = new WebSocketStream(url);
    const { writable } = await webSocket.opened;
    assert.ok(peer !== undefined);
    const answer = once(peer, "data");
    peer.write(frame(8, Uint8Array.of(3, 0xe8)));
    await answer;
    const write = writable.getWriter().write("late");
    // The write reaches the WebSocket before the end of TCP.
    await turn();
    peer.end();
    await assert.rejects(write, { name: "InvalidStateError", message: "the WebSocket is closed" });
    assert.deepEqual(await webSocket.closed, { closeCode: 1000, reason: "" });
  });

  describe("closing by the caller", () => {
    type Connected = Awaited<ReturnType<typeof connected>>;
    const cases: readonly (readonly [string, (ours: Connected) => unknown, number, string])[] = [
      ["close()", ({ webSocket }) => webSocket.close(), 1005, ""],
      ["close() with a reason", ({ webSocket }) => webSocket.close({ reason: "x" }), 1000, "x"],
      ["writer.close()", ({ writable }) => writable.getWriter().close(), 1005, ""],
      ["abort()", ({ writable }) => writable.abort(new Error("no matter")), 1005, ""],
      [
        "abort() with a WebSocketError",
        ({ writable }) =>
          writable.abort(new WebSocketError("", { closeCode: 4001, reason: "why" })),
        4001,
        "why",
      ],
      ["cancel()", ({ readable }) => readable.cancel(), 1005, ""],
      [
        "cancel() before sent messages are received",
        ({ peer, readable }) => {
          for (const text of ["a", "b"]) peer.send(text);
          return readable.cancel();
        },
        1005,
        "",
      ],
      [
        "cancel() with a WebSocketError",
        ({ readable }) => readable.cancel(new WebSocketError("", { reason: "why" })),
        1000,
        "why",
      ],
    ];
    for (const [does, end, code, reason] of cases) {
      test(`${does}: the server receives code ${code}`, async (context) => {
        const ours = await connected(context);
        await end(ours);
        assert.deepEqual(await ours.closed, [code, reason]);
        assert.deepEqual(await ours.webSocket.closed, { closeCode: code, reason: "" });
      });
    }

    test("abort() while a write is pending closes the connection with the code in its error", async (context) => {
      const { writable, peer, closed } = await connected(context);
      peer.pause();
      const writer = writable.getWriter();
      let waits = false;
      // Write until the kernel's buffers are full.
      while (!waits) {
        waits = true;
        const write = writer.write(new Uint8Array(1_000_000));
        write.then(
          () => {
            waits = false;
          },
          () => {},
        );
        for (let i = 0; i < 50 && waits; i++) await turn();
      }
      const aborted = writer.abort(new WebSocketError("", { closeCode: 4002 }));
      // abort() resolves although the server has not read the written data.
      await aborted;
      peer.resume();
      assert.deepEqual(await closed, [4002, ""]);
    });

    test("another WebSocketStream that fails while it is piped into the writable stream closes the WebSocket", async (context) => {
      const { writable, closed } = await connected(context);
      const url = await byHand(context, SWITCH, (tcp) => tcp.end());
      const other = await new WebSocketStream(url).opened;
      await assert.rejects(other.readable.pipeTo(writable), isWebSocketError(1006));
      assert.deepEqual(await closed, [1005, ""]);
    });
  });

  describe("while the WebSocket connects", () => {
    test("both promises are rejected if the server refuses the handshake", async (context) => {
      const url = await byHand(context, () => "HTTP/1.1 403 Forbidden\r\n\r\n");
      const { signal } = new AbortController();
      const webSocket = new WebSocketStream(url, { signal });
      await assert.rejects(webSocket.opened, /status 403/);
      await assert.rejects(webSocket.opened, isWebSocketError(1006));
      await assert.rejects(webSocket.closed, isWebSocketError(1006));
      // A program may use one signal for many attempts to connect, so no listener must remain.
      assert.deepEqual(getEventListeners(signal, "abort"), []);
    });

    test("close() rejects both promises", async (context) => {
      const webSocket = new WebSocketStream(await byHand(context, () => undefined));
      webSocket.close();
      await assert.rejects(webSocket.opened, isWebSocketError(1006));
      await assert.rejects(webSocket.closed, isWebSocketError(1006));
    });

    for (const when of ["before", "after"]) {
      test(`aborting the signal ${when} the constructor call rejects both promises with its reason`, async (context) => {
        const url = await byHand(context, () => undefined);
        const controller = new AbortController();
        const reason = new Error("no time");
        if (when === "before") controller.abort(reason);
        const webSocket = new WebSocketStream(url, { signal: controller.signal });
        controller.abort(reason);
        await assert.rejects(webSocket.opened, reason);
        await assert.rejects(webSocket.closed, reason);
      });
    }

    test("aborting the signal has no effect after the WebSocket has opened", async (context) => {
      const { server, port } = await serveWebSocket(context);
      server.on("connection", (peer) => peer.on("message", (data) => peer.send(data)));
      const controller = new AbortController();
      const { signal } = controller;
      const webSocket = new WebSocketStream(`ws://127.0.0.1:${port}/`, { signal });
      const { readable, writable } = await webSocket.opened;
      controller.abort();
      await writable.getWriter().write("still");
      assert.deepEqual((await readable.getReader().read()).value, "still");
      webSocket.close();
    });
  });

  test("throws for invalid URLs, options and close codes, and rejects invalid chunks", async (context) => {
    for (const [url, options, name, message = /./] of [
      ["nothing", {}, "SyntaxError"],
      ["ws://x/#", {}, "SyntaxError"],
      ["ws://x/", { protocols: ["a", "a"] }, "SyntaxError"],
      ["ws://x/", { signal: {} }, "TypeError", "signal must be an AbortSignal, got an object"],
      ["ws://x/", { protocol: 1 }, "TypeError"],
      ["ws://x/", { timeout: -1 }, "RangeError"],
    ] as const) {
      assert.throws(() => new WebSocketStream(url, Object(options)), { name, message });
    }
    const { webSocket, writable } = await connected(context);
    assert.throws(() => webSocket.close({ closeCode: 1001 }), { name: "InvalidAccessError" });
    assert.throws(() => webSocket.close({ reason: "x".repeat(124) }), { name: "SyntaxError" });
    await assert.rejects(writable.getWriter().write(Object(new Blob(["x"]))), {
      name: "TypeError",
      message: "a Blob cannot be written: write the result of its arrayBuffer()",
    });
  });

  test("pipeTo() writes all messages to another stream, and resolves after the close", async (context) => {
    const { readable, peer } = await connected(context);
    const chunks: unknown[] = [];
    const end = readable.pipeTo(new WritableStream({ write: (chunk) => void chunks.push(chunk) }));
    peer.send("a");
    peer.send("b");
    peer.close(1000);
    await end;
    assert.deepEqual(chunks, ["a", "b"]);
  });
});

describe("WebSocketError", () => {
  test("is constructed from a message and a dictionary", () => {
    const table: readonly (readonly [object, number | null, string])[] = [
      [{}, null, ""],
      [{ closeCode: 1000 }, 1000, ""],
      [{ closeCode: 4999, reason: "é" }, 4999, "é"],
      [{ reason: "x" }, 1000, "x"],
      [{ reason: "" }, null, ""],
    ];
    for (const [init, closeCode, reason] of table) {
      const error = new WebSocketError("why", init);
      assert.ok(isWebSocketError(closeCode, reason)(error));
      assert.equal(error.message, "why");
    }
    assert.throws(() => new WebSocketError("", { closeCode: 1006 }), {
      name: "InvalidAccessError",
    });
    assert.throws(() => new WebSocketError("", { reason: "x".repeat(124) }), {
      name: "SyntaxError",
    });
  });

  test("has the message, the close code and the reason of a WebSocket that was closed, and its cause if there is one", () => {
    const cause = new Error("broken");
    for (const [code, reason, error, message] of [
      [1006, "", undefined, "the WebSocket was closed with 1006"],
      [4000, "why", undefined, "the WebSocket was closed with 4000: why"],
      [1006, "", cause, "the WebSocket was closed with 1006: broken"],
    ] as const) {
      const made = errorOfClose(code, reason, error);
      assert.equal(made.message, message);
      assert.ok(isWebSocketError(code, reason)(made));
      assert.equal(Object.hasOwn(made, "cause"), error !== undefined);
      assert.equal(made.cause, error);
    }
    assert.equal(new WebSocketError().message, "");
  });
});
