// Tests Express-style middleware of the engine, for requests and upgrades, including third-party middleware.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import session from "express-session";
import helmet from "helmet";

import type { Server } from "../../../server.ts";
import {
  ask,
  handOver,
  PollingClient,
  serve,
  TcpClient,
  until,
  upgradeRequest,
  WebSocketClient,
} from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const PATH = "/socket.io/?EIO=4&transport=";

/** Sends an upgrade request. Resolves to the head of the response. */
async function upgrade(port: number, headers: Record<string, string> = {}): Promise<string> {
  const client = new TcpClient(port).write(upgradeRequest(`${PATH}websocket`, headers));
  const answer = await client.until("\r\n\r\n");
  client.socket.destroy();
  return answer;
}

describe("engine.use()", () => {
  test("runs for an upgrade on a stream that is not a net.Socket", async (context) => {
    const { io } = await serve(context);
    io.engine.use(({ headers }, response, next) => {
      response.setHeader("X-Seen", "yes");
      if (headers.authorization === "answered") response.writeHead(401).end("who are you?");
      else next(headers.authorization === "token" ? undefined : new Error("no token"));
    });
    const answerTo = async (headers: Record<string, string>): Promise<string> => {
      const { answer, end } = handOver(io.httpServer, upgradeRequest(`${PATH}websocket`, headers));
      const text = await answer;
      end.destroy();
      return text;
    };
    assert.match(await answerTo({}), /^HTTP\/1\.1 400 /);
    assert.match(await answerTo({ Authorization: "answered" }), /^HTTP\/1\.1 401 /);
    const admitted = await answerTo({ Authorization: "token" });
    assert.match(admitted, /^HTTP\/1\.1 101 /);
    assert.match(admitted, /\r\nx-seen: yes\r\n/i);
    // The engine's own checks before and after the middleware apply too.
    const origin = { Authorization: "token", Origin: "https://evil.test" };
    assert.match(await answerTo(origin), /^HTTP\/1\.1 400 /);
  });

  test("helmet adds its header fields to every response, including 101", async (context) => {
    const { io, port } = await serve(context);
    assert.equal(io.engine.use(helmet()), io.engine);
    const { status, headers } = await ask(port, `${PATH}polling`);
    assert.equal(status, 200);
    assert.equal(headers["x-content-type-options"], "nosniff");
    const answer = await upgrade(port);
    assert.match(answer, /^HTTP\/1\.1 101 /);
    assert.match(answer, /\r\nx-content-type-options: nosniff\r\n/i);
    assert.match(await new WebSocketClient(port).join(), /^40/);
  });

  test("express-session shares a session between requests and upgrades, and sets its cookie in the 101 response", async (context) => {
    const { io, port } = await serve(context);
    const quiet = { secret: "s", resave: false, saveUninitialized: true };
    io.engine.use(session(quiet));
    const answer = await upgrade(port);
    const cookie = /\r\nset-cookie: ([^;]+)/i.exec(answer)?.[1];
    assert.match(`${cookie}`, /^connect\.sid=/);
    const { headers } = await ask(port, `${PATH}polling`);
    assert.match(`${headers["set-cookie"]}`, /^connect\.sid=/);
    const ids: unknown[] = [];
    io.on("connection", ({ request }) => ids.push("sessionID" in request && request.sessionID));
    const client = new WebSocketClient(port, undefined, { headers: { Cookie: `${cookie}` } });
    await client.join();
    const id = decodeURIComponent(`${cookie}`).slice("connect.sid=s:".length).split(".")[0];
    assert.deepEqual(ids, [id]);
  });

  test("sends only the response of a middleware that answers a request or an upgrade itself", async (context) => {
    const { io, port } = await serve(context);
    io.engine.use((request, response, next) => {
      if (request.headers.authorization === "yes") next();
      else response.writeHead(401, { "WWW-Authenticate": "Basic" }).end("who are you?");
    });
    const { status, body } = await ask(port, `${PATH}polling`);
    assert.deepEqual([status, body], [401, "who are you?"]);
    const client = new TcpClient(port).write(upgradeRequest(`${PATH}websocket`));
    const answer = (await client.closed).toString();
    assert.match(answer, /^HTTP\/1\.1 401 Unauthorized\r\n/);
    assert.match(answer, /\r\nConnection: close\r\n/i);
    assert.match(answer, /\r\n\r\n(?:c\r\n)?who are you\?/);
    assert.equal(io.engine.clientsCount, 0);
    const headers = { Authorization: "yes" };
    assert.equal((await ask(port, `${PATH}polling`, { headers })).status, 200);
    assert.match(await upgrade(port, headers), /^HTTP\/1\.1 101 /);
  });

  const failing: [does: string, add: (io: Server) => void][] = [
    ["passes an error to next()", (io) => io.engine.use((_q, _r, next) => next(new Error("no")))],
    [
      "throws",
      (io) =>
        io.engine.use(() => {
          throw new Error("no");
        }),
    ],
    ["rejects", (io) => io.engine.use(async () => Promise.reject(new Error("no")))],
    ["rejects with undefined", (io) => io.engine.use(async () => Promise.reject())],
  ];
  for (const [does, add] of failing) {
    test(`a middleware that ${does} rejects the client, and connection_error has the error`, async (context) => {
      const uncaught = gatherUncaught(context);
      const { io, port } = await serve(context);
      add(io);
      const errors: unknown[] = [];
      io.engine.on("connection_error", ({ code, context: { name, error } }) =>
        errors.push([code, name, error instanceof Error]),
      );
      const { status, body } = await ask(port, `${PATH}polling`);
      assert.deepEqual([status, body], [400, '{"code":3,"message":"Bad request"}']);
      assert.match(await upgrade(port), /^HTTP\/1\.1 400 /);
      assert.deepEqual(errors, Array(2).fill([3, "MIDDLEWARE_FAILURE", true]));
      assert.deepEqual(uncaught, []);
    });
  }

  test("runs middleware in the order of use(), and ignores a second call of next()", async (context) => {
    const { io, port } = await serve(context);
    const log: string[] = [];
    io.engine.use((_request, _response, next) => {
      log.push("first");
      next();
      next(new Error("too late"));
    });
    io.engine.use((_request, _response, next) => {
      log.push("second");
      setImmediate(next);
    });
    assert.equal((await ask(port, `${PATH}polling`)).status, 200);
    assert.match(await upgrade(port), /^HTTP\/1\.1 101 /);
    assert.deepEqual(log, ["first", "second", "first", "second"]);
  });

  test("keeps no session for a client that disconnects while a middleware runs", async (context) => {
    const { io, port } = await serve(context);
    let goOn = (): void => assert.fail("the middleware has not been called");
    const waiting = new Promise<void>((resolve) => {
      io.engine.use((_request, _response, next) => {
        goOn = next;
        resolve();
      });
    });
    const client = new TcpClient(port).write(upgradeRequest(`${PATH}websocket`));
    await waiting;
    client.socket.destroy();
    await client.closed;
    goOn();
    await until(() => io.engine.clientsCount === 0);
  });

  test("closes a connection on which an upgrade request follows a waiting request", async (context) => {
    const uncaught = gatherUncaught(context);
    const { io, port } = await serve(context);
    io.engine.use((_request, _response, next) => next());
    const polling = await PollingClient.open(port);
    await polling.join();
    const client = new TcpClient(port);
    client.write(`GET ${polling.path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    client.write(upgradeRequest(`${PATH}websocket`));
    await client.closed;
    assert.deepEqual(uncaught, []);
    assert.match(await new WebSocketClient(port).join(), /^40/);
  });

  test("response.getHeader() works after the response was sent, for middleware that writes logs", async (context) => {
    const { io, port } = await serve(context);
    const asked: unknown[] = [];
    io.engine.use((_request, response, next) => {
      response.once("finish", () => {
        asked.push([
          response.getHeader("content-type"),
          Number(response.getHeader("content-length")),
        ]);
      });
      next();
    });
    const { headers } = await ask(port, `${PATH}polling`);
    await until(() => asked.length > 0);
    assert.deepEqual(asked, [[headers["content-type"], Number(headers["content-length"])]]);
    assert.equal(headers["content-type"], "text/plain; charset=UTF-8");
  });

  test("throws a TypeError if the argument is not a function", async (context) => {
    const { io } = await serve(context);
    assert.throws(() => Reflect.apply(io.engine.use, io.engine, ["x"]), {
      name: "TypeError",
      code: "ERR_INVALID_ARG_TYPE",
    });
  });
});
