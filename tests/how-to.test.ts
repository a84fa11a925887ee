// docs/how-to/: the programs of each page compile under `strict`, and do what the page says.

import assert from "node:assert/strict";
import { after, describe, type TestContext, test } from "node:test";

import { SignJWT } from "jose";

import { type ClientOptions, io as connect, type Socket } from "../client/index.ts";
import { Clock } from "./support/clock.ts";
import { HOW_TOS, HowTos } from "./support/how-to.ts";
import { until } from "./support/net.ts";

const pages = new HowTos();
after(() => pages.remove());

/** A client of the server on a port, which is disconnected when the test ends. */
function clientOf(context: TestContext, port: number, options: ClientOptions = {}): Socket {
  const socket = connect(`http://127.0.0.1:${port}`, { forceNew: true, ...options });
  context.after(() => socket.disconnect());
  return socket;
}

/** Resolves to the arguments of the socket's next event of that name. */
function next(socket: Socket, event: string): Promise<unknown[]> {
  return new Promise((resolve) => socket.once(event, (...args: unknown[]) => resolve(args)));
}

/** Resolves to the message with which the server refuses the client. */
async function refusalOf(socket: Socket): Promise<string> {
  const [error] = await next(socket, "connect_error");
  return error instanceof Error ? error.message : `${error}`;
}

/** A function that a page exports. */
function exported<F>(module: Readonly<Record<string, unknown>>, name: string): F {
  const value = module[name];
  assert.ok(isFunction<F>(value), `the page exports ${name}()`);
  return value;
}

function isFunction<F>(value: unknown): value is F {
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
      "a value that is not a text": () => ({ toString: () => "x" }),
      "a token of another secret": () => sign({ sub: "ada" }, { secret: "x".repeat(32) }),
      "another algorithm": () => sign({ sub: "ada" }, { alg: "HS512" }),
      "no signature": async () => {
        const [, claims] = (await sign({ sub: "ada" })).split(".");
        return `${Buffer.from('{"alg":"none"}').toString("base64url")}.${claims}.`;
      },
      "an expired token": () => sign({ sub: "ada" }, { expires: "-1s" }),
      "a token of two hours ago": () => sign({ sub: "ada" }, { issued: "-2h" }),
      "a token without a user": () => sign({}),
    };
    for (const [name, tokenOf] of Object.entries(REFUSED)) {
      test(`the server refuses ${name}`, async (context) => {
        const port = await pages.serve(context, "authentication-jwt");
        const socket = clientOf(context, port, { auth: { token: await tokenOf() } });
        assert.equal(await refusalOf(socket), "invalid token");
      });
    }

    test("a client whose token expires is disconnected, and connects with a new one", async (context) => {
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

    test("a client that has no token is told to log in", async (context) => {
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

    test("the socket of a user who has logged in belongs to the session, over both transports", async (context) => {
      const port = await pages.serve(context, "session-cookies");
      const extraHeaders = { Cookie: await logIn(port) };
      for (const transport of ["polling", "websocket"] as const) {
        const socket = clientOf(context, port, { transports: [transport], extraHeaders });
        assert.equal(await socket.emitWithAck("who am I"), "ada");
      }
    });

    test("the server refuses a client without a session, and one with a forged cookie", async (context) => {
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
      test(`${framework}: the framework answers its own requests, and clients connect over both transports`, async (context) => {
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
};

describe("docs/how-to", () => {
  test("every program compiles", () => pages.compile());

  test("every page has its tests", () => {
    assert.deepEqual(Object.keys(TESTS).sort(), [...HOW_TOS].sort());
  });

  for (const [page, tests] of Object.entries(TESTS))
    describe(`${page}.md`, { timeout: 60_000 }, tests);
});
