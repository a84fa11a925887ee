// Tests each member of the client's interface: WHATWG "WebSockets" with the conversions of Web IDL, after the files
// in websockets/ of web-platform-tests. docs/websocket.md lists the tests for each of these files.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { Socket as TcpSocket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { deflateRawSync } from "node:zlib";

import { WebSocketServer } from "ws";

import { CloseEvent, type ErrorEvent, WebSocket } from "../../../lib/websocket/client.ts";
import { byHand, SWITCH } from "../../support/by-hand.ts";
import { frame } from "../../support/frame.ts";
import { listen, reset, until } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const TITLES = new Set<string>();

/** Declares a test that docs/websocket.md may name. */
function check(title: string, run: (context: TestContext) => void | Promise<void>): void {
  TITLES.add(title);
  test(title, run);
}

/** Starts an echo server of `ws`, which closes the connection after "Goodbye". Returns its URL without a path. */
async function echo(context: TestContext): Promise<string> {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  server.on("connection", (socket, { url, headers }) => {
    if (url === "/authorization") socket.send(`${headers.authorization}`);
    if (url?.startsWith("/query")) socket.send(url);
    socket.on("message", (data, isBinary) => {
      socket.send(data, { binary: isBinary });
      if (`${data}` === "Goodbye") socket.close(1000, "Goodbye");
    });
  });
  const port = await listen(http);
  context.after(() => {
    server.close();
    for (const client of server.clients) client.terminate();
    http.close();
  });
  return `ws://127.0.0.1:${port}`;
}

async function opened(context: TestContext): Promise<WebSocket> {
  const socket = new WebSocket(await echo(context));
  socket.binaryType = "arraybuffer";
  await once(socket, "open");
  context.after(() => socket.close());
  return socket;
}

/** Resolves to the types of the socket's events until its close event, and the close event. */
async function ending(socket: WebSocket): Promise<{ types: string[]; close: CloseEvent }> {
  const types: string[] = [];
  for (const type of ["open", "message", "error"]) {
    socket.addEventListener(type, () => types.push(type));
  }
  const [close] = await once(socket, "close");
  assert.ok(close instanceof CloseEvent);
  return { types: [...types, "close"], close };
}

/** Calls a method with arguments that the compiler rejects, as programs in JavaScript can. */
function call(target: object, name: string, ...args: unknown[]): unknown {
  const method: unknown = Reflect.get(target, name);
  assert.ok(typeof method === "function");
  return Reflect.apply(method, target, args);
}

function construct(...args: unknown[]): WebSocket {
  const made: unknown = Reflect.construct(WebSocket, args);
  assert.ok(made instanceof WebSocket);
  made.close();
  return made;
}

const CONSTANTS = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 };
const HANDLERS = ["onopen", "onmessage", "onerror", "onclose"] as const;

describe("WebSocket: the constructor", () => {
  check("the constructor throws a TypeError without arguments", () => {
    const message = "1 argument required, but 0 given";
    assert.throws(() => construct(), { name: "TypeError", message });
  });

  check("throws a SyntaxError for an invalid URL, another scheme or a URL with a fragment", () => {
    const invalid = ["ws://foo bar.com/", "wss://foo bar.com/", "/relative", "?", "", "null"];
    const others = ["ftp://localhost/", "mailto:a@example.org", "about:blank"];
    const fragments = ["#a", "ws://localhost/#", "ws://localhost/#a", "https://localhost/#"];
    for (const url of [...invalid, ...others, ...fragments, null, undefined, {}]) {
      assert.throws(() => construct(url), { name: "SyntaxError" }, `${url}`);
    }
  });

  check("url is the serialised URL", () => {
    // biome-ignore format: aligned table
    const URLS: readonly (readonly [unknown, string])[] = [
      ["ws://localhost",                  "ws://localhost/"],
      ["WS://LOCALHOST/A",                "ws://localhost/A"],
      ["ws:localhost:81/a",               "ws://localhost:81/a"],
      ["wss:/localhost/a",                "wss://localhost/a"],
      ["ws://localhost:80/",              "ws://localhost/"],
      ["wss://localhost:443/",            "wss://localhost/"],
      ["ws://localhost:443/",             "ws://localhost:443/"],
      ["http://localhost:81/a?b",         "ws://localhost:81/a?b"],
      ["https://localhost/",              "wss://localhost/"],
      ["ws://localhost/a?b%20c d",        "ws://localhost/a?b%20c%20d"],
      ["ws://localhost/?x\0y",            "ws://localhost/?x%00y"],
      ["ws://localhost/?å",               "ws://localhost/?%C3%A5"],
      [new URL("ws://localhost/a"),       "ws://localhost/a"],
      [{ toString: () => "ws://[::1]/" }, "ws://[::1]/"],
    ];
    for (const [given, url] of URLS) assert.equal(construct(given).url, url);
  });

  check("throws a SyntaxError for an invalid or repeated subprotocol", () => {
    const invalid = ["", "a b", "a,b", "a\0b", "é", "(", "a/b", '"a"'];
    for (const each of [...invalid, ["a", "a"], ["a", "A"], ["a", ""], ["a, a"], [null, null]]) {
      assert.throws(() => construct("ws://localhost", each), { name: "SyntaxError" }, `${each}`);
    }
    assert.throws(() => construct("ws://localhost", [Symbol("a")]), TypeError);
  });

  check("offers the subprotocols passed as a string or a sequence", async (context) => {
    const url = await echo(context);
    // biome-ignore format: aligned table
    const OFFERS: readonly (readonly [unknown, string])[] = [
      [undefined,             ""],
      [[],                    ""],
      ["a",                   "a"],
      [["a", "b"],            "a"],
      [new Set(["b", "a"]),   "b"],
      [[1, null],             "1"],
      [null,                  "null"],
      [5,                     "5"],
    ];
    for (const [offered, chosen] of OFFERS) {
      const socket: unknown = Reflect.construct(WebSocket, [url, offered, undefined, "stray"]);
      assert.ok(socket instanceof WebSocket);
      assert.deepEqual([socket.protocol, socket.extensions], ["", ""]);
      await once(socket, "open");
      assert.equal(socket.protocol, chosen);
      socket.close();
      await once(socket, "close");
    }
  });

  check("sends the user and password of the URL", async (context) => {
    const url = await echo(context);
    for (const [userinfo, sent] of [
      ["user:pass@", "user:pass"],
      ["us%65r@", "user:"],
      [":p%C3%A4ss@", ":päss"],
    ]) {
      const socket = new WebSocket(`${url.replace("//", `//${userinfo}`)}/authorization`);
      const [{ data }] = await once(socket, "message");
      assert.equal(data, `Basic ${Buffer.from(`${sent}`).toString("base64")}`);
      socket.close();
    }
  });

  check("sends the query of the URL percent-encoded", async (context) => {
    const socket = new WebSocket(`${await echo(context)}/query?x\0y å`);
    const [{ data }] = await once(socket, "message");
    assert.equal(data, "/query?x%00y%20%C3%A5");
    socket.close();
  });
});

describe("WebSocket: the opening handshake fails with an error and an unclean close", () => {
  // biome-ignore format: aligned table
  const ANSWERS: Record<string, readonly [answer: (key: string) => string, protocols: string[]]> = {
    "when the server does not answer with HTTP":                      [() => "FOO BAR BAZ\r\n\r\n", []],
    "when the server answers with an invalid Sec-WebSocket-Accept":   [() => SWITCH("x"), []],
    "when the server selects a subprotocol that was not offered":     [(key) => SWITCH(key, "Sec-WebSocket-Protocol: a\r\n"), []],
    "when the server selects an offered subprotocol in another case": [(key) => SWITCH(key, "Sec-WebSocket-Protocol: a\r\n"), ["A"]],
    "when the server selects none of the offered subprotocols":       [(key) => SWITCH(key), ["a", "b"]],
  };
  for (const [title, [answer, protocols]] of Object.entries(ANSWERS)) {
    check(title, async (context) => {
      const { types, close } = await ending(
        new WebSocket(await byHand(context, answer), protocols),
      );
      assert.deepEqual(types, ["error", "close"]);
      assert.deepEqual([close.code, close.reason, close.wasClean], [1006, "", false]);
    });
  }
});

describe("WebSocket: members", () => {
  check("the class has constants that cannot be changed", async (context) => {
    const socket = await opened(context);
    for (const [name, value] of Object.entries(CONSTANTS)) {
      for (const owner of [WebSocket, WebSocket.prototype]) {
        assert.deepEqual(Object.getOwnPropertyDescriptor(owner, name), {
          value,
          writable: false,
          enumerable: true,
          configurable: false,
        });
      }
      assert.equal(Reflect.get(socket, name), value);
      assert.equal(Reflect.set(socket, name, 5), false);
    }
  });

  check("the prototype has the attributes, most of them read-only", async (context) => {
    const socket = await opened(context);
    assert.deepEqual(Object.keys(socket), []);
    const writable = [...HANDLERS, "binaryType"];
    for (const name of [
      ...writable,
      "url",
      "readyState",
      "bufferedAmount",
      "extensions",
      "protocol",
    ]) {
      const { get, set, enumerable, configurable } =
        Object.getOwnPropertyDescriptor(WebSocket.prototype, name) ?? {};
      assert.ok(get !== undefined && enumerable && configurable, name);
      assert.equal(set !== undefined, writable.includes(name), name);
    }
    assert.equal(Reflect.set(socket, "send", 5), true);
    assert.equal(Reflect.get(socket, "send"), 5);
    assert.equal(Reflect.has(socket, "URL"), false);
    assert.equal(`${socket}`, "[object WebSocket]");
    const tag = Object.getOwnPropertyDescriptor(WebSocket.prototype, Symbol.toStringTag);
    assert.equal(tag?.configurable, true);
  });

  check("ignores unknown values of binaryType", async () => {
    const socket = construct("ws://localhost");
    assert.equal(socket.binaryType, "blob");
    for (const [value, now] of [
      ["arraybuffer", "arraybuffer"],
      ["Blob", "arraybuffer"],
      [null, "arraybuffer"],
      ["blob", "blob"],
    ]) {
      Reflect.set(socket, "binaryType", value);
      assert.equal(socket.binaryType, now);
    }
    await once(socket, "close");
  });
});

describe("WebSocket: send()", () => {
  const bytes = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7);
  const at = (from: number, to: number): number[] => [...bytes.subarray(from, to)];
  const transferred = new ArrayBuffer(8);
  const view = new Uint8Array(transferred);
  structuredClone(transferred, { transfer: [transferred] });

  // biome-ignore format: aligned table
  const MESSAGES: Record<string, readonly [given: unknown, received: string | number[]]> = {
    "null":                                [null,                                    "null"],
    "undefined":                           [undefined,                               "undefined"],
    "a number":                            [123,                                     "123"],
    "an object":                           [{},                                      "[object Object]"],
    "an array":                            [[1, 2],                                  "1,2"],
    "a Date":                              [new Date(Number.NaN),                    "Invalid Date"],
    "an Error":                            [new Error("x"),                          "Error: x"],
    "a String object":                     [Object("text"),                          "text"],
    "a SharedArrayBuffer as a string":     [new SharedArrayBuffer(4),                "[object SharedArrayBuffer]"],
    "an empty string":                     ["",                                      ""],
    "combining and astral characters": ["å a\u030a \u{1047e}",              "å a\u030a \u{1047e}"],
    "unpaired surrogates":                 ["a\udc00x\ud800y\udc00\ud800z",          "a\ufffdx\ufffdy\ufffd\ufffdz"],
    "an ArrayBuffer":                      [bytes.buffer,                            at(0, 8)],
    "an empty ArrayBuffer":                [new ArrayBuffer(0),                      []],
    "a transferred ArrayBuffer":           [transferred,                            []],
    "a view of a transferred ArrayBuffer": [view,             []],
    "a Buffer":                            [Buffer.from(bytes),                      at(0, 8)],
    "an Int8Array":                        [new Int8Array(bytes.buffer),             at(0, 8)],
    "an Int16Array at an offset":          [new Int16Array(bytes.buffer, 2),         at(2, 8)],
    "a Uint16Array at an offset with a length": [new Uint16Array(bytes.buffer, 2, 2), at(2, 6)],
    "a Uint32Array at an offset":          [new Uint32Array(bytes.buffer, 4),        at(4, 8)],
    "a Float64Array":                      [new Float64Array(bytes.buffer),          at(0, 8)],
    "a DataView at an offset with a length": [new DataView(bytes.buffer, 1, 2), at(1, 3)],
    "a Blob":                              [new Blob([bytes]),                       at(0, 8)],
  };
  for (const [what, [given, received]] of Object.entries(MESSAGES)) {
    check(`sends ${what}`, async (context) => {
      const socket = await opened(context);
      const answer = once(socket, "message");
      assert.equal(call(socket, "send", given), undefined);
      const [{ data }] = await answer;
      assert.deepEqual(data instanceof ArrayBuffer ? [...new Uint8Array(data)] : data, received);
    });
  }

  check(
    "sends and receives 65 kB of text, and binary messages as each binaryType",
    async (context) => {
      const socket = await opened(context);
      for (const type of ["blob", "arraybuffer", "nodebuffer"] as const) {
        socket.binaryType = type;
        for (const size of [10, 65_000, 100_000]) {
          const back = once(socket, "message");
          socket.send(new Uint8Array(size));
          const [{ data }] = await back;
          const kind =
            data instanceof Blob ? "blob" : Buffer.isBuffer(data) ? "nodebuffer" : "arraybuffer";
          assert.deepEqual(
            [kind, data instanceof Blob ? data.size : data.byteLength],
            [type, size],
          );
        }
      }
      const back = once(socket, "message");
      socket.send("x".repeat(65_000));
      assert.equal((await back)[0].data.length, 65_000);
    },
  );

  check(
    "send() throws a TypeError without arguments, for a Symbol, and for shared or resizable memory",
    async (context) => {
      const socket = await opened(context);
      assert.throws(() => call(socket, "send"), TypeError);
      for (const wrong of [Symbol("x"), Object.create(null)]) {
        assert.throws(() => call(socket, "send", wrong), TypeError);
      }
      for (const wrong of [
        new Uint8Array(new SharedArrayBuffer(4)),
        Reflect.construct(ArrayBuffer, [4, { maxByteLength: 8 }]),
      ]) {
        const message = "bytes in shared or resizable memory cannot be sent";
        assert.throws(() => call(socket, "send", wrong), { name: "TypeError", message });
      }
    },
  );

  check("send() throws an InvalidStateError before the socket is open", async () => {
    const socket = new WebSocket("ws://127.0.0.1:1");
    for (const data of ["a", "a\udc00x", "a\ud800x"]) {
      assert.throws(() => socket.send(data), { name: "InvalidStateError" });
    }
    socket.close();
    await once(socket, "close");
  });

  check("sends the bytes that a buffer has when send() is called", async (context) => {
    const socket = await opened(context);
    const data = new Uint8Array(2000).fill(1);
    socket.send(new Blob(["first"]));
    socket.send(data);
    data.fill(2);
    const received: ArrayBuffer[] = [];
    socket.onmessage = (event) => void received.push(event.data);
    await until(() => received.length === 2);
    assert.deepEqual(new Uint8Array(received[1] ?? []), new Uint8Array(2000).fill(1));
  });

  check("send() drops messages after close()", async (context) => {
    const socket = await opened(context);
    socket.close();
    assert.equal(call(socket, "send", "late"), undefined);
    assert.deepEqual((await ending(socket)).types, ["close"]);
    assert.equal(call(socket, "send", "later"), undefined);
  });
});

describe("WebSocket: bufferedAmount", () => {
  check("bufferedAmount counts the bytes of messages until they are sent", async (context) => {
    const socket = await opened(context);
    let amount = 0;
    // biome-ignore format: pairs
    for (const [data, length] of [["x", 1], ["å", 2], ["匶", 3], ["\u{1047e}", 4], ["¥".repeat(6), 12],
      ["\ud800", 3], [new ArrayBuffer(10), 10], [new Uint8Array(5000), 5000], [new Blob(["abc"]), 3]] as const) {
      socket.send(data);
      amount += length;
      assert.equal(socket.bufferedAmount, amount);
    }
    await until(() => socket.bufferedAmount === 0);
    socket.close();
  });

  check("bufferedAmount counts messages after close(), and does not shrink", async (context) => {
    const fresh = new WebSocket(await echo(context));
    assert.equal(fresh.bufferedAmount, 0);
    await once(fresh, "open");
    fresh.close();
    fresh.send("four");
    assert.equal(fresh.bufferedAmount, 4);
    await once(fresh, "close");
    fresh.send(new Uint8Array(6));
    assert.equal(fresh.bufferedAmount, 10);
    fresh.send("é");
    assert.equal(fresh.bufferedAmount, 12);
    fresh.send(new Blob(["abc"]));
    assert.equal(fresh.bufferedAmount, 15);
  });

  check("bufferedAmount does not shrink when the connection is lost", async (context) => {
    let peer: TcpSocket | undefined;
    const url = await byHand(context, SWITCH, (tcp) => {
      peer = tcp;
    });
    const socket = new WebSocket(url);
    await once(socket, "open");
    assert.ok(peer !== undefined);
    const message = new Uint8Array(20_000_000);
    socket.send(message);
    // The connection is lost before the client has passed the message to the operating system.
    reset(peer);
    await ending(socket);
    assert.equal(socket.bufferedAmount, message.length);
  });
});

describe("WebSocket: close()", () => {
  // biome-ignore format: aligned table
  const CLOSES: readonly (readonly [args: readonly unknown[], result: string | readonly [code: number, reason: string]])[] = [
    [[],                       [1005, ""]],
    [[undefined],              [1005, ""]],
    [[undefined, "only"],      [1000, "only"]],
    [[1000],                   [1000, ""]],
    [[1000, "Clean Close"],    [1000, "Clean Close"]],
    [["3000", 5],              [3000, "5"]],
    [[3000.5],                 [3000, ""]],
    [[4999, "x".repeat(123)],  [4999, "x".repeat(123)]],
    [[1000, "\udc00a\ud800"],  [1000, "\ufffda\ufffd"]],
    [[1000, "é".repeat(62)],   "SyntaxError"],
    [[undefined, "x".repeat(124)], "SyntaxError"],
    ...[0, 500, 999, 1001, 1005, 2999, 5000, 4999.5, 65_536 + 1000, Number.NaN, "string", null, {}].map(
      (code) => [[code], "InvalidAccessError"] as const,
    ),
  ];
  for (const [args, result] of CLOSES) {
    const title = `close(${args.map((each) => `${each}`.slice(0, 12)).join(", ")})`;
    test(`${title} ${typeof result === "string" ? "throws" : "closes"}`, async (context) => {
      const socket = await opened(context);
      if (typeof result === "string") {
        assert.throws(() => call(socket, "close", ...args), { name: result });
        assert.equal(socket.readyState, WebSocket.OPEN);
        return;
      }
      assert.equal(call(socket, "close", ...args), undefined);
      assert.equal(socket.readyState, WebSocket.CLOSING);
      const { types, close } = await ending(socket);
      assert.deepEqual(types, ["close"]);
      assert.deepEqual([close.code, close.reason, close.wasClean], [...result, true]);
      assert.equal(socket.readyState, WebSocket.CLOSED);
    });
  }
  TITLES.add("close() sends a valid code and reason, and throws for an invalid code or reason");

  check(
    "close() before the socket is open emits error and close in a later turn of the event loop",
    async (context) => {
      const socket = new WebSocket(await byHand(context, () => undefined));
      socket.close();
      socket.close();
      assert.equal(socket.readyState, WebSocket.CLOSING);
      // Several microtasks run before the events are emitted in a later turn of the event loop.
      for (let i = 0; i < 10; i++) await undefined;
      const { types, close } = await ending(socket);
      assert.deepEqual(types, ["error", "close"]);
      assert.deepEqual([close.code, close.wasClean], [1006, false]);
      socket.close();
      assert.equal(socket.readyState, WebSocket.CLOSED);
    },
  );

  check("closes cleanly when the server closes", async (context) => {
    const socket = await opened(context);
    socket.send("Goodbye");
    const { types, close } = await ending(socket);
    assert.deepEqual(types, ["message", "close"]);
    assert.deepEqual([close.code, close.reason, close.wasClean], [1000, "Goodbye", true]);
  });

  check("does not close before the server has answered the close frame", async (context) => {
    let answer = (): void => {};
    const url = await byHand(context, SWITCH, (tcp) => {
      tcp.once("data", () => {
        answer = () => void tcp.end(frame(8, Uint8Array.of(3, 232)));
        told.dispatchEvent(new Event("asked"));
      });
    });
    const told = new EventTarget();
    const socket = new WebSocket(url);
    await once(socket, "open");
    const asked = once(told, "asked");
    socket.close();
    await asked;
    assert.equal(socket.readyState, WebSocket.CLOSING);
    answer();
    assert.equal((await ending(socket)).close.wasClean, true);
  });

  check("accepts a close frame in the same packet as the handshake response", async (context) => {
    const url = await byHand(context, SWITCH, (tcp) => {
      tcp.end(Buffer.concat([frame(8, Buffer.from("\x03\xe9PASS", "latin1")), frame(1, "late")]));
    });
    const socket = new WebSocket(url);
    socket.onopen = () => socket.close();
    const { types, close } = await ending(socket);
    assert.deepEqual(types, ["open", "close"]);
    assert.deepEqual([close.code, close.reason, close.wasClean], [1001, "PASS", true]);
  });
});

describe("WebSocket: no error after a clean close, however TCP ends", () => {
  type End =
    | "FIN"
    | "reset"
    | "reset before the client's close frame is read"
    | "garbage, then reset";
  const ENDS: Record<End, (tcp: import("node:net").Socket) => void> = {
    FIN: (tcp) => void tcp.once("data", () => tcp.end()),
    reset: (tcp) => void tcp.once("data", () => reset(tcp)),
    "reset before the client's close frame is read": (tcp) => setImmediate(() => reset(tcp)),
    "garbage, then reset": (tcp) =>
      void tcp.once("data", () => tcp.write("\xff\xff\xff", () => reset(tcp))),
  };
  for (const [end, then] of Object.entries(ENDS)) {
    check(`server-initiated close, then ${end}`, async (context) => {
      const url = await byHand(context, SWITCH, (tcp) => {
        tcp.write(frame(8, Uint8Array.of(3, 232)), () => then(tcp));
      });
      const { types, close } = await ending(new WebSocket(url));
      assert.deepEqual(types, ["open", "close"]);
      assert.deepEqual([close.code, close.wasClean], [1000, true]);
    });
  }

  check("client-initiated close, answered by the server, then reset", async (context) => {
    const url = await byHand(context, SWITCH, (tcp) => {
      tcp.once("data", () => tcp.write(frame(8, Uint8Array.of(3, 232)), () => reset(tcp)));
    });
    const socket = new WebSocket(url);
    socket.onopen = () => socket.close(1000);
    assert.deepEqual((await ending(socket)).types, ["open", "close"]);
  });

  check("a reset without a close frame is an error", async (context) => {
    const url = await byHand(context, SWITCH, (tcp) => void tcp.once("data", () => reset(tcp)));
    const socket = new WebSocket(url);
    socket.onopen = () => socket.send("x");
    const { types, close } = await ending(socket);
    assert.deepEqual(types, ["open", "error", "close"]);
    assert.deepEqual([close.code, close.wasClean], [1006, false]);
  });
});

describe("WebSocket: events", () => {
  for (const way of ["listener", "handler"]) {
    check(`events have the socket as target in a ${way}, and do not bubble`, async (context) => {
      // The first frame is a text message. The second has a reserved opcode, which fails the connection.
      const bytes = Buffer.concat([frame(1, "test"), frame(3, "LOL")]);
      const socket = new WebSocket(await byHand(context, SWITCH, (tcp) => void tcp.write(bytes)));
      const seen: string[] = [];
      const look = function (this: unknown, event: Event): void {
        seen.push(event.type);
        assert.equal(this, socket);
        assert.ok(event.target === socket && event.currentTarget === socket);
        assert.deepEqual([event.eventPhase, event.bubbles, event.cancelable], [2, false, false]);
      };
      for (const name of HANDLERS) {
        if (way === "handler") Reflect.set(socket, name, look);
        else socket.addEventListener(name.slice(2), look);
      }
      await once(socket, "close");
      assert.deepEqual(seen, ["open", "message", "error", "close"]);
    });
  }

  check("events have the classes and members of browsers", async (context) => {
    const bytes = Buffer.concat([frame(1, "test"), frame(3, "LOL")]);
    const url = await byHand(context, SWITCH, (tcp) => void tcp.write(bytes));
    const socket = new WebSocket(url);
    socket.addEventListener("message", (event) => {
      assert.ok(event instanceof MessageEvent);
      const { data, origin, lastEventId, source, ports } = event;
      assert.deepEqual(
        [data, origin, lastEventId, source, ports],
        ["test", url.slice(0, -1), "", null, []],
      );
      assert.equal(socket.readyState, WebSocket.OPEN);
    });
    socket.addEventListener("error", (event: Event & Partial<ErrorEvent>) => {
      assert.ok(event.error instanceof Error && event.message === event.error.message);
      assert.equal(`${event}`, "[object Event]");
      assert.equal(socket.readyState, WebSocket.CLOSED);
    });
    socket.addEventListener("close", (event) => assert.equal(`${event}`, "[object CloseEvent]"));
    const { types, close } = await ending(socket);
    assert.deepEqual(types, ["open", "message", "error", "close"]);
    assert.deepEqual([close.code, close.wasClean], [1006, false]);
  });

  check("listeners and handlers are called in the order they were added", async (context) => {
    const socket = new WebSocket(await echo(context));
    const order: string[] = [];
    const log = (text: string) => () => void order.push(text);
    socket.addEventListener("open", log("1"));
    socket.onopen = log("replaced");
    socket.addEventListener("open", log("3"));
    socket.onopen = log("2");
    await once(socket, "open");
    assert.deepEqual(order.splice(0), ["1", "2", "3"]);
    socket.onopen = null;
    socket.dispatchEvent(new Event("open"));
    socket.onopen = log("last");
    socket.dispatchEvent(new Event("open"));
    assert.deepEqual(order, ["1", "3", "1", "3", "last"]);
    socket.close();
    await once(socket, "close");
  });

  check(
    "handlers are null at first, and null again if the program sets a value that is not an object",
    async () => {
      const socket = construct("ws://localhost");
      for (const name of HANDLERS) {
        const handler = (): void => {};
        const object = {
          handleEvent: () => assert.fail("handleEvent() of a handler has been called"),
        };
        assert.equal(socket[name], null);
        for (const [value, now] of [
          [handler, handler],
          [2, null],
          [handler, handler],
          [undefined, null],
          [";", null],
          [object, object],
          [null, null],
          [object, object],
        ] as const) {
          Reflect.set(socket, name, value);
          assert.equal(socket[name], now);
        }
        socket.dispatchEvent(new Event(name.slice(2)));
        Reflect.set(socket, name, null);
      }
      await once(socket, "close");
    },
  );

  check(
    "the socket has dispatchEvent(), once, signal and removeEventListener() of EventTarget",
    async () => {
      const socket = construct("ws://localhost");
      const seen: string[] = [];
      const stop = new AbortController();
      const removed = (): void => assert.fail("the removed listener has been called");
      socket.onmessage = () => void seen.push("handler");
      socket.addEventListener("message", () => seen.push("once"), { once: true });
      socket.addEventListener("message", () => seen.push("signal"), { signal: stop.signal });
      socket.addEventListener("message", removed);
      socket.removeEventListener("message", removed);
      socket.dispatchEvent(new Event("message"));
      stop.abort();
      socket.dispatchEvent(new Event("message"));
      assert.deepEqual(seen, ["handler", "once", "signal", "handler"]);
      await once(socket, "close");
    },
  );

  check(
    "a handler that throws does not prevent other listeners from receiving the event",
    async (context) => {
      const uncaught = gatherUncaught(context);
      const socket = construct("ws://localhost");
      const mistake = new Error("the handler's");
      socket.onclose = () => {
        throw mistake;
      };
      await once(socket, "close");
      await until(() => uncaught.length > 0);
      assert.deepEqual(uncaught, [mistake]);
    },
  );

  check(
    '"open" is dispatched in an earlier turn of the event loop than the first message',
    async (context) => {
      const url = await byHand(context, (key) =>
        Buffer.concat([Buffer.from(SWITCH(key)), frame(1, "first")]),
      );
      const openedLate = async (socket: WebSocket): Promise<WebSocket> => {
        await once(socket, "open");
        return socket;
      };
      const socket = await openedLate(new WebSocket(url));
      const [{ data }] = await once(socket, "message");
      assert.equal(data, "first");
    },
  );
});

describe("CloseEvent", () => {
  check("a CloseEvent is constructed from a type and a dictionary", () => {
    const bare = new CloseEvent("foo");
    assert.ok(bare instanceof Event);
    const { type, bubbles, cancelable, wasClean, code, reason } = bare;
    assert.deepEqual(
      [type, bubbles, cancelable, wasClean, code, reason],
      ["foo", false, false, false, 0, ""],
    );
    const full = new CloseEvent("foo", {
      bubbles: true,
      cancelable: true,
      wasClean: true,
      code: 7,
      reason: "x",
    });
    assert.deepEqual(
      [full.bubbles, full.cancelable, full.wasClean, full.code, full.reason],
      [true, true, true, 7, "x"],
    );
    assert.equal(new CloseEvent("foo", { code: 65_536 + 5 }).code, 5);
    assert.equal(Reflect.set(full, "wasClean", false), false);
    assert.equal("initCloseEvent" in full, false);
  });
});

describe("permessage-deflate: a window that zlib does not support", () => {
  check("messages are sent uncompressed, and compressed messages are read", async (context) => {
    const extension = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=8\r\n";
    const firstBytes: (number | undefined)[] = [];
    const text = "compressible ".repeat(500);
    const deflated = deflateRawSync(text, { finishFlush: 2 }).subarray(0, -4);
    const url = await byHand(
      context,
      (key) => SWITCH(key, extension),
      (tcp) => {
        tcp.once("data", (chunk) => {
          firstBytes.push(chunk[0]);
          tcp.write(frame(1, deflated, { rsv: 4 }));
        });
      },
    );
    const socket = new WebSocket(url, [], { perMessageDeflate: { threshold: 0 } });
    await once(socket, "open");
    socket.send(text);
    const [{ data }] = await once(socket, "message");
    assert.equal(data, text);
    // The byte has FIN and the text opcode, but not RSV1: the message is not compressed.
    assert.deepEqual(firstBytes, [0x81]);
  });
});

test("docs/websocket.md names tests that exist", () => {
  const page = readFileSync(new URL("../../../docs/websocket.md", import.meta.url), "utf8");
  const [, rows = ""] = page.split(/^\| (?:Test|Reason) \|.*$/m);
  const named = [...rows.matchAll(/^\| (?!---)([^|]+) \|/gm)].map(([, title = ""]) => title.trim());
  assert.ok(named.length > 10);
  for (const title of named) assert.ok(TITLES.has(title), title);
});
