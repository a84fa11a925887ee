// Tests which pages of other origins may connect and read the responses: Fetch standard, "CORS protocol". The server's
// option `cors` has the properties of the options of the `cors` middleware.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Server, type ServerOptions } from "../../../server.ts";
import { type Answer, ask, PollingClient, serve, upgradeStatus } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const OPEN = "/socket.io/?EIO=4&transport=polling";
const ORIGIN = "https://page.example";

type Cors = NonNullable<ServerOptions["cors"]>;

interface Row {
  readonly does: string;
  readonly cors: Cors;
  /** Access-Control-Allow-Origin in the response to a handshake, or `undefined` if the origin is rejected. */
  readonly allows: string | undefined;
  readonly vary?: string;
}

// biome-ignore format: aligned table
const ORIGINS: readonly Row[] = [
  { does: "CVE-2020-28481: false allows no origin",                                                      cors: false,                                      allows: undefined },
  { does: "cors as an empty object allows every origin",                                                 cors: {},                                         allows: "*" },
  { does: "the option origin: * allows every origin",                                                    cors: { origin: "*" },                            allows: "*" },
  { does: "the option origin: true reflects the origin",                                                 cors: { origin: true },                           allows: ORIGIN, vary: "Origin" },
  { does: "the option origin: false allows no origin",                                                   cors: { origin: false },                          allows: undefined },
  { does: "the option origin as a string allows the origin with this name",                              cors: { origin: ORIGIN },                         allows: ORIGIN, vary: "Origin" },
  { does: "the option origin as a string rejects any other origin",                                      cors: { origin: "https://other.example" },        allows: undefined },
  { does: "the option origin as a pattern allows an origin that matches",                                cors: { origin: /\.example$/ },                   allows: ORIGIN, vary: "Origin" },
  { does: "the option origin as a pattern with the flag g allows an origin in every request",            cors: { origin: /\.example$/g },                  allows: ORIGIN, vary: "Origin" },
  { does: "the option origin as a pattern rejects an origin that does not match",                        cors: { origin: /\.org$/ },                       allows: undefined },
  { does: "the option origin as a list allows an origin that is in the list",                            cors: { origin: ["https://a.example", ORIGIN] },  allows: ORIGIN, vary: "Origin" },
  { does: "the option origin as a list allows an origin that matches a pattern",                         cors: { origin: [/^http:/, /page/] },             allows: ORIGIN, vary: "Origin" },
  { does: "the option origin as a list rejects an origin that matches no item",                          cors: { origin: ["https://a.example", /org/] },   allows: undefined },
  { does: "the option origin as a function allows an origin if the function passes back true",           cors: { origin: (_o, callback) => callback(null, true) },     allows: ORIGIN, vary: "Origin" },
  { does: "the option origin as a function allows the origin that the function passes back",             cors: { origin: (o, callback) => callback(null, o) },         allows: ORIGIN, vary: "Origin" },
  { does: "the option origin as a function rejects an origin if the function passes back false",         cors: { origin: (_o, callback) => callback(null, false) },    allows: undefined },
  { does: "the option origin as a function rejects an origin if the function passes back undefined",     cors: { origin: (_o, callback) => callback(null) },           allows: undefined },
  { does: "cors as a function sets the options of a request",                                            cors: (_request, callback) => callback(null, { origin: true }), allows: ORIGIN, vary: "Origin" },
  { does: "cors as a function that passes back no options allows no origin",                             cors: (_request, callback) => callback(null),                 allows: undefined },
];

function preflight(port: number, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(port, OPEN, {
    method: "OPTIONS",
    headers: { Origin: ORIGIN, "Access-Control-Request-Method": "POST", ...headers },
  });
}

describe("The cors option:", () => {
  for (const { does, cors, allows, vary } of ORIGINS) {
    test(does, async (context) => {
      const { port } = await serve(context, { cors });
      for (let i = 0; i < 2; i++) {
        const { status, headers } = await ask(port, OPEN, { headers: { Origin: ORIGIN } });
        assert.equal(status, allows === undefined ? 400 : 200);
        assert.equal(headers["access-control-allow-origin"], allows);
        assert.equal(headers.vary, vary);
        const upgrade = await upgradeStatus(port, { Origin: ORIGIN });
        assert.equal(upgrade, allows === undefined ? 400 : 101);
      }
    });
  }

  test("origin true adds no Access-Control-Allow-Origin for a request without Origin", async (context) => {
    const { port } = await serve(context, { cors: { origin: true } });
    assert.equal((await ask(port, OPEN)).headers["access-control-allow-origin"], undefined);
  });
});

describe("CORS", () => {
  test("answers a preflight request with 204 and the allowed methods and headers", async (context) => {
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

  test("sends the response header that each option sets", async (context) => {
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

  test("`headers` is an alias of `allowedHeaders`; without allowed headers, no Access-Control-Allow-Headers is sent", async (context) => {
    const named = await serve(context, { cors: { headers: "x-a", methods: "GET" } });
    const answer = await preflight(named.port);
    assert.equal(answer.headers["access-control-allow-headers"], "x-a");
    assert.equal(answer.headers["access-control-allow-methods"], "GET");
    const none = await serve(context, { cors: { allowedHeaders: [] } });
    assert.equal((await preflight(none.port)).headers["access-control-allow-headers"], undefined);
    const all = await serve(context, { cors: {} });
    assert.equal((await preflight(all.port)).headers["access-control-allow-headers"], undefined);
  });

  test("preflightContinue passes the preflight on to the engine, which answers OPTIONS with 400", async (context) => {
    const { port } = await serve(context, { cors: { origin: true, preflightContinue: true } });
    const { status, headers } = await preflight(port);
    assert.equal(status, 400);
    assert.equal(headers["access-control-allow-origin"], ORIGIN);
  });

  test("sends the CORS headers with error responses too", async (context) => {
    const { port } = await serve(context, { cors: { origin: ORIGIN } });
    const { status, headers } = await new PollingClient(port, "unknown").poll();
    assert.equal(status, 400);
    assert.equal(headers["access-control-allow-origin"], ORIGIN);
  });

  const mistake = new Error("not known");
  const fail = (): never => {
    throw mistake;
  };
  // biome-ignore format: aligned table
  const FAILING: Readonly<Record<string, Cors>> = {
    "an origin function that calls back with an error": { origin: (_origin, callback) => callback(mistake) },
    "an origin function that throws":                   { origin: fail },
    "an origin function that rejects":                  { origin: async () => fail() },
    "an origin function that calls back and throws":    { origin: (_origin, callback) => { callback(null, true); fail(); } },
    "a delegate that calls back with an error":         (_request, callback) => callback(mistake),
    "a delegate that throws":                           fail,
    "a delegate that rejects":                          async () => fail(),
  };
  for (const [does, cors] of Object.entries(FAILING)) {
    test(`${does} rejects requests and upgrades without an uncaught error`, async (context) => {
      const uncaught = gatherUncaught(context);
      const { port, io } = await serve(context, { cors });
      const contexts: unknown[] = [];
      io.engine.on("connection_error", ({ context: why }) => contexts.push(why));
      for (const headers of [{ Origin: ORIGIN }, {}]) {
        const { status, body } = await ask(port, OPEN, { headers });
        assert.deepEqual([status, body], [400, '{"code":3,"message":"Bad request"}']);
        assert.equal(await upgradeStatus(port, headers), 400);
      }
      const failure = { name: "MIDDLEWARE_FAILURE", error: mistake };
      assert.deepEqual(contexts, [failure, failure, failure, failure]);
      assert.deepEqual(uncaught, []);
      // The client files do not depend on the option `cors`.
      assert.equal((await ask(port, "/socket.io/socket.io.js")).status, 200);
    });
  }

  test("ignores a second call of the delegate's callback", async (context) => {
    const { port } = await serve(context, {
      cors: (_request, callback) => {
        callback(null, {});
        callback(null, {});
      },
    });
    assert.equal((await ask(port, OPEN)).status, 200);
  });

  // An option has such a value if the program reads it from an unset environment variable.
  const UNSET: Readonly<Record<string, readonly unknown[]>> = {
    origin: [undefined, null],
    methods: [null],
    allowedHeaders: [null],
    credentials: [null],
  };
  for (const [name, values] of Object.entries(UNSET)) {
    for (const value of values) {
      test(`${name}: ${value} throws in the constructor, and rejects the client if a delegate passes it back`, async (context) => {
        const given = { credentials: true, [name]: value };
        assert.throws(() => new Server({ cors: given }), {
          code: "ERR_INVALID_ARG_TYPE",
          message: new RegExp(`^cors\\.${name} must`),
        });
        const { port } = await serve(context, {
          cors: (_request, callback) => callback(null, given),
        });
        assert.equal((await ask(port, OPEN, { headers: { Origin: ORIGIN } })).status, 400);
        assert.equal(await upgradeStatus(port, { Origin: ORIGIN }), 400);
      });
    }
  }

  for (const origin of ["", 7, {}, ["https://a.example", undefined], [true], [[7]]]) {
    test(`${JSON.stringify(origin)} is an invalid origin`, async (context) => {
      const given: object = { origin };
      assert.throws(() => new Server({ cors: given }), {
        code: "ERR_INVALID_ARG_TYPE",
        message: /^cors\.origin must be/,
      });
      const { port } = await serve(context, {
        cors: (_request, callback) => callback(null, given),
      });
      assert.equal(await upgradeStatus(port, { Origin: ORIGIN }), 400);
    });
  }

  // The server must reject these values. Without a valid origin, the default would allow every page.
  const NOT_CORS: readonly unknown[] = [
    "https://a.example",
    ["https://a.example"],
    7,
    { origins: ["https://a.example"] },
    { orgin: "https://a.example" },
  ];
  for (const cors of NOT_CORS) {
    test(`cors: ${JSON.stringify(cors)} throws in the constructor, and rejects the client if a delegate passes it back`, async (context) => {
      assert.throws(() => Reflect.construct(Server, [{ cors }]), { code: "ERR_INVALID_ARG_TYPE" });
      const delegate: Cors = (_request, callback) =>
        Reflect.apply(callback, undefined, [null, cors]);
      const { port } = await serve(context, { cors: delegate });
      assert.equal(await upgradeStatus(port, { Origin: ORIGIN }), 400);
    });
  }

  for (const none of [false, undefined]) {
    test(`cors: ${none} allows no other origin, also if a delegate passes it back`, async (context) => {
      const delegate: Cors = (_request, callback) =>
        Reflect.apply(callback, undefined, [null, none]);
      const options: object = { cors: none };
      for (const given of [{ cors: delegate }, options]) {
        const { port } = await serve(context, given);
        assert.equal(await upgradeStatus(port, { Origin: ORIGIN }), 400);
        assert.equal((await ask(port, OPEN)).status, 200);
      }
    });
  }
});
