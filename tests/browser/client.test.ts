// Runs the bundled barewire client in a page, as a classic script and as a module.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { brotliDecompressSync, gzipSync } from "node:zlib";

import type { Browser, Page } from "playwright-core";

import { bundleClient } from "../../build/bundle.ts";
import { Outgoing } from "../../lib/engineio/outgoing.ts";
import * as parser from "../../protocol/socketio/msgpack-parser.ts";
import { Server, type ServerOptions } from "../../server.ts";
import { ELSEWHERE, launchChromium, noChromium } from "../support/chromium.ts";
import { listen, portOf, turn, until } from "../support/net.ts";
import { noNginx, startNginx } from "../support/nginx.ts";

/** The HTML of the pages by path. Each page consists of one script. */
const PAGES: Readonly<Record<string, string>> = {
  "/classic": '<script src="/socket.io.js"></script>',
  "/minified": '<script src="/socket.io.min.js"></script>',
  "/msgpack": '<script src="/socket.io.msgpack.min.js"></script>',
  "/module": '<script type="module" src="/module.js"></script>',
};
const SCRIPTS: Readonly<Record<string, string>> = {
  "/module.js": 'import io from "/socket.io.esm.min.js"; globalThis.io = io;',
  "/strict.js": `import io from "/socket.io.esm.min.js";
    const socket = io();
    socket.io.engine.on("upgrade", async () => {
      document.title = await socket.emitWithAck("echo", "under a strict policy");
    });`,
};
const STRICT = '<script type="module" src="/strict.js"></script>';
const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'";

// socket.io's Server declares types of its own, but has the members that are used here.
const { Server: Stock }: { Server: typeof Server } = createRequire(import.meta.url)("socket.io");

const STOCK_CLIENT = join(
  dirname(createRequire(import.meta.url).resolve("socket.io-client/package.json")),
  "dist",
);

/** Reads a file of the client. Most files exist only compressed with Brotli. */
function fileOf(folder: string, name: string): Buffer {
  const file = join(folder, name);
  return existsSync(file) ? readFileSync(file) : brotliDecompressSync(readFileSync(`${file}.br`));
}

describe("the barewire client in Chromium", { skip: noChromium }, () => {
  const folder = mkdtempSync(join(tmpdir(), "barewire-client-"));
  let browser: Browser;
  before(async () => {
    await bundleClient(folder);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  /** Starts a server and opens one of its pages. */
  async function open(
    context: TestContext,
    path: string,
    options: ServerOptions = {},
    Library: typeof Server = Server,
  ): Promise<{ io: Server; port: number; page: Page; errors: string[] }> {
    const http = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "", "http://x");
      const page = pathname === "/strict" ? STRICT : PAGES[pathname];
      response.setHeader("Content-Security-Policy", POLICY);
      if (pathname === "/favicon.ico") {
        response.writeHead(204).end();
      } else if (page !== undefined) {
        response.setHeader("Content-Type", "text/html").end(`<!doctype html>${page}`);
      } else {
        response.setHeader("Content-Type", "text/javascript");
        response.end(SCRIPTS[pathname] ?? fileOf(folder, pathname));
      }
    });
    const io = new Library(http, { serveClient: false, ...options });
    io.on("connection", (socket) => {
      socket.on("echo", (...args) => args.pop()(...args));
    });
    const port = await listen(http);
    // The tests run code in the page with eval(), which the policy forbids.
    const tabs = await browser.newContext({ bypassCSP: path !== "/strict" });
    const page = await tabs.newPage();
    page.setDefaultTimeout(15_000);
    const errors: string[] = [];
    page.on("pageerror", ({ message }) => errors.push(message));
    await page.goto(`http://127.0.0.1:${port}${path}`);
    if (path !== "/strict") await page.waitForFunction("typeof io === 'function'");
    context.after(async () => {
      await tabs.close();
      await io.close();
    });
    return { io, port, page, errors };
  }

  // The largest size of each file that pages download, compressed with gzip, in bytes.
  for (const [name, most] of [
    ["socket.io.esm.min.js", 13_400],
    ["socket.io.msgpack.min.js", 14_200],
  ] as const) {
    test(`${name} is at most ${most} bytes with gzip, and imports no node: module`, () => {
      const file = fileOf(folder, name);
      const { length } = gzipSync(file, { level: 9 });
      assert.ok(length <= most, `${length} bytes`);
      assert.ok(!file.includes("node:"));
    });
  }

  for (const [path, file] of [
    ["/classic", "socket.io.js"],
    ["/minified", "socket.io.min.js"],
    ["/msgpack", "socket.io.msgpack.min.js"],
    ["/module", "socket.io.js"],
  ] as const) {
    test(`${path}: io has every key that socket.io-client's ${file} has`, async (context) => {
      const { page } = await open(context, path);
      const ours = await page.evaluate<string[]>("Object.keys(io)");
      await page.addScriptTag({ path: join(STOCK_CLIENT, file) });
      const theirs = await page.evaluate<string[]>("Object.keys(io)");
      assert.ok(theirs.includes("Manager"));
      assert.deepEqual(
        theirs.filter((key) => !ours.includes(key)),
        [],
      );
    });
  }

  test("the module has every export of socket.io-client's module except WebTransport", async (context) => {
    const { page } = await open(context, "/module");
    const load = (name: string): string => `import(${name}).then((all) => Object.keys(all))`;
    const ours = await page.evaluate<string[]>(load('"/socket.io.esm.min.js"'));
    const code = readFileSync(join(STOCK_CLIENT, "socket.io.esm.min.js"), "utf8");
    const url = `URL.createObjectURL(new Blob([${JSON.stringify(code)}], { type: "text/javascript" }))`;
    const theirs = await page.evaluate<string[]>(load(url));
    const missing = theirs.filter((key) => !ours.includes(key));
    assert.deepEqual(missing, ["WebTransport"]);
  });

  for (const form of [
    "new io.Manager()",
    "new io.Manager({})",
    'new io.Manager({ path: "/socket.io" })',
    'new io.Manager("/")',
    'new io.Manager("//" + location.host)',
    "new io.Manager(location.host)",
    'new io.Manager("ws://" + location.host)',
    'new io.Manager(new URL("http://" + location.host))',
    "new io.Manager({ hostname: location.hostname, port: location.port })",
    "io.connect().io",
    'io.io("/", { forceNew: true }).io',
  ]) {
    test(`${form} connects to the server of the page`, async (context) => {
      const { page, errors } = await open(context, "/module");
      const answer = await page.evaluate(
        `${form}.socket("/").timeout(10_000).emitWithAck("echo", 7)`,
      );
      assert.equal(answer, 7);
      assert.deepEqual(errors, []);
    });
  }

  test("sends auth for one socket only, and the query of the shared connection for all namespaces", async (context) => {
    const { io, page } = await open(context, "/module");
    const seen: unknown[] = [];
    for (const name of ["/a", "/b"]) {
      io.of(name).on("connection", ({ handshake }) => {
        seen.push([name, handshake.auth, handshake.query.token]);
      });
    }
    const join = (namespace: string, options: object): Promise<unknown> =>
      page.evaluate(`new Promise((resolve) => {
        io(${JSON.stringify(namespace)}, ${JSON.stringify(options)}).on("connect", () => resolve());
      })`);
    await join("/a", { auth: { secret: 1 }, query: "token=a+b/c==" });
    await join("/b", {});
    assert.deepEqual(seen, [
      ["/a", { secret: 1 }, "a+b/c=="],
      ["/b", {}, "a+b/c=="],
    ]);
  });

  for (const path of Object.keys(PAGES)) {
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      test(`${path} sends and receives text and binary data over ${transports.join(" and ")}`, async (context) => {
        const options = path === "/msgpack" ? { parser } : {};
        const { io, page, errors } = await open(context, path, options);
        const given = await page.evaluate(
          `(async () => {
            const socket = io({ transports: ${JSON.stringify(transports)} });
            globalThis.socket = socket;
            const bytes = Uint8Array.of(1, 2, 255);
            const [text, back] = await new Promise((resolve, reject) => {
              socket.on("connect_error", reject);
              socket.emit("echo", "é日😀", { bytes: [bytes] }, (...args) => resolve(args));
            });
            const list = back.bytes[0];
            return [text, list.constructor.name, [...new Uint8Array(list)]];
          })()`,
        );
        const type = path === "/msgpack" ? "Uint8Array" : "ArrayBuffer";
        assert.deepEqual(given, ["é日😀", type, [1, 2, 255]]);
        const settled = transports.at(-1);
        await page.waitForFunction(`socket.io.engine.transport.name === "${settled}"`);
        await page.evaluate('socket.on("ask", (n, answer) => answer(n + 1))');
        const [socket] = io.sockets.sockets.values();
        assert.equal(await socket?.emitWithAck("ask", 6), 7);
        assert.deepEqual(errors, []);
      });
    }
  }

  for (const transports of [["polling"], ["websocket"]]) {
    test(`sends a Blob as binary data over ${transports}, before later events`, async (context) => {
      const { io, page, errors } = await open(context, "/module");
      const got: unknown[] = [];
      io.on("connection", (socket) => socket.on("n", (...args) => got.push(args)));
      await page.evaluate(
        `const socket = io({ transports: ${JSON.stringify(transports)} });
        socket.emit("n", new Blob(["a".repeat(100_000)]), { file: new File(["b"], "b.txt") });
        socket.emit("n", 2);`,
      );
      await until(() => got.length === 2);
      assert.deepEqual(got, [[Buffer.alloc(100_000, "a"), { file: Buffer.from("b") }], [2]]);
      assert.deepEqual(errors, []);
    });
  }

  for (const path of ["/classic", "/minified", "/module", "/msgpack"]) {
    test(`${path}: io() throws for invalid options, and sends no request`, async (context) => {
      const { io, page, errors } = await open(context, path, path === "/msgpack" ? { parser } : {});
      let requests = 0;
      io.engine.use((_request, _response, next) => {
        requests++;
        next();
      });
      const said = await page.evaluate(
        `[{ reconection: false }, { timeout: "20s" }, { agent: {}, ca: "pem" , autoConnect: false }].map((options) => {
          try {
            return typeof io(options);
          } catch ({ code, message }) {
            return [code, message];
          }
        })`,
      );
      const timeout = "timeout must be a number of milliseconds from 0 to 2147483647";
      assert.deepEqual(said, [
        ["ERR_INVALID_ARG_TYPE", 'unknown option "reconection"; did you mean "reconnection"?'],
        ["ERR_INVALID_ARG_TYPE", `${timeout}, got "20s"`],
        "object",
      ]);
      assert.equal(requests, 0);
      assert.deepEqual(errors, []);
    });
  }

  for (const path of ["/classic", "/minified", "/module", "/msgpack"]) {
    test(`${path}: a socket works inside a Proxy, in which some frameworks wrap it`, async (context) => {
      const { page, errors } = await open(context, path, path === "/msgpack" ? { parser } : {});
      const answer = await page.evaluate(
        `(async () => {
          const socket = new Proxy(io({ transports: ["websocket"] }), {});
          const first = await socket.timeout(10_000).emitWithAck("echo", 1);
          const again = new Promise((resolve) => socket.once("connect", resolve));
          socket.disconnect().connect();
          await again;
          return [first, await socket.emitWithAck("echo", 2), socket.listenersAny()];
        })()`,
      );
      assert.deepEqual(answer, [1, 2, []]);
      assert.deepEqual(errors, []);
    });
  }

  for (const path of ["/classic", "/minified", "/module"]) {
    for (const [packet, rule] of [
      ["43[]", "ACK has no id"],
      [`42["x",${"[".repeat(1200)}${"]".repeat(1200)}]`, "nested too deeply"],
      ["42[", "not JSON"],
      ["x", "packet type"],
    ] as const) {
      test(`${path}: the packet ${packet.slice(0, 8)} disconnects with "parse error" and names the error`, async (context) => {
        const { io, page, errors } = await open(context, path);
        io.on("connection", ({ conn }) => conn.transport.send(new Outgoing([packet], false)));
        const [reason, details] = await page.evaluate<[string, { description: string }]>(
          `new Promise((resolve) => io({ transports: ["websocket"], reconnection: false })
            .on("disconnect", (...args) => resolve(JSON.parse(JSON.stringify(args)))))`,
        );
        assert.equal(reason, "parse error");
        assert.ok(details.description.includes(rule), details.description);
        assert.deepEqual(errors, []);
      });
    }
  }

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`works with a socket.io server over ${transports.join(" and ")}: events, bytes, rejection, reconnection`, async (context) => {
      const options = { connectionStateRecovery: {} };
      const { io, page, errors } = await open(context, "/module", options, Stock);
      const got: unknown[] = [];
      io.on("connection", (socket) => socket.on("n", (n) => got.push(n)));
      io.of("/admin").use((socket, next) => {
        const error = Object.assign(new Error("not you"), { data: socket.handshake.auth });
        next(socket.handshake.auth.token === "right" ? undefined : error);
      });
      const settings = JSON.stringify({ transports, reconnectionDelay: 10 });
      const seen = await page.evaluate(
        `(async () => {
          const socket = io(${settings});
          globalThis.socket = socket;
          globalThis.news = [];
          socket.on("news", (n) => news.push(n));
          const bytes = Uint8Array.of(1, 2, 255);
          const [text, back] = await new Promise((resolve) =>
            socket.emit("echo", "é日😀", { bytes }, (...args) => resolve(args)));
          const refused = await new Promise((resolve) =>
            socket.io.socket("/admin", { auth: { token: "wrong" } }).on("connect_error", resolve));
          return [text, [...new Uint8Array(back.bytes)], refused.message, refused.data];
        })()`,
      );
      assert.deepEqual(seen, ["é日😀", [1, 2, 255], "not you", { token: "wrong" }]);
      await page.waitForFunction(`socket.io.engine.transport.name === "${transports.at(-1)}"`);
      io.emit("news", 1);
      await page.waitForFunction("news.length === 1");
      await page.evaluate(
        `void socket.once("disconnect", () => {
          for (let n = 0; n < 5; n++) socket.emit("n", n);
        })`,
      );
      const [socket] = io.sockets.sockets.values();
      socket?.conn.close();
      await until(() => got.length === 5);
      assert.deepEqual(got, [0, 1, 2, 3, 4]);
      io.emit("news", 2);
      await page.waitForFunction("news.length === 2");
      await page.evaluate(
        'void socket.on("disconnect", (reason) => { globalThis.left = reason; })',
      );
      io.sockets.disconnectSockets();
      await page.waitForFunction('globalThis.left === "io server disconnect"');
      assert.deepEqual(errors, []);
    });
  }

  for (const transports of [["websocket"], ["polling"]]) {
    test(`over ${transports}, closing one of two tabs leaves the other tab connected`, async (context) => {
      const { io, page, errors } = await open(context, "/module");
      const options = JSON.stringify({ transports, closeOnBeforeunload: true });
      const other = await page.context().newPage();
      await other.goto(page.url());
      await other.waitForFunction("typeof io === 'function'");
      const join = `new Promise((resolve) => {
        globalThis.socket = io(${options}).on("connect", () => resolve(socket.id));
      })`;
      const [first, second] = [await page.evaluate(join), await other.evaluate(join)];
      assert.notEqual(first, second);
      await other.close({ runBeforeUnload: true });
      await until(() => io.sockets.sockets.size === 1);
      assert.equal(await page.evaluate('socket.emitWithAck("echo", 1)'), 1);
      assert.deepEqual(errors, []);
    });
  }

  test("connects and upgrades under a strict Content Security Policy", async (context) => {
    const { page, errors } = await open(context, "/strict");
    while ((await page.title()) === "") await turn();
    assert.equal(await page.title(), "under a strict policy");
    assert.deepEqual(errors, []);
  });

  test('buffers while disconnected, and on the "online" event reconnects at once and recovers missed events', async (context) => {
    const { io, page, errors } = await open(context, "/module", { connectionStateRecovery: {} });
    const got: unknown[] = [];
    io.on("connection", (socket) => socket.on("n", (n) => got.push(n)));
    await page.evaluate(
      `(async () => {
        globalThis.log = [];
        globalThis.socket = io({ reconnectionDelay: 600000, reconnectionDelayMax: 600000 });
        socket.on("news", (n) => log.push(n));
        socket.on("disconnect", (reason) => log.push(reason));
        await new Promise((resolve) => socket.on("connect", resolve));
      })()`,
    );
    const [first] = io.sockets.sockets.values();
    await page.evaluate("socket.io.engine.close()");
    await until(() => first?.connected === false);
    io.emit("news", 1);
    await page.evaluate('socket.emit("n", 7)');
    // The next attempt would be in ten minutes, but the "online" event starts it at once.
    await page.evaluate('dispatchEvent(new Event("online"))');
    await page.waitForFunction("log.length === 2");
    assert.deepEqual(await page.evaluate("log"), ["forced close", 1]);
    await until(() => got.length === 1);
    assert.deepEqual(got, [7]);
    assert.equal(await page.evaluate("socket.recovered"), true);
    assert.deepEqual(errors, []);
  });

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`disconnects when the network is lost, and recovers when it is back, over ${transports.join(" and ")}`, async (context) => {
      const { io, port, page, errors } = await open(context, "/module", {
        connectionStateRecovery: {},
      });
      await page.goto(`http://${ELSEWHERE}:${port}/module`);
      await page.waitForFunction("typeof io === 'function'");
      const got: unknown[] = [];
      io.on("connection", (socket) => socket.on("n", (n) => got.push(n)));
      await page.evaluate(
        `(async () => {
          globalThis.log = [];
          globalThis.socket = io(${JSON.stringify({ transports, reconnectionDelay: 600_000, reconnectionDelayMax: 600_000 })});
          socket.on("news", (n) => log.push(n));
          socket.on("disconnect", (reason, { description }) => log.push(reason, description));
          await new Promise((resolve) => socket.on("connect", resolve));
        })()`,
      );
      await page.waitForFunction(`socket.io.engine.transport.name === "${transports.at(-1)}"`);
      await page.context().setOffline(true);
      await page.waitForFunction("!socket.connected");
      await until(() => io.sockets.sockets.size === 0);
      io.emit("news", 1);
      await page.evaluate('socket.emit("n", 7)');
      await page.context().setOffline(false);
      await page.waitForFunction("log.length === 3");
      const expected = ["transport close", "network connection lost", 1];
      assert.deepEqual(await page.evaluate("log"), expected);
      await until(() => got.length === 1);
      assert.deepEqual(got, [7]);
      assert.equal(await page.evaluate("socket.recovered"), true);
      assert.deepEqual(errors, []);
    });
  }

  for (const buffering of ["on", "off"] as const) {
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      test(`works through nginx with proxy buffering ${buffering}, over ${transports.join(" and ")}`, {
        skip: noNginx,
      }, async (context) => {
        const { io, port, page, errors } = await open(context, "/module");
        const front = await startNginx(context, port, buffering);
        assert.notEqual(front, portOf(io.httpServer));
        await page.goto(`http://127.0.0.1:${front}/module`);
        await page.waitForFunction("typeof io === 'function'");
        const sizes = await page.evaluate(
          `(async () => {
            globalThis.news = [];
            globalThis.socket = io(${JSON.stringify({ transports })});
            socket.on("news", (n) => news.push(n));
            // These messages are larger than what nginx buffers in memory, in both directions.
            const bytes = await socket.emitWithAck("echo", new Uint8Array(300_000).fill(7));
            const text = await socket.emitWithAck("echo", "é".repeat(200_000));
            return [bytes.byteLength, new Uint8Array(bytes).every((byte) => byte === 7), text.length];
          })()`,
        );
        assert.deepEqual(sizes, [300_000, true, 200_000]);
        await page.waitForFunction(`socket.io.engine.transport.name === "${transports.at(-1)}"`);
        // nginx forwards each event at once, without waiting for further data.
        for (let n = 1; n <= 3; n++) {
          io.emit("news", n);
          await page.waitForFunction(`news.length === ${n}`);
        }
        await page.evaluate("void socket.disconnect()");
        await until(() => io.engine.clientsCount === 0);
        assert.deepEqual(errors, []);
      });
    }
  }
});
