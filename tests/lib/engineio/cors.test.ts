// Which pages of other origins may read what comes: Fetch standard, "CORS protocol"; the options
// are those of the `cors` middleware.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { ServerOptions } from "../../../server.ts";
import { type Answer, ask, PollingClient, serve } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const OPEN = "/socket.io/?EIO=4&transport=polling";
const ORIGIN = "https://page.example";

type Cors = NonNullable<ServerOptions["cors"]>;

interface Row {
  readonly does: string;
  readonly cors: Cors;
  /** Access-Control-Allow-Origin of a handshake's answer. */
  readonly allows: string | undefined;
  readonly vary?: string;
}

// biome-ignore format: aligned table
const ORIGINS: readonly Row[] = [
  { does: "CVE-2020-28481: off, nobody",    cors: false,                                      allows: undefined },
  { does: "on, everybody",                       cors: {},                                         allows: "*" },
  { does: "origin *",                            cors: { origin: "*" },                            allows: "*" },
  { does: "origin true reflects",                cors: { origin: true },                           allows: ORIGIN, vary: "Origin" },
  { does: "origin false",                        cors: { origin: false },                          allows: undefined },
  { does: "one origin, this one",                cors: { origin: ORIGIN },                         allows: ORIGIN, vary: "Origin" },
  { does: "one origin, another",                 cors: { origin: "https://other.example" },        allows: "https://other.example", vary: "Origin" },
  { does: "a pattern that fits",                 cors: { origin: /\.example$/ },                   allows: ORIGIN, vary: "Origin" },
  { does: "a pattern with state, twice",         cors: { origin: /\.example$/g },                  allows: ORIGIN, vary: "Origin" },
  { does: "a pattern that does not fit",         cors: { origin: /\.org$/ },                       allows: undefined, vary: "Origin" },
  { does: "one of several",                      cors: { origin: ["https://a.example", ORIGIN] },  allows: ORIGIN, vary: "Origin" },
  { does: "one of several patterns",             cors: { origin: [/^http:/, /page/] },             allows: ORIGIN, vary: "Origin" },
  { does: "none of several",                     cors: { origin: ["https://a.example", /org/] },   allows: undefined, vary: "Origin" },
  { does: "a function that says true",           cors: { origin: (_o, callback) => callback(null, true) },     allows: ORIGIN, vary: "Origin" },
  { does: "a function that names the origin",    cors: { origin: (o, callback) => callback(null, o) },         allows: ORIGIN, vary: "Origin" },
  { does: "a function that says false",          cors: { origin: (_o, callback) => callback(null, false) },    allows: undefined },
  { does: "a function that says nothing",        cors: { origin: (_o, callback) => callback(null) },           allows: undefined },
  { does: "options by the request",              cors: (_request, callback) => callback(null, { origin: true }), allows: ORIGIN, vary: "Origin" },
  { does: "no options by the request",           cors: (_request, callback) => callback(null),                 allows: undefined },
];

function preflight(port: number, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(port, OPEN, {
    method: "OPTIONS",
    headers: { Origin: ORIGIN, "Access-Control-Request-Method": "POST", ...headers },
  });
}

describe("CORS, whom it allows:", () => {
  for (const { does, cors, allows, vary } of ORIGINS) {
    test(does, async (context) => {
      const { port } = await serve(context, { cors });
      for (let i = 0; i < 2; i++) {
        const { status, headers } = await ask(port, OPEN, { headers: { Origin: ORIGIN } });
        assert.equal(status, 200);
        assert.equal(headers["access-control-allow-origin"], allows);
        assert.equal(headers.vary, vary);
      }
    });
  }

  test("a page that does not say where it is from gets no header to reflect it", async (context) => {
    const { port } = await serve(context, { cors: { origin: true } });
    assert.equal((await ask(port, OPEN)).headers["access-control-allow-origin"], undefined);
  });
});

describe("CORS", () => {
  test("a preflight is answered without a session", async (context) => {
    const { port } = await serve(context, { cors: { origin: ORIGIN } });
    const { status, headers, body } = await preflight(port, {
      "Access-Control-Request-Headers": "x-token",
    });
    assert.deepEqual([status, body], [204, ""]);
    assert.equal(headers["content-length"], "0");
    assert.equal(headers["access-control-allow-methods"], "GET,HEAD,PUT,PATCH,POST,DELETE");
    assert.equal(headers["access-control-allow-headers"], "x-token");
    assert.equal(headers.vary, "Origin, Access-Control-Request-Headers");
  });

  test("every option has its header", async (context) => {
    const { port } = await serve(context, {
      cors: {
        origin: "*",
        methods: ["GET", "POST"],
        allowedHeaders: ["x-a", "x-b"],
        exposedHeaders: "x-c",
        credentials: true,
        maxAge: 600,
        optionsSuccessStatus: 200,
      },
    });
    const { status, headers } = await preflight(port, { "Access-Control-Request-Headers": "x-z" });
    assert.equal(status, 200);
    assert.equal(headers["access-control-allow-methods"], "GET,POST");
    assert.equal(headers["access-control-allow-headers"], "x-a,x-b");
    assert.equal(headers["access-control-expose-headers"], "x-c");
    assert.equal(headers["access-control-allow-credentials"], "true");
    assert.equal(headers["access-control-max-age"], "600");
  });

  test("`headers` is `allowedHeaders`; an empty list allows none; none asked for is none said", async (context) => {
    const named = await serve(context, { cors: { headers: "x-a", methods: "GET" } });
    const answer = await preflight(named.port);
    assert.equal(answer.headers["access-control-allow-headers"], "x-a");
    assert.equal(answer.headers["access-control-allow-methods"], "GET");
    const none = await serve(context, { cors: { allowedHeaders: [] } });
    assert.equal((await preflight(none.port)).headers["access-control-allow-headers"], undefined);
    const all = await serve(context, { cors: {} });
    assert.equal((await preflight(all.port)).headers["access-control-allow-headers"], undefined);
  });

  test("preflightContinue leaves the preflight to the engine, which knows no such method", async (context) => {
    const { port } = await serve(context, { cors: { origin: true, preflightContinue: true } });
    const { status, headers } = await preflight(port);
    assert.equal(status, 400);
    assert.equal(headers["access-control-allow-origin"], ORIGIN);
  });

  test("refusals can be read by the page too", async (context) => {
    const { port } = await serve(context, { cors: { origin: ORIGIN } });
    const { status, headers } = await new PollingClient(port, "unknown").poll();
    assert.equal(status, 400);
    assert.equal(headers["access-control-allow-origin"], ORIGIN);
  });

  test("an error of the options' own functions refuses the request", async (context) => {
    const mistake = new Error("not known");
    for (const cors of [
      { origin: (_origin, callback) => callback(mistake) },
      (_request, callback) => callback(mistake),
    ] satisfies Cors[]) {
      const { port } = await serve(context, { cors });
      const { status, body } = await ask(port, OPEN, { headers: { Origin: ORIGIN } });
      assert.deepEqual([status, body], [400, '{"code":3,"message":"Bad request"}']);
    }
  });

  test("what they throw surfaces, and the request is refused; calling twice is calling once", async (context) => {
    const uncaught = gatherUncaught(context);
    const mistake = new Error("a mistake");
    const throwing = await serve(context, {
      cors: () => {
        throw mistake;
      },
    });
    assert.equal((await ask(throwing.port, OPEN)).status, 400);
    assert.deepEqual(uncaught, [mistake]);
    const twice = await serve(context, {
      cors: (_request, callback) => {
        callback(null, {});
        callback(null, {});
      },
    });
    assert.equal((await ask(twice.port, OPEN)).status, 200);
  });
});
