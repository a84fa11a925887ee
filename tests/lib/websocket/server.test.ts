// `barewire/websocket`, as its users meet it; the client is that of `ws`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
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
import { connection, serveWebSocket } from "../../support/web-socket-server.ts";

/** A client and the server's end of the same connection. */
async function pair(
  context: TestContext,
  options: Parameters<typeof serveWebSocket>[1] = {},
): Promise<{ server: WebSocketServer; client: WebSocketClient; ours: WebSocketConnection }> {
  const { server, port } = await serveWebSocket(context, options);
  const client = new WebSocketClient(port, "/");
  const [ours] = await Promise.all([connection(server), client.opened()]);
  return { server, client, ours };
}

describe("WebSocketServer", () => {
  test("wants exactly one of server, port and noServer", () => {
    const server = createServer();
    for (const options of [{}, { port: 0, noServer: true }, { server, port: 0 }]) {
      assert.throws(() => new WebSocketServer(options), TypeError);
    }
  });

  test("with a port: listens, serves, tells others to upgrade, and closes", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    await new Promise<void>((resolve) => server.once("listening", resolve));
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
    assert.equal(answer.headers.upgrade, "websocket");

    const log: string[] = [];
    server.on("close", () => log.push("close"));
    await server.close();
    assert.equal(await client.closed, 1001);
    assert.deepEqual(log, ["close"]);
    assert.equal(server.clients.size, 0);
    await server.close();
    assert.deepEqual(log, ["close"]);
    assert.equal(server.address(), null);
  });

  test("a port that is taken is an error event", async (context) => {
    const http = createServer();
    const port = await listen(http);
    context.after(() => http.close());
    const server = new WebSocketServer({ port, host: "127.0.0.1" });
    const error = await new Promise<Error>((resolve) => server.once("error", resolve));
    assert.equal("code" in error && error.code, "EADDRINUSE");
    await server.close();
  });

  test("with a path: leaves other paths to other listeners", async (context) => {
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
  });

  test("with noServer: answers the upgrades that it is given", async (context) => {
    const server = new WebSocketServer({ noServer: true });
    assert.equal(server.address(), null);
    const http = createServer().on("upgrade", (request, socket, head) =>
      server.handleUpgrade(request, socket, head),
    );
    const port = await listen(http);
    context.after(() => http.close());
    server.on("connection", (ours, request: IncomingMessage) => ours.send(request.url ?? ""));
    const client = new WebSocketClient(port, "/given");
    assert.equal(await client.next(), "/given");
    await server.close();
    assert.equal(await client.closed, 1001);
    // Whoever comes now is told that nobody is here.
    const late = new TcpClient(port).write(upgradeRequest("/"));
    assert.match((await late.closed).toString(), /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  });

  describe("RFC 6455 §10.2 asks verify() before the 101", () => {
    const answers = [
      { does: "false is 403", verify: () => false, gives: [403, ""] },
      { does: "a promise of false is 403", verify: async () => false, gives: [403, ""] },
      {
        does: "a Refusal is what it says",
        verify: () => ({ status: 401, message: "who?" }),
        gives: [401, "who?"],
      },
      { does: "a Refusal without a status is 403", verify: () => ({}), gives: [403, ""] },
    ] as const;
    for (const { does, verify, gives } of answers) {
      test(does, async (context) => {
        const { port, server } = await serveWebSocket(context, { verify });
        server.on("connection", () => assert.fail("it was refused"));
        const client = new TcpClient(port).write(upgradeRequest("/"));
        const [head = "", body] = (await client.closed).toString().split("\r\n\r\n");
        assert.deepEqual([Number(head.split(" ")[1]), body], gives);
      });
    }

    test("true, at once or later, is a connection; the request says for whom", async (context) => {
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
        assert.match((await client.closed).toString(), /^HTTP\/1\.1 500 /);
        const [error, request] = await failed;
        assert.equal(error, mistake);
        assert.equal(request.url, "/");
      });
    }

    test("who has left meanwhile, or comes when all is closed, is no connection", async (context) => {
      const decide: ((verdict: boolean) => void)[] = [];
      const { server, port } = await serveWebSocket(context, {
        verify: () => new Promise((resolve) => decide.push(resolve)),
      });
      server.on("connection", () => assert.fail("nobody should come"));
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
      assert.match((await other.closed).toString(), /^HTTP\/1\.1 503 /);
      await Promise.all(upgrades);
    });
  });

  describe("RFC 6455 §10.2 admits pages by their origin", () => {
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
      "no option":                     { options: {},                                        admits: [undefined, own],       refuses: [page, "https://own.example", "null"] },
      '"*"':                           { options: { origins: "*" },                          admits: [undefined, own, page, "null"], refuses: [] },
      "a list":                        { options: { origins: [page] },                       admits: [undefined, page],      refuses: [own, "null"] },
      "a function that answers later": { options: { origins: async (origin) => origin === page }, admits: [undefined, page], refuses: [own] },
      "a function that throws":        { options: { origins: mistake },                      admits: [undefined],            refuses: [own, page] },
      "a function that rejects":       { options: { origins: async () => mistake() },        admits: [undefined],            refuses: [own, page] },
      "verify, which is asked behind": { options: { verify: ({ headers }) => headers.origin !== own }, admits: [undefined], refuses: [own, page] },
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

    test("behind a proxy on the same machine that ends TLS", async (context) => {
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

  describe("agrees on a subprotocol", () => {
    const choices = [
      { does: "the first offered of those in the list", protocols: ["b", "c"], gives: "b" },
      { does: "none where none is in the list", protocols: ["x"], gives: "" },
      { does: "what a function chooses", protocols: () => "c", gives: "c" },
      { does: "none where a function chooses none", protocols: () => undefined, gives: "" },
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
  test("tells of messages, pings and pongs, and answers pings", async (context) => {
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

  test("sends strings, bytes and buffers", async (context) => {
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

  test("what is written in one turn leaves in one piece", async (context) => {
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

  test("RFC 6455 §7.1.2 closes with a code and a reason, and throws for what no close frame may say", async (context) => {
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

  test("CVE-2026-45736: what is no bytes, and no string as a reason, throws and is not sent", async (context) => {
    const { client, ours } = await pair(context);
    client.socket.on("ping", () => assert.fail("it was sent"));
    for (const [name, ...args] of [
      ["ping", 100],
      ["ping", { length: 100 }],
      // Rounded in some places only, a byte would remain unwritten.
      ["ping", { length: 5.5 }],
      ["send", 1_000_000],
      ["send", { length: 1_000_000_000 }],
      ["send", { length: 5.5 }],
      ["close", 1000, 100],
      ["close", 1000, new Uint8Array(100)],
      ["close", 1000, { length: 100 }],
    ] as const) {
      assert.throws(() => Reflect.apply(ours[name], ours, args), TypeError);
    }
    ours.send("end");
    assert.equal(await client.next(), "end");
  });

  test("RFC 6455 §7.1.5 says what the peer's close frame said", async (context) => {
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

  test("RFC 6455 §7.1.7 the peer's mistake closes with the rule's code, and is named", async (context) => {
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

  test("RFC 6455 §7.2.2 terminate() ends it at once", async (context) => {
    const { client, ours } = await pair(context);
    ours.terminate();
    assert.equal(await client.closed, 1006);
  });

  test("terminate() in its first turn ends what was opened", async (context) => {
    const http = createServer();
    const server = new WebSocketServer({ server: http });
    const port = await listen(http);
    context.after(() => http.close());
    server.on("connection", (ours) => ours.terminate());
    const client = await new WebSocketClient(port).opened();
    assert.equal(await client.closed, 1006);
  });

  test("a stream that does not end of itself with its error is ended", async (context) => {
    const server = new WebSocketServer({ noServer: true });
    const stream = new Duplex({
      autoDestroy: false,
      read: () => {},
      write: (_chunk, _encoding, done) => done(),
    });
    const http = createServer().on("upgrade", (request, socket, head) => {
      server.handleUpgrade(request, stream, head);
      socket.destroy();
    });
    const port = await listen(http);
    context.after(() => http.close());
    const accepted = new Promise((resolve) => server.once("connection", resolve));
    new TcpClient(port).write(upgradeRequest("/"));
    await accepted;
    stream.emit("error", new Error("broken"));
    await until(() => server.clients.size === 0);
  });

  test("nothing can be sent when it is closing or closed", async (context) => {
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

  test("send() says when to wait, and `drain` when to go on", async (context) => {
    const { client, ours } = await pair(context);
    client.socket.pause();
    const message = new Uint8Array(100_000);
    let sent = 1;
    while (ours.send(message)) {
      sent++;
      await new Promise(setImmediate);
    }
    assert.ok(ours.bufferedAmount > 0);
    const drained = new Promise<void>((resolve) => ours.once("drain", resolve));
    client.socket.resume();
    await drained;
    assert.equal(ours.bufferedAmount, 0);
    for (let i = 0; i < sent; i++) {
      const received = await client.next();
      assert.equal(received.length, message.length);
    }
  });

  test("two servers do not share clients", async (context) => {
    const [a, b] = await Promise.all([serveWebSocket(context), serveWebSocket(context)]);
    const client = new WebSocketClient(a.port, "/");
    await Promise.all([connection(a.server), client.opened()]);
    assert.equal(a.server.clients.size, 1);
    assert.equal(b.server.clients.size, 0);
    assert.notEqual(a.port, b.port);
  });
});

test("examples/echo answers what it is sent", async (context) => {
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
