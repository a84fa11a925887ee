// Compiles the programs of docs/how-to/ under `strict`, and checks the behaviour that each page describes.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { createServer, Server as HttpServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { after, describe, type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";

import { transformSync } from "esbuild";
import { SignJWT } from "jose";
import { WebSocket as WsClient, WebSocketServer as WsServer } from "ws";

import { type ClientOptions, io as connect, type Socket } from "../client/index.ts";
import { type Namespace, ParentNamespace, Server } from "../server.ts";
import { Clock } from "./support/clock.ts";
import { COMPONENT_LIBRARIES, ComponentPage } from "./support/component-page.ts";
import { closeServers, lastServer } from "./support/docs-entry.ts";
import { ENVIRONMENT } from "./support/environment.ts";
import { BROWSER_MODULES, HOW_TOS, HowTos } from "./support/how-to.ts";
import { portOf, serve, TcpClient, turn, until, upgradeRequest } from "./support/net.ts";

const ROOT = join(import.meta.dirname, "..");
const pages = new HowTos();
after(() => pages.remove());

/** Returns a client of the server on this port. The client is disconnected when the test ends. */
function clientOf(context: TestContext, port: number, options: ClientOptions = {}): Socket {
  const socket = connect(`http://127.0.0.1:${port}`, { forceNew: true, ...options });
  context.after(() => socket.disconnect());
  return socket;
}

/** Resolves to the arguments of the socket's next event of that name. */
function next(socket: Socket, event: string): Promise<unknown[]> {
  return new Promise((resolve) => socket.once(event, (...args: unknown[]) => resolve(args)));
}

/** Resolves to the message of the error with which the server rejects the client. */
async function refusalOf(socket: Socket): Promise<string> {
  const [error] = await next(socket, "connect_error");
  return error instanceof Error ? error.message : `${error}`;
}

/** Returns a function that a program of the page exports. */
function exported<F>(module: Readonly<Record<string, unknown>>, name: string): F {
  const value = module[name];
  assert.ok(isFunction<F>(value), `the page exports ${name}()`);
  return value;
}

function isFunction<F>(value: unknown): value is F {
  return typeof value === "function";
}

/** Runs chat.test.ts of a folder in its own process. Returns the output. */
function runTests(folder: string): string {
  const args = ["--import", "tsx", "--test-reporter=tap", join(folder, "chat.test.ts")];
  const { stdout } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    env: ENVIRONMENT,
    encoding: "utf8",
    timeout: 60_000,
  });
  return stdout;
}

function isClass<Instance>(value: unknown): value is new (...args: unknown[]) => Instance {
  return typeof value === "function";
}

const TESTS: Readonly<Record<string, () => void>> = {
  "authentication-jwt": () => {
    process.env.JWT_SECRET = "sixty-four bytes, so that it is a secret for HS512 as for HS256!";
    const sign = (
      claims: { sub?: string },
      { secret = process.env.JWT_SECRET, issued = "0s", expires = "10m", alg = "HS256" } = {},
    ): Promise<string> =>
      new SignJWT(claims)
        .setProtectedHeader({ alg })
        .setIssuedAt(issued)
        .setExpirationTime(expires)
        .sign(new TextEncoder().encode(secret));

    test("the server knows the user of a valid token", async (context) => {
      const port = await pages.serve(context, "authentication-jwt");
      const socket = clientOf(context, port, { auth: { token: await sign({ sub: "ada" }) } });
      assert.equal(await socket.emitWithAck("who am I"), "ada");
    });

    const REFUSED: Readonly<Record<string, () => unknown>> = {
      "no token": () => undefined,
      "a token that is not a string": () => ({ toString: () => "x" }),
      "a token signed with another secret": () => sign({ sub: "ada" }, { secret: "x".repeat(32) }),
      "a token with another algorithm": () => sign({ sub: "ada" }, { alg: "HS512" }),
      "a token without a signature": async () => {
        const [, claims] = (await sign({ sub: "ada" })).split(".");
        return `${Buffer.from('{"alg":"none"}').toString("base64url")}.${claims}.`;
      },
      "an expired token": () => sign({ sub: "ada" }, { expires: "-1s" }),
      "a token issued two hours ago": () => sign({ sub: "ada" }, { issued: "-2h" }),
      "a token without a user": () => sign({}),
    };
    for (const [name, tokenOf] of Object.entries(REFUSED)) {
      test(`the server rejects ${name}`, async (context) => {
        const port = await pages.serve(context, "authentication-jwt");
        const socket = clientOf(context, port, { auth: { token: await tokenOf() } });
        assert.equal(await refusalOf(socket), "invalid token");
      });
    }

    test("a client is disconnected when its token expires, and connects again with a new token", async (context) => {
      const clock = new Clock(context);
      const port = await pages.serve(context, "authentication-jwt");
      const client = await pages.import("authentication-jwt", "client.ts", port);
      const connectWith = exported<(fetchToken: () => Promise<string>) => Socket>(
        client,
        "connect",
      );
      let fetched = 0;
      const socket = connectWith(async () => sign({ sub: `ada ${++fetched}` }, { expires: "20s" }));
      context.after(() => socket.disconnect());
      assert.equal(await socket.emitWithAck("who am I"), "ada 1");
      const disconnected = next(socket, "disconnect");
      clock.tick(20_000);
      assert.equal((await disconnected)[0], "io server disconnect");
      assert.equal(await socket.emitWithAck("who am I"), "ada 2");
    });

    test('a client without a token is rejected, and prints "log in again"', async (context) => {
      const error = context.mock.method(console, "error", () => {});
      const port = await pages.serve(context, "authentication-jwt");
      const client = await pages.import("authentication-jwt", "client.ts", port);
      const connectWith = exported<(fetchToken: () => Promise<string>) => Socket>(
        client,
        "connect",
      );
      const socket = connectWith(() => Promise.reject(new Error("offline")));
      context.after(() => socket.disconnect());
      assert.equal(await refusalOf(socket), "invalid token");
      assert.deepEqual(error.mock.calls[0]?.arguments, ["log in again"]);
    });
  },

  "session-cookies": () => {
    process.env.SESSION_SECRET = "a secret";
    const logIn = async (port: number): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${port}/login`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: '{ "user": "ada" }',
      });
      assert.equal(response.status, 200);
      return /^[^;]+/.exec(response.headers.get("set-cookie") ?? "")?.[0] ?? "";
    };

    test("the server knows the user of a logged-in session, over both transports", async (context) => {
      const port = await pages.serve(context, "session-cookies");
      const extraHeaders = { Cookie: await logIn(port) };
      for (const transport of ["polling", "websocket"] as const) {
        const socket = clientOf(context, port, { transports: [transport], extraHeaders });
        assert.equal(await socket.emitWithAck("who am I"), "ada");
      }
    });

    test("the server rejects a client without a session, and a client with a forged cookie", async (context) => {
      const port = await pages.serve(context, "session-cookies");
      assert.equal(await refusalOf(clientOf(context, port)), "not logged in");
      const extraHeaders = { Cookie: (await logIn(port)).replace(/.$/, "") };
      assert.equal(await refusalOf(clientOf(context, port, { extraHeaders })), "not logged in");
    });

    test("a page of another origin cannot use the cookie", async (context) => {
      const port = await pages.serve(context, "session-cookies");
      const extraHeaders = { Cookie: await logIn(port), Origin: "https://evil.test" };
      for (const transport of ["polling", "websocket"] as const) {
        const socket = clientOf(context, port, { transports: [transport], extraHeaders });
        assert.notEqual(await refusalOf(socket), "not logged in");
        assert.equal(socket.connected, false);
      }
    });

    test("logging out disconnects the sockets of the session", async (context) => {
      const port = await pages.serve(context, "session-cookies");
      const Cookie = await logIn(port);
      const socket = clientOf(context, port, { extraHeaders: { Cookie } });
      await next(socket, "connect");
      const disconnected = next(socket, "disconnect");
      const options = { method: "POST", headers: { Cookie } };
      assert.equal((await fetch(`http://127.0.0.1:${port}/logout`, options)).status, 204);
      assert.equal((await disconnected)[0], "io server disconnect");
      socket.connect();
      assert.equal(await refusalOf(socket), "not logged in");
    });
  },

  "http-frameworks": () => {
    for (const framework of ["express", "fastify", "hono", "koa"]) {
      test(`${framework}: the framework serves its own routes, and clients connect over both transports`, async (context) => {
        const port = await pages.serve(context, "http-frameworks", `${framework}.ts`);
        const hello = await fetch(`http://127.0.0.1:${port}/hello`);
        assert.deepEqual([hello.status, await hello.text()], [200, "hello"]);
        const other = await fetch(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=other`);
        assert.deepEqual(await other.json(), { code: 0, message: "Transport unknown" });
        for (const transport of ["polling", "websocket"] as const) {
          const socket = clientOf(context, port, { transports: [transport] });
          assert.equal(await socket.emitWithAck("echo", "hi"), "hi");
          assert.equal(socket.io.engine.transport.name, transport);
        }
        const upgrading = clientOf(context, port);
        await next(upgrading, "connect");
        await until(() => upgrading.io.engine.transport.name === "websocket");
        assert.equal(await upgrading.emitWithAck("echo", "hi"), "hi");
      });
    }
  },

  nestjs: () => {
    interface Application {
      close(): Promise<void>;
    }

    /** Starts the application of the page. esbuild is needed because the application uses decorators. */
    async function start(context: TestContext): Promise<{ port: number; app: Application }> {
      const compilerOptions = { experimentalDecorators: true };
      const folder = pages.copy("nestjs", {
        edit: (code) =>
          transformSync(code, { loader: "ts", tsconfigRaw: { compilerOptions } }).code,
      });
      const main: { app: Application } = await import(pathToFileURL(join(folder, "main.ts")).href);
      context.after(closeServers);
      const http = lastServer()?.httpServer;
      assert.ok(http !== undefined);
      return { port: portOf(http), app: main.app };
    }

    test("the return value of a gateway's handler is sent as the acknowledgement, or as an event", async (context) => {
      const { port, app } = await start(context);
      context.after(() => app.close());
      const ada = clientOf(context, port);
      const bob = clientOf(context, port);
      await next(bob, "connect");
      const said = next(bob, "said");
      assert.equal(await ada.emitWithAck("say", "hello"), "delivered: hello");
      assert.deepEqual(await said, ["hello"]);
      const time = next(ada, "time");
      ada.emit("time");
      assert.deepEqual(await time, [12]);
    });

    test("app.close() disconnects the clients", async (context) => {
      const { port, app } = await start(context);
      const socket = clientOf(context, port, { reconnection: false });
      await next(socket, "connect");
      const disconnected = next(socket, "disconnect");
      await app.close();
      await disconnected;
    });

    test("gateways on one port share one server, and each gateway has its own namespace", async (context) => {
      context.after(closeServers);
      interface Adapter {
        create(port: number, options?: object): Server | Namespace;
      }
      const { BarewireAdapter } = await pages.import("nestjs", "barewire-adapter.ts");
      assert.ok(isClass<Adapter>(BarewireAdapter));
      const adapter = new BarewireAdapter(createServer());
      const server = adapter.create(0, { pingInterval: 1000 });
      assert.ok(server instanceof Server);
      assert.equal(adapter.create(0, { namespace: "/admin", server }), server.of("/admin"));
      const parent = adapter.create(0, { namespace: /^\/room-/, server });
      assert.ok(parent instanceof ParentNamespace);
    });
  },

  uploads: () => {
    type Upload = (
      socket: Socket,
      file: Blob,
      onProgress: (done: number) => void,
    ) => Promise<string>;
    const pathOf = (id: unknown): string => join(tmpdir(), `upload-${id}`);

    async function serveUploads(context: TestContext): Promise<{ socket: Socket; upload: Upload }> {
      const port = await pages.serve(context, "uploads");
      const client = await pages.import("uploads", "client.ts", port);
      return { socket: clientOf(context, port), upload: exported<Upload>(client, "upload") };
    }

    test("a file arrives unchanged, and the client sees the progress", async (context) => {
      const { socket, upload } = await serveUploads(context);
      const bytes = randomBytes(1_000_000);
      const progress: number[] = [];
      const id = await upload(socket, new Blob([bytes]), (done) => progress.push(done));
      context.after(() => rm(pathOf(id)));
      assert.deepEqual(await readFile(pathOf(id)), bytes);
      assert.deepEqual(
        progress,
        [262_144, 524_288, 786_432, 1_000_000].map((n) => n / 1_000_000),
      );
      // The server stores the second file as a new upload.
      const second = await upload(socket, new Blob(["hi"]), () => {});
      context.after(() => rm(pathOf(second)));
      assert.equal(await readFile(pathOf(second), "utf8"), "hi");
    });

    test("chunks sent without waiting are written in order", async (context) => {
      const { socket } = await serveUploads(context);
      const { id } = await socket.emitWithAck("upload:start", 8);
      context.after(() => rm(pathOf(id)));
      const chunks = ["ab", "cd", "ef", "gh"].map((text) =>
        socket.emitWithAck("upload:chunk", Buffer.from(text)),
      );
      const written = (await Promise.all(chunks)).map((answer) => answer.written);
      assert.equal(Math.max(...written), 8);
      assert.equal(await readFile(pathOf(id), "utf8"), "abcdefgh");
    });

    test("the server rejects invalid sizes, invalid chunks and concurrent uploads", async (context) => {
      const { socket, upload } = await serveUploads(context);
      const chunk = (bytes: unknown) => socket.emitWithAck("upload:chunk", bytes);
      assert.deepEqual(await chunk(Buffer.from("x")), { error: "no upload is under way" });
      for (const size of ["5", 1.5, 0, 1e9, null]) {
        assert.deepEqual(await socket.emitWithAck("upload:start", size), { error: "invalid size" });
      }
      await assert.rejects(
        upload(socket, new Blob([]), () => {}),
        { message: "invalid size" },
      );
      const starts = [2, 2].map((size) => socket.emitWithAck("upload:start", size));
      const [{ id }, second] = await Promise.all(starts);
      assert.match(id, /./);
      assert.deepEqual(second, { error: "an upload is under way" });
      assert.deepEqual(await chunk("text"), { error: "invalid chunk" });
      assert.deepEqual(await chunk(Buffer.from("abc")), { error: "invalid chunk" });
      assert.deepEqual(await chunk(Buffer.from("ab")), { written: 2 });
      await rm(pathOf(id));
    });

    test("an interrupted upload rejects on the client, and its file is removed", async (context) => {
      const { socket, upload } = await serveUploads(context);
      const folder = new Set(await readdir(tmpdir()));
      const rest = async (): Promise<string[]> =>
        (await readdir(tmpdir())).filter((name) => /^upload-/.test(name) && !folder.has(name));
      const file = new Blob([randomBytes(1_000_000)]);
      const failed = upload(socket, file, () => lastServer()?.disconnectSockets(true));
      // The next chunk fails in one of two ways. It was sent over the old connection, which is closed. Or it is sent
      // over the new connection, on which the server does not know the upload.
      socket.on("disconnect", () => socket.connect());
      await assert.rejects(failed, /^DisconnectedError|no upload is under way$/);
      while ((await rest()).length > 0) await turn();
    });
  },

  presence: () => {
    type Watch = (socket: Socket, onChange: (users: ReadonlySet<string>) => void) => void;

    /** Opens a tab of a user. Returns the tab's socket, and the users that the tab shows. */
    async function openTab(context: TestContext, port: number, user: string) {
      const client = await pages.import("presence", "client.ts", port);
      const socket = clientOf(context, port, { auth: { user } });
      const shown: string[] = [];
      exported<Watch>(client, "watchPresence")(socket, (users) => {
        shown.splice(0, shown.length, ...users);
      });
      await next(socket, "presence:list");
      return { socket, shown };
    }

    test("a user is shown as offline five seconds after their last tab was closed", async (context) => {
      const clock = new Clock(context);
      const port = await pages.serve(context, "presence");
      const ada = await openTab(context, port, "ada");
      assert.deepEqual(ada.shown, ["ada"]);
      const online = next(ada.socket, "presence:online");
      const bob = await openTab(context, port, "bob");
      await online;
      assert.deepEqual(bob.shown, ["ada", "bob"]);
      const events: unknown[] = [];
      for (const event of ["presence:online", "presence:offline"]) {
        ada.socket.on(event, (user: unknown) => events.push([event, user]));
      }
      const second = await openTab(context, port, "bob");
      bob.socket.disconnect();
      second.socket.disconnect();
      await until(() => lastServer()?.stats().sockets["/"] === 1);
      clock.tick(4999);
      // Bob reconnects within five seconds, so no tab receives an event about him.
      const third = await openTab(context, port, "bob");
      clock.tick(1);
      assert.deepEqual(third.shown, ["ada", "bob"]);
      third.socket.disconnect();
      await until(() => lastServer()?.stats().sockets["/"] === 1);
      const offline = next(ada.socket, "presence:offline");
      clock.tick(5000);
      assert.deepEqual(await offline, ["bob"]);
      assert.deepEqual(ada.shown, ["ada"]);
      assert.deepEqual(events, [["presence:offline", "bob"]]);
    });

    test("other users see when a user comes online", async (context) => {
      const port = await pages.serve(context, "presence");
      const ada = await openTab(context, port, "ada");
      const online = next(ada.socket, "presence:online");
      await openTab(context, port, "bob");
      assert.deepEqual(await online, ["bob"]);
      assert.deepEqual(ada.shown, ["ada", "bob"]);
    });
  },

  "private-messages": () => {
    type Show = (socket: Socket, show: (message: unknown) => void) => void;
    type Send = (socket: Socket, to: string, text: string) => Promise<number>;

    test("a message reaches all tabs of its recipient and the other tabs of its sender, and no other user", async (context) => {
      const port = await pages.serve(context, "private-messages");
      const client = await pages.import("private-messages", "client.ts", port);
      const send = exported<Send>(client, "sendMessage");
      const shown: unknown[] = [];
      const sockets = ["ada", "ada", "bob", "bob", "eve"].map((user, index) => {
        const socket = clientOf(context, port, { auth: { user } });
        exported<Show>(client, "showMessages")(socket, (message) =>
          shown.push([user, index, message]),
        );
        return socket;
      });
      const [ada, ...others] = sockets;
      assert.ok(ada !== undefined);
      await Promise.all(sockets.map((socket) => next(socket, "connect")));
      assert.equal(await send(ada, "bob", "hello"), 2);
      // When a socket receives its acknowledgement, it has already received all earlier messages. So no message is in
      // transit after this loop.
      for (const socket of others) assert.equal(await send(socket, "nobody", "x"), 0);
      const message = { from: "ada", to: "bob", text: "hello" };
      const about = shown.filter((each) => JSON.stringify(each).includes("hello"));
      assert.deepEqual(about.sort(), [
        ["ada", 1, message],
        ["bob", 2, message],
        ["bob", 3, message],
      ]);
    });

    test("a client cannot send a message in the name of another user", async (context) => {
      const port = await pages.serve(context, "private-messages");
      const eve = clientOf(context, port, { auth: { user: "eve" } });
      const bob = clientOf(context, port, { auth: { user: "bob" } });
      await next(bob, "connect");
      const message = next(bob, "message");
      eve.emit("message:send", "bob", "hello", () => {});
      assert.deepEqual((await message)[0], { from: "eve", to: "bob", text: "hello" });
    });
  },

  testing: () => {
    test("the tests of testing.md pass, and one of them fails if the tested program is broken", async () => {
      assert.match(runTests(pages.copy("testing")), /^# pass 5$/m);
      const broken = pages.copy("testing", {
        edit: (code) => code.replace("socket.to(", "io.to("),
      });
      assert.match(runTests(broken), /^# fail 1$/m);
    });
  },

  "sans-io": () => {
    interface Events {
      onMessage(data: string | Uint8Array): void;
      onClose(code: number, reason: string, failure: Error | undefined): void;
    }
    interface Opened {
      send(data: string | Uint8Array): void;
      close(code?: number, reason?: string): void;
    }

    async function serveEcho(context: TestContext): Promise<number> {
      context.mock.method(console, "log", () => {});
      const { http } = await pages.import("sans-io", "server.ts");
      assert.ok(http instanceof HttpServer);
      if (!http.listening) await once(http, "listening");
      context.after(() => http.close());
      return portOf(http);
    }

    test("the client of sans-io.md exchanges messages with the server of sans-io.md", async (context) => {
      const port = await serveEcho(context);
      const client = await pages.import("sans-io", "client.ts");
      const open = exported<(url: string, events: Events) => Promise<Opened>>(client, "connect");
      const received: (string | Uint8Array)[] = [];
      const seen = new EventEmitter();
      const closed = once(seen, "close");
      const socket = await open(`http://127.0.0.1:${port}/`, {
        onMessage: (data) => {
          if (received.push(data) === 2) socket.close(4000, "bye");
        },
        onClose: (...args) => seen.emit("close", ...args),
      });
      socket.send("hällo");
      socket.send(Uint8Array.of(1, 2));
      assert.deepEqual(await closed, [4000, "", undefined]);
      assert.deepEqual(received, ["hällo", Uint8Array.of(1, 2)]);
      assert.throws(() => socket.send("x"), { code: "ERR_NOT_OPEN" });
    });

    test("the client of sans-io.md exchanges messages with a ws server, and its connect() rejects on a 404 response", async (context) => {
      const server = new WsServer({ port: 0, host: "127.0.0.1" });
      context.after(() => server.close());
      await once(server, "listening");
      server.on("connection", (socket) => socket.on("message", (data) => socket.send(`${data}!`)));
      const client = await pages.import("sans-io", "client.ts");
      const open = exported<(url: string, events: Events) => Promise<Opened>>(client, "connect");
      const seen = new EventEmitter();
      const message = once(seen, "message");
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      const url = `http://127.0.0.1:${address.port}/`;
      const socket = await open(url, {
        onMessage: (data) => seen.emit("message", data),
        onClose: () => {},
      });
      socket.send("hi");
      assert.deepEqual(await message, ["hi!"]);
      socket.close();
      const { port } = await serve(context);
      const refused = open(`http://127.0.0.1:${port}/`, { onMessage: () => {}, onClose: () => {} });
      await assert.rejects(refused, { message: "the server answered with status 404" });
    });

    test("the server of sans-io.md handles fragments, pings and close frames from a ws client", async (context) => {
      const client = new WsClient(`ws://127.0.0.1:${await serveEcho(context)}/`);
      await once(client, "open");
      client.ping("ping");
      assert.equal(`${(await once(client, "pong"))[0]}`, "ping");
      client.send("a".repeat(70_000), { fin: false });
      client.send("b", { fin: true });
      assert.equal(`${(await once(client, "message"))[0]}`, `${"a".repeat(70_000)}b`);
      client.close(1001);
      assert.equal((await once(client, "close"))[0], 1001);
    });

    test("the server of sans-io.md closes with 1002 on an unmasked frame, and with 1009 on a large message", async (context) => {
      const port = await serveEcho(context);
      const tcp = new TcpClient(port).write(upgradeRequest("/"));
      await tcp.until("\r\n\r\n");
      // An unmasked text frame: the server must close the connection.
      tcp.write(Buffer.from([0x81, 0x02, 0x68, 0x69]));
      const frames = (await tcp.closed).toString("latin1").split("\r\n\r\n")[1] ?? "";
      assert.equal(frames.slice(0, 1) + frames.slice(2, 4), "\x88\x03\xea");
      const large = new WsClient(`ws://127.0.0.1:${port}/`);
      await once(large, "open");
      large.on("error", () => {});
      large.send(Buffer.alloc(1024 * 1024 + 1));
      assert.equal((await once(large, "close"))[0], 1009);
    });

    test("the server of sans-io.md rejects a request without Sec-WebSocket-Key", async (context) => {
      const tcp = new TcpClient(await serveEcho(context));
      tcp.write("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
      assert.match(
        `${await tcp.closed}`,
        /^HTTP\/1\.1 400 Bad Request\r\n.*Sec-WebSocket-Key header$/s,
      );
    });

    test("the connection is closed ten seconds after an unanswered close frame", async (context) => {
      const module = await pages.import("sans-io", "websocket.ts");
      const clock = new Clock(context);
      const open = exported<(stream: Duplex, role: string, events: Events) => Opened>(
        module,
        "openWebSocket",
      );
      const stream = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
      const codes: unknown[] = [];
      const events: Events = { onMessage: () => {}, onClose: (code) => codes.push(code) };
      open(stream, "server", events).close();
      clock.tick(9999);
      await turn();
      assert.deepEqual(codes, []);
      clock.tick(1);
      await once(stream, "close");
      assert.deepEqual([codes, clock.timers], [[1006], 0]);
    });
  },
  ...Object.fromEntries(
    COMPONENT_LIBRARIES.map((library) => [
      library,
      () => {
        test("a mounted component shows each message once, and disconnects when it is unmounted", async (context) => {
          const { io, port } = await serve(context);
          io.on("connection", (socket) => {
            socket.on("message", (text) => io.emit("message", text));
          });
          const clients = (): number | undefined => io.stats().sockets["/"];
          const page = await ComponentPage.open(
            context,
            library,
            pages.copy(library, { modules: BROWSER_MODULES }),
            port,
          );
          page.mount();
          await page.status("online");
          await page.send("hello");
          await until(() => page.messages.length > 0);
          assert.deepEqual(page.messages, ["hello"]);

          page.unmount();
          await until(() => clients() === 0);
          assert.equal(page.listeners, 0);
          page.mount();
          await page.status("online");
          for (const text of ["again", "end"]) await page.send(text);
          await until(() => page.messages.includes("end"));
          assert.deepEqual(page.messages.slice(-2), ["again", "end"]);
          assert.equal(page.messages.filter((text) => text === "again").length, 1);

          io.disconnectSockets(true);
          await page.status("offline");
          page.unmount();
        });
      },
    ]),
  ),
};

describe("docs/how-to", () => {
  test("every program of the pages compiles", () => pages.compile());

  test("every page has tests", () => {
    assert.deepEqual(Object.keys(TESTS).sort(), [...HOW_TOS].sort());
  });

  for (const [page, tests] of Object.entries(TESTS))
    describe(`${page}.md`, { timeout: 60_000 }, tests);
});
