// Tests the server of `barewire/websocket` with the client of `ws`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, STATUS_CODES } from "node:http";
import { Duplex } from "node:stream";
import { describe, type TestContext, test } from "node:test";

import {
  NotOpenError,
  type WebSocketConnection,
  WebSocketServer,
  type WebSocketServerOptions,
} from "../../../lib/websocket/server.ts";
import {
  ask,
  listen,
  reset,
  TcpClient,
  until,
  upgradeRequest,
  upgradeStatus,
  WebSocketClient,
} from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";
import { acceptOver, connection, serveWebSocket } from "../../support/web-socket-server.ts";

/** Connects a client to a new server. Returns the server, the client, and the server's end of the connection. */
async function pair(
  context: TestContext,
  options: Parameters<typeof serveWebSocket>[1] = {},
): Promise<{ server: WebSocketServer; client: WebSocketClient; ours: WebSocketConnection }> {
  const { server, port } = await serveWebSocket(context, options);
  const client = new WebSocketClient(port, "/");
  const [ours] = await Promise.all([connection(server), client.opened()]);
  return { server, client, ours };
}

/** Returns the whole response to a refused upgrade without a message. */
function refusal(status: number): string {
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    "Content-Type: text/html",
    "Content-Length: 0",
    "",
    "",
  ].join("\r\n");
}

describe("WebSocketServer", () => {
  test("throws unless exactly one of server, port and noServer is set", () => {
    const server = createServer();
    for (const options of [{}, { port: 0, noServer: true }, { server, port: 0 }]) {
      assert.throws(() => new WebSocketServer(options), TypeError);
    }
  });

  test("with port: listens, accepts WebSockets, answers other requests with 426, and closes", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    const log: unknown[] = [];
    server.on("listening", (...args) => log.push("listening", ...args));
    await until(() => log.length > 0);
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    server.on("connection", (ours) => ours.on("message", (data) => ours.send(data)));
    const client = await new WebSocketClient(address.port, "/any?thing").opened();
    client.send("text");
    client.send(Uint8Array.of(1, 2, 3));
    assert.equal(await client.next(), "text");
    assert.deepEqual(await client.next(), Buffer.from([1, 2, 3]));

    const answer = await ask(address.port, "/");
    assert.equal(answer.status, 426);
    assert.deepEqual(
      [answer.headers.upgrade, answer.headers.connection, answer.body],
      ["websocket", "close", "Upgrade Required"],
    );

    server.on("close", (...args) => log.push("close", ...args));
    await server.close();
    assert.equal(await client.closed, 1001);
    assert.deepEqual(log, ["listening", "close"]);
    assert.equal(server.clients.size, 0);
    await server.close();
    assert.deepEqual(log, ["listening", "close"]);
    assert.equal(server.address(), null);
  });

  test('emits "error" if the port is in use', async (context) => {
    const http = createServer();
    const port = await listen(http);
    context.after(() => http.close());
    const server = new WebSocketServer({ port, host: "127.0.0.1" });
    const error = await new Promise<Error>((resolve) => server.once("error", resolve));
    assert.equal("code" in error && error.code, "EADDRINUSE");
    await server.close();
  });

  test("with path: leaves upgrades of other paths to other servers", async (context) => {
    const { server, port } = await serveWebSocket(context, { path: "/ours" });
    const http = createServer();
    assert.equal(server.address() === null, false);
    const theirs = new WebSocketServer({ server: http, path: "/theirs" });
    const ours = new WebSocketServer({ server: http, path: "/ours" });
    const both = await listen(http);
    context.after(async () => {
      await Promise.all([theirs.close(), ours.close()]);
      http.close();
    });
    ours.on("connection", (each) => each.send("ours"));
    theirs.on("connection", (each) => each.send("theirs"));
    assert.equal(await new WebSocketClient(both, "/ours?a=1").next(), "ours");
    assert.equal(await new WebSocketClient(both, "/theirs").next(), "theirs");
    const client = new WebSocketClient(port, "/ours");
    await Promise.all([connection(server), client.opened()]);
    const other = new TcpClient(both).write(upgradeRequest("/nobody"));
    assert.equal((await other.closed).toString(), refusal(404));
  });

  test("with server: close() leaves the HTTP server open", async (context) => {
    const http = createServer((_request, response) => response.end("page"));
    const port = await listen(http);
    context.after(() => http.close());
    await new WebSocketServer({ server: http }).close();
    assert.equal((await ask(port, "/")).body, "page");
  });

  test("with path and noServer: handleUpgrade() answers 404 for other paths", async (context) => {
    const server = new WebSocketServer({ noServer: true, path: "/ours" });
    const http = createServer().on("upgrade", (request, socket, head) =>
      server.handleUpgrade(request, socket, head),
    );
    const port = await listen(http);
    context.after(() => http.close());
    const other = new TcpClient(port).write(upgradeRequest("/other"));
    assert.equal((await other.closed).toString(), refusal(404));
  });

  test("does not negotiate permessage-deflate by default", async (context) => {
    const { port } = await serveWebSocket(context);
    const offer = { "Sec-WebSocket-Extensions": "permessage-deflate" };
    const answer = await new TcpClient(port).write(upgradeRequest("/", offer)).until("\r\n\r\n");
    assert.doesNotMatch(answer, /Extensions/i);
  });

  test("with noServer: handleUpgrade() accepts upgrades, and answers 503 after close()", async (context) => {
    const server = new WebSocketServer({ noServer: true });
    assert.equal(server.address(), null);
    const accepted: number[] = [];
    const http = createServer().on("upgrade", (request, socket, head) => {
      server.handleUpgrade(request, socket, head);
      accepted.push(server.clients.size);
    });
    const port = await listen(http);
    context.after(() => http.close());
    server.on("connection", (ours, request: IncomingMessage) => ours.send(request.url ?? ""));
    const client = new WebSocketClient(port, "/given");
    assert.equal(await client.next(), "/given");
    // Without `verify` and a function for `origins`, the server accepts a client synchronously.
    assert.deepEqual(accepted, [1]);
    await server.close();
    assert.equal(await client.closed, 1001);
    // The closed server rejects later clients.
    const late = new TcpClient(port).write(upgradeRequest("/"));
    assert.equal((await late.closed).toString(), refusal(503));
  });

  describe("RFC 6455 §10.2 calls verify() before the 101 response", () => {
    const answers = [
      { does: "verify() returning false results in 403", verify: () => false, gives: [403, ""] },
      {
        does: "verify() resolving to false results in 403",
        verify: async () => false,
        gives: [403, ""],
      },
      {
        does: "verify() returning a Refusal results in its status and message",
        verify: () => ({ status: 401, message: "who?" }),
        gives: [401, "who?"],
      },
      {
        does: "verify() returning a Refusal without a status results in 403",
        verify: () => ({}),
        gives: [403, ""],
      },
      {
        does: "verify() returning undefined, in JavaScript, results in 403",
        verify: () => JSON.parse("[]")[0],
        gives: [403, ""],
      },
      {
        does: "verify() returning a Refusal with a status that HTTP does not define results in this status",
        verify: () => ({ status: 499 }),
        gives: [499, ""],
      },
    ] as const;
    for (const { does, verify, gives } of answers) {
      test(does, async (context) => {
        const { port, server } = await serveWebSocket(context, { verify });
        server.on("connection", () => assert.fail("the rejected client has connected"));
        const client = new TcpClient(port).write(upgradeRequest("/"));
        const [head = "", body] = (await client.closed).toString().split("\r\n\r\n");
        assert.deepEqual([Number(head.split(" ")[1]), body], gives);
        const [status] = gives;
        assert.equal(head.split("\r\n", 1)[0], `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`);
      });
    }

    test("verify() receives the request, and accepts the connection by resolving to true", async (context) => {
      const asked: (string | undefined)[] = [];
      const verify = async ({ url }: IncomingMessage): Promise<boolean> => {
        asked.push(url);
        return true;
      };
      const { server, port } = await serveWebSocket(context, { verify });
      const client = new WebSocketClient(port, "/me");
      await Promise.all([connection(server), client.opened()]);
      assert.deepEqual(asked, ["/me"]);
    });

    test("verify() does not receive an invalid handshake", async (context) => {
      const { server, port } = await serveWebSocket(context, {
        verify: () => assert.fail("verify() was called"),
      });
      server.on("handshakeError", () => assert.fail("the program has made no mistake"));
      const client = new TcpClient(port).write(
        upgradeRequest("/", { "Sec-WebSocket-Key": undefined }),
      );
      assert.match((await client.closed).toString(), /^HTTP\/1\.1 400 /);
    });

    const mistake = new Error("the program's mistake");
    const failures: Readonly<Record<string, WebSocketServerOptions>> = {
      "verify throws": {
        verify: () => {
          throw mistake;
        },
      },
      "verify rejects": { verify: () => Promise.reject(mistake) },
      "protocols throws": {
        protocols: () => {
          throw mistake;
        },
      },
    };
    for (const [does, options] of Object.entries(failures)) {
      test(`${does}: the client receives 500, and the server emits "handshakeError"`, async (context) => {
        const { port, server } = await serveWebSocket(context, options);
        const failed = new Promise<[unknown, IncomingMessage]>((resolve) =>
          server.once("handshakeError", (...args) => resolve(args)),
        );
        const client = new TcpClient(port).write(
          upgradeRequest("/", { "Sec-WebSocket-Protocol": "chat" }),
        );
        assert.equal((await client.closed).toString(), refusal(500));
        const [error, request] = await failed;
        assert.equal(error, mistake);
        assert.equal(request.url, "/");
      });
    }

    test("verify() accepts no client that has disconnected, and no client after close()", async (context) => {
      const decide: ((verdict: boolean) => void)[] = [];
      const { server, port } = await serveWebSocket(context, {
        verify: () => new Promise((resolve) => decide.push(resolve)),
      });
      server.on("connection", () =>
        assert.fail("a client has connected that had disconnected or was too late"),
      );
      server.on("handshakeError", () => assert.fail("the program has made no mistake"));
      const upgrades: Promise<unknown>[] = [];
      const client = new TcpClient(port).write(upgradeRequest("/"));
      while (decide.length === 0) await new Promise(setImmediate);
      reset(client.socket);
      await client.closed;
      const other = new TcpClient(port).write(upgradeRequest("/"));
      while (decide.length === 1) await new Promise(setImmediate);
      decide[0]?.(true);
      upgrades.push(server.close());
      decide[1]?.(true);
      assert.equal((await other.closed).toString(), refusal(503));
      await Promise.all(upgrades);
    });
  });

  describe("RFC 6455 §10.2 accepts pages by their Origin", () => {
    const own = "http://own.example";
    const page = "https://page.example";
    interface Row {
      readonly options: Pick<WebSocketServerOptions, "origins" | "trustedProxies" | "verify">;
      readonly admits: readonly (string | undefined)[];
      readonly refuses: readonly string[];
    }
    const mistake = (): never => {
      throw new Error("a mistake");
    };
    // biome-ignore format: aligned table
    const ROWS: Readonly<Record<string, Row>> = {
      "without options":                            { options: {},                                        admits: [undefined, own],       refuses: [page, "https://own.example", "null"] },
      'with origins "*"':                           { options: { origins: "*" },                          admits: [undefined, own, page, "null"], refuses: [] },
      "with a list of origins":                     { options: { origins: [page] },                       admits: [undefined, page],      refuses: [own, "null"] },
      "with an async function":                     { options: { origins: async (origin) => origin === page }, admits: [undefined, page], refuses: [own] },
      "with a function that throws":                { options: { origins: mistake },                      admits: [undefined],            refuses: [own, page] },
      "with a function that rejects":               { options: { origins: async () => mistake() },        admits: [undefined],            refuses: [own, page] },
      "with verify, called after the origin check": { options: { verify: ({ headers }) => headers.origin !== own }, admits: [undefined], refuses: [own, page] },
    };
    for (const [does, { options, admits, refuses }] of Object.entries(ROWS)) {
      test(does, async (context) => {
        const uncaught = gatherUncaught(context);
        const { port } = await serveWebSocket(context, options);
        for (const origin of [...admits, ...refuses]) {
          const headers = { Host: "own.example", ...(origin !== undefined && { Origin: origin }) };
          const status = refuses.some((each) => each === origin) ? 403 : 101;
          assert.equal(await upgradeStatus(port, headers, "/"), status, origin);
        }
        assert.deepEqual(uncaught, []);
      });
    }

    test("with X-Forwarded-Proto from a trusted proxy only", async (context) => {
      const { port } = await serveWebSocket(context);
      const headers = { Host: "own.example", Origin: "https://own.example" };
      assert.equal(
        await upgradeStatus(port, { ...headers, "X-Forwarded-Proto": "https" }, "/"),
        101,
      );
      const none = await serveWebSocket(context, { trustedProxies: "none" });
      assert.equal(
        await upgradeStatus(none.port, { ...headers, "X-Forwarded-Proto": "https" }, "/"),
        403,
      );
    });
  });

  describe("selects a subprotocol", () => {
    const choices = [
      {
        does: "the first offered subprotocol that is in the list",
        protocols: ["b", "c"],
        gives: "b",
      },
      { does: "none if no offered subprotocol is in the list", protocols: ["x"], gives: "" },
      { does: "the subprotocol that the function returns", protocols: () => "c", gives: "c" },
      { does: "none if the function returns undefined", protocols: () => undefined, gives: "" },
    ] as const;
    for (const { does, protocols, gives } of choices) {
      test(does, async (context) => {
        const { server, port } = await serveWebSocket(context, { protocols });
        const offered = ["a", "b", "c"];
        const client = new WebSocketClient(port, "/", {}, offered);
        const ended = gives === "" ? client.closed : client.opened();
        const [ours] = await Promise.all([connection(server), ended]);
        assert.equal(ours.protocol, gives);
        assert.equal(client.socket.protocol, gives);
      });
    }
  });
});

describe("WebSocketConnection", () => {
  test("emits messages, pings and pongs, and answers pings", async (context) => {
    const { client, ours, server } = await pair(context);
    assert.deepEqual([...server.clients], [ours]);
    const log: unknown[] = [];
    ours
      .on("message", (data) => log.push(data))
      .on("ping", (payload) => log.push(["ping", Buffer.from(payload).toString()]))
      .on("pong", (payload) => log.push(["pong", Buffer.from(payload).toString()]));
    const answered = once(client.socket, "pong");
    client.send("text");
    client.send(Buffer.from([1, 2]));
    client.send("");
    client.socket.ping("out");
    assert.equal(`${(await answered)[0]}`, "out");
    const ponged = new Promise((resolve) => ours.once("pong", resolve));
    ours.ping(Buffer.from("back"));
    await ponged;
    assert.deepEqual(log, ["text", Buffer.from([1, 2]), "", ["ping", "out"], ["pong", "back"]]);
  });

  test("sends strings, Uint8Arrays and ArrayBuffers", async (context) => {
    const { client, ours } = await pair(context);
    assert.equal(ours.open, true);
    assert.equal(ours.send("text"), true);
    ours.send(Uint8Array.of(1, 2));
    ours.send(Uint8Array.of(3, 4).buffer);
    ours.send("x".repeat(200_000));
    assert.equal(await client.next(), "text");
    assert.deepEqual(await client.next(), Buffer.from([1, 2]));
    assert.deepEqual(await client.next(), Buffer.from([3, 4]));
    assert.equal(await client.next(), "x".repeat(200_000));
  });

  test("writes all messages sent in one turn of the event loop as one chunk", async (context) => {
    const { server, port } = await serveWebSocket(context);
    const client = new TcpClient(port).write(upgradeRequest("/"));
    const ours = await connection(server);
    await client.until("\r\n\r\n");
    const chunks: Buffer[] = [];
    client.socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    for (let i = 0; i < 100; i++) ours.send("message");
    await client.until("message".repeat(1));
    while (Buffer.concat(chunks).length < 900) await new Promise(setImmediate);
    assert.equal(chunks.length, 1);
  });

  test("RFC 6455 §7.1.2 closes with a code and a reason, and throws for an invalid code or reason", async (context) => {
    const { client, ours } = await pair(context);
    for (const code of [999, 1004, 1005, 1006, 1015, 2999, 5000]) {
      assert.throws(() => ours.close(code), RangeError);
    }
    assert.throws(() => ours.close(1000, "é".repeat(62)), RangeError);
    assert.throws(() => ours.ping(new Uint8Array(126)), RangeError);
    const told = new Promise<unknown[]>((resolve) =>
      ours.once("close", (...args) => resolve(args)),
    );
    const heard = once(client.socket, "close");
    ours.close(4001, "enough");
    ours.close(4002, "again");
    assert.equal(ours.open, false);
    const [code, reason] = await heard;
    assert.deepEqual([code, `${reason}`], [4001, "enough"]);
    assert.deepEqual(await told, [4001, "enough", undefined]);
  });

  test("CVE-2026-45736: send(), ping() and close() throw for arguments of a wrong type, and send nothing", async (context) => {
    const { client, ours } = await pair(context);
    client.socket.on("ping", () => assert.fail("a ping was sent"));
    for (const [name, ...args] of [
      ["ping", 100],
      ["ping", { length: 100 }],
      // A frame for 5.5 bytes could be rounded up to 6 bytes, of which the last would be uninitialized memory.
      ["ping", { length: 5.5 }],
      ["send", 1_000_000],
      ["send", { length: 1_000_000_000 }],
      ["send", { length: 5.5 }],
      ["close", 1000, 100],
      ["close", 1000, new Uint8Array(100)],
      ["close", 1000, { length: 100 }],
    ] as const) {
      const message = name === "close" ? /string/ : /^a binary payload must be a Uint8Array, got /;
      assert.throws(() => Reflect.apply(ours[name], ours, args), { name: "TypeError", message });
    }
    ours.send("end");
    assert.equal(await client.next(), "end");
  });

  test("RFC 6455 §7.1.5 closes with the code and reason of the peer's close frame", async (context) => {
    const { server, port } = await serveWebSocket(context);
    for (const [close, told] of [
      [(client: WebSocketClient) => client.socket.close(3000, "bye"), [3000, "bye", undefined]],
      [(client: WebSocketClient) => client.socket.close(), [1005, "", undefined]],
      [(client: WebSocketClient) => client.socket.terminate(), [1006, "", undefined]],
    ] as const) {
      const client = new WebSocketClient(port, "/");
      const [ours] = await Promise.all([connection(server), client.opened()]);
      const closed = new Promise<unknown[]>((resolve) =>
        ours.once("close", (...args) => resolve(args)),
      );
      close(client);
      assert.deepEqual(await closed, told);
      assert.equal(server.clients.size, 0);
    }
  });

  test("RFC 6455 §7.1.7 sends the close code of the rule that the peer broke, and emits close with the rule", async (context) => {
    const { server, port } = await serveWebSocket(context, { maxPayload: 10 });
    const client = new WebSocketClient(port, "/");
    const [ours] = await Promise.all([connection(server), client.opened()]);
    const closed = new Promise<unknown[]>((resolve) =>
      ours.once("close", (...args) => resolve(args)),
    );
    client.send("more than ten bytes");
    const [code, , failure] = await closed;
    assert.equal(code, 1006);
    assert.ok(failure instanceof Error && "rule" in failure);
    assert.equal(failure.rule, "MESSAGE_TOO_BIG");
    assert.equal(await client.closed, 1009);
  });

  test("RFC 6455 §7.2.2 terminate() closes the connection without a close frame", async (context) => {
    const { client, ours } = await pair(context);
    ours.terminate();
    assert.equal(await client.closed, 1006);
  });

  test('terminate() in the "connection" listener closes the connection after the 101 response', async (context) => {
    const http = createServer();
    const server = new WebSocketServer({ server: http });
    const port = await listen(http);
    context.after(() => http.close());
    server.on("connection", (ours) => ours.terminate());
    const client = await new WebSocketClient(port).opened();
    assert.equal(await client.closed, 1006);
  });

  test('closes when its stream emits "error" without destroying itself', async (context) => {
    const server = new WebSocketServer({ noServer: true });
    const stream = new Duplex({
      autoDestroy: false,
      read: () => {},
      write: (_chunk, _encoding, done) => done(),
    });
    await acceptOver(context, server, stream);
    assert.equal(server.clients.size, 1);
    stream.emit("error", new Error("broken"));
    await until(() => server.clients.size === 0);
  });

  test("send() and ping() throw a NotOpenError when the connection is closing or closed", async (context) => {
    const { client, ours } = await pair(context);
    ours.close();
    const refused = (error: unknown): boolean =>
      error instanceof NotOpenError && error.code === "ERR_NOT_OPEN";
    assert.throws(() => ours.send("text"), refused);
    assert.throws(() => ours.send(Uint8Array.of(1)), refused);
    assert.throws(() => ours.ping(), refused);
    await client.closed;
    assert.throws(() => ours.send("text"), refused);
    ours.close();
  });

  test('send() returns false when the buffer is full, and "drain" is emitted when it is empty', async (context) => {
    const { client, ours } = await pair(context);
    client.socket.pause();
    const message = new Uint8Array(100_000);
    let sent = 1;
    while (ours.send(message)) {
      sent++;
      await new Promise(setImmediate);
    }
    assert.ok(ours.bufferedAmount > 0);
    const drained = new Promise((resolve) => ours.once("drain", (...args) => resolve(args)));
    client.socket.resume();
    assert.deepEqual(await drained, []);
    assert.equal(ours.bufferedAmount, 0);
    for (let i = 0; i < sent; i++) {
      const received = await client.next();
      assert.equal(received.length, message.length);
    }
  });

  test("is in `clients` of its own server, and not of another server", async (context) => {
    const [a, b] = await Promise.all([serveWebSocket(context), serveWebSocket(context)]);
    const client = new WebSocketClient(a.port, "/");
    await Promise.all([connection(a.server), client.opened()]);
    assert.equal(a.server.clients.size, 1);
    assert.equal(b.server.clients.size, 0);
    assert.notEqual(a.port, b.port);
  });
});

test("examples/echo sends each message back", async (context) => {
  const example = spawn(process.execPath, ["--import", "tsx", "examples/echo/server.ts"], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => example.kill());
  const [line] = await once(example.stdout, "data");
  const client = new WebSocketClient(Number(/port: (\d+)/.exec(`${line}`)?.[1]), "/");
  await client.opened();
  client.send("hello");
  assert.equal(await client.next(), "hello");
});
