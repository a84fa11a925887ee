// Tests which pages may connect: with a browser, behind proxies, and with the errors that operators see.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { connect as connectHttp2, createSecureServer as createHttp2Server } from "node:http2";
import { createServer as createSecureServer, request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";

import type { Browser, Page } from "playwright-core";

import { Server, type ServerOptions } from "../../../server.ts";
import { CERTIFICATE } from "../../support/certificate.ts";
import { launchChromium, noChromium } from "../../support/chromium.ts";
import { answerTo, ask, listen, serve, upgradeStatus } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

const OPEN = "/socket.io/?EIO=4&transport=polling";
const PAGE = "https://page.example";
const EVIL = "https://evil.test";

/** Sends a GET and an upgrade request with these headers. Returns the status of each response. */
async function statuses(port: number, headers: Record<string, string>): Promise<number[]> {
  return [(await ask(port, OPEN, { headers })).status, await upgradeStatus(port, headers)];
}

const ADMITTED = [200, 101];
const REFUSED = [400, 400];

describe("Origins that may connect with", () => {
  interface Row {
    readonly options: ServerOptions;
    /** The admitted origins. `undefined` is a request that no page has sent, so it has no Origin. */
    readonly admits: readonly (string | undefined)[];
    readonly refuses: readonly string[];
  }
  const own = "http://own.example:3000";
  const close = [
    "https://own.example:3000",
    "http://own.example",
    "http://sub.own.example:3000",
    "http://own.example:3001",
    "null",
    "",
  ];
  // biome-ignore format: aligned table
  const ROWS: Readonly<Record<string, Row>> = {
    "no option":                { options: {},                                                  admits: [undefined, own],                refuses: [PAGE, ...close] },
    "cors false":               { options: { cors: false },                                     admits: [undefined, own],                refuses: [PAGE, ...close] },
    '"same"':                   { options: { origins: "same" },                                 admits: [undefined, own],                refuses: [PAGE, ...close] },
    '"same" and cors':          { options: { origins: "same", cors: {} },                       admits: [undefined, own],                refuses: [PAGE, ...close] },
    '"*"':                      { options: { origins: "*" },                                    admits: [undefined, own, PAGE, ...close], refuses: [] },
    "a list":                   { options: { origins: [PAGE] },                                 admits: [undefined, PAGE, `${PAGE}:443`], refuses: [own, EVIL, "http://page.example", `${PAGE}.evil.test`, "null"] },
    "an empty list":            { options: { origins: [] },                                     admits: [undefined],                     refuses: [own, PAGE, "null"] },
    "a list and cors":          { options: { origins: [PAGE], cors: { origin: "*" } },          admits: [undefined, PAGE],               refuses: [own, EVIL] },
    "a function":               { options: { origins: (origin) => origin === PAGE },            admits: [undefined, PAGE],               refuses: [own, EVIL, "null"] },
    "an async function":        { options: { origins: async (origin) => origin === PAGE },      admits: [undefined, PAGE],               refuses: [own, EVIL, "null"] },
    "a function that rejects":  { options: { origins: async () => { throw new Error("no"); } }, admits: [undefined],                     refuses: [own, PAGE] },
    "cors":                     { options: { cors: {} },                                        admits: [undefined, own, PAGE, ...close], refuses: [] },
    "cors true":                { options: { cors: true },                                       admits: [undefined, own, PAGE, ...close], refuses: [] },
    "cors for another page":    { options: { cors: { origin: PAGE } },                          admits: [undefined, own, PAGE],          refuses: [EVIL, "null"] },
    "cors with a pattern":      { options: { cors: { origin: /\.example$/ } },                  admits: [undefined, own, PAGE],          refuses: [EVIL, "null"] },
    "cors with origin false":   { options: { cors: { origin: false } },                         admits: [undefined, own],                refuses: [PAGE, EVIL] },
  };
  for (const [name, { options, admits, refuses }] of Object.entries(ROWS)) {
    test(name, async (context) => {
      const uncaught = gatherUncaught(context);
      const { port } = await serve(context, options);
      for (const origin of [...admits, ...refuses]) {
        const page = origin === undefined ? {} : { Origin: origin };
        const expected = refuses.some((each) => each === origin) ? REFUSED : ADMITTED;
        const got = await statuses(port, { Host: "own.example:3000", ...page });
        assert.deepEqual(got, expected, `${origin}`);
      }
      assert.deepEqual(uncaught, []);
    });
  }
});

describe("origins", () => {
  test("lets an allowed page read the responses, without credentials", async (context) => {
    const { port } = await serve(context, { origins: [PAGE] });
    const { headers } = await ask(port, OPEN, { headers: { Origin: PAGE } });
    assert.equal(headers["access-control-allow-origin"], PAGE);
    assert.equal(headers["access-control-allow-credentials"], undefined);
    assert.equal(headers.vary, "Origin");
    const preflight = await ask(port, OPEN, { method: "OPTIONS", headers: { Origin: PAGE } });
    assert.equal(preflight.status, 204);
    assert.match(`${preflight.headers["access-control-allow-methods"]}`, /POST/);
    const file = await ask(port, "/socket.io/socket.io.js", { headers: { Origin: PAGE } });
    assert.equal(file.headers["access-control-allow-origin"], PAGE);
    assert.equal(file.headers.vary, "Origin, Accept-Encoding");
    const refused = await ask(port, OPEN, { headers: { Origin: EVIL } });
    assert.equal(refused.headers["access-control-allow-origin"], undefined);
  });

  test("reports the compared origins in connection_error, not in the response", async (context) => {
    const { port, io } = await serve(context);
    const errors: unknown[] = [];
    io.engine.on("connection_error", ({ code, message, context: why }) =>
      errors.push([code, message, why]),
    );
    const headers = { Host: "page.example", Origin: PAGE };
    const answer = await ask(port, OPEN, { headers });
    assert.deepEqual(
      [answer.status, answer.body],
      [400, '{"code":3,"message":"Origin not allowed"}'],
    );
    await upgradeStatus(port, headers);
    // The server reports this error if it runs behind a proxy that terminates TLS and sends no X-Forwarded-Proto.
    const why = {
      name: "ORIGIN_NOT_ALLOWED",
      origin: PAGE,
      expected: "http://page.example",
      peer: "127.0.0.1",
    };
    assert.deepEqual(errors, [
      [3, "Origin not allowed", why],
      [3, "Origin not allowed", why],
    ]);
  });

  test("throws in the constructor if it is undefined or null", () => {
    for (const origins of [undefined, null]) {
      for (const cors of [{}, false]) {
        assert.throws(() => Reflect.construct(Server, [{ origins, cors }]), {
          code: "ERR_INVALID_ARG_TYPE",
        });
      }
    }
  });
});

describe("trustedProxies", () => {
  const headers = { Host: "inner:3000", Origin: PAGE, "X-Forwarded-Proto": "https" };
  const complete = { ...headers, "X-Forwarded-Host": "page.example" };
  // biome-ignore format: aligned table
  const ROWS: readonly (readonly [does: string, options: ServerOptions, headers: Record<string, string>, expected: number[]])[] = [
    ["accepts host and scheme from a proxy on this machine", {},                                complete,                                ADMITTED],
    ["accepts the scheme from a proxy that keeps Host",      {},                                { ...headers, Host: "page.example" },    ADMITTED],
    ["accepts host and scheme in Forwarded",                 {},                                { Host: "inner", Origin: PAGE, Forwarded: "proto=https;host=page.example" }, ADMITTED],
    ["rejects a page if the proxy does not send the host",   {},                                headers,                                 REFUSED],
    ["rejects a page if no proxy is trusted",                { trustedProxies: "none" },        complete,                                REFUSED],
    ["rejects a page if only another proxy is trusted",      { trustedProxies: ["192.0.2.1"] }, complete,                                REFUSED],
    ["accepts host and scheme from a proxy in a range",      { trustedProxies: ["127.0.0.0/8"] }, complete,                              ADMITTED],
  ];
  for (const [does, options, given, expected] of ROWS) {
    test(does, async (context) => {
      const { port } = await serve(context, options);
      assert.deepEqual(await statuses(port, given), expected);
    });
  }

  test("trusts a proxy that connects through a Unix domain socket", async (context) => {
    const http = createServer();
    const io = new Server(http);
    context.after(() => io.close());
    const socketPath = join(tmpdir(), `barewire-origins-${process.pid}.sock`);
    http.listen(socketPath);
    await once(http, "listening");
    const answer = answerTo(httpRequest({ socketPath, path: OPEN, headers: complete }).end());
    assert.equal((await answer).status, 200);
    const evil = { ...complete, Origin: EVIL };
    const refused = answerTo(httpRequest({ socketPath, path: OPEN, headers: evil }).end());
    assert.equal((await refused).status, 400);
  });

  test("over TLS, the server's own origin begins with https", async (context) => {
    const https = createSecureServer(CERTIFICATE);
    const io = new Server(https);
    context.after(() => io.close());
    const port = await listen(https);
    for (const [scheme, status] of [
      ["https", 200],
      ["http", 400],
    ] as const) {
      const headers = { Origin: `${scheme}://127.0.0.1:${port}` };
      const host = { host: "127.0.0.1", port, path: OPEN, headers, rejectUnauthorized: false };
      assert.equal((await answerTo(httpsRequest(host).end())).status, status);
    }
  });

  test("over HTTP/2, the server's own origin is that of :authority", async (context) => {
    const secure = createHttp2Server(CERTIFICATE);
    const io = new Server(secure);
    context.after(() => io.close());
    const port = await listen(secure);
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    context.after(() => session.destroy());
    for (const [origin, status] of [
      [`https://127.0.0.1:${port}`, 200],
      [`http://127.0.0.1:${port}`, 400],
      [EVIL, 400],
    ] as const) {
      const stream = session.request({ ":path": OPEN, origin });
      const [headers] = await once(stream, "response");
      assert.equal(headers[":status"], status, origin);
      stream.close();
    }
  });
});

describe("jsonp", () => {
  // biome-ignore format: aligned table
  const PROOFS: readonly (readonly [does: string, headers: Record<string, string>, status: number])[] = [
    ["no Origin, Referer or Sec-Fetch-Site",             {},                                                                     400],
    ["Sec-Fetch-Site: same-origin",                      { "Sec-Fetch-Site": "same-origin" },                                    200],
    ["Sec-Fetch-Site: none",                             { "Sec-Fetch-Site": "none" },                                           200],
    ["Sec-Fetch-Site: cross-site",                       { "Sec-Fetch-Site": "cross-site" },                                     400],
    ["Sec-Fetch-Site: same-site",                        { "Sec-Fetch-Site": "same-site" },                                      400],
    ["a Referer of this server",                         { Referer: "http://own.example/page?x" },                               200],
    ["a Referer of an allowed page",                     { Referer: `${PAGE}/`, "Sec-Fetch-Site": "cross-site" },                200],
    ["a Referer of another page",                        { Referer: `${EVIL}/${PAGE}/` },                                        400],
    ["an invalid Referer",                               { Referer: "own.example" },                                             400],
    ["an Origin of an allowed page",                     { Origin: PAGE },                                                       200],
    ["an Origin of another page and an allowed Referer", { Origin: EVIL, Referer: `${PAGE}/`, "Sec-Fetch-Site": "same-origin" }, 400],
  ];
  for (const [does, headers, status] of PROOFS) {
    test(`a request with ${does} gets ${status}`, async (context) => {
      const { port } = await serve(context, { jsonp: true, cors: { origin: [PAGE] } });
      const question = { headers: { Host: "own.example", ...headers } };
      assert.equal((await ask(port, `${OPEN}&j=0`, question)).status, status);
      // A percent-encoded parameter name must not bypass the check.
      assert.equal((await ask(port, `${OPEN}&%6A=0`, question)).status, status);
    });
  }

  test("with a cors delegate or function, rejects a request that has neither Origin nor an allowed Referer", async (context) => {
    const delegate = await serve(context, {
      jsonp: true,
      cors: (_request, callback) => callback(null, { origin: true }),
    });
    const lenient = await serve(context, {
      jsonp: true,
      cors: {
        origin: (origin, callback) => callback(null, origin === undefined || origin === PAGE),
      },
    });
    const status = async (port: number, headers: Record<string, string>): Promise<number> =>
      (await ask(port, `${OPEN}&j=0`, { headers })).status;
    for (const { port } of [delegate, lenient]) {
      assert.equal(await status(port, { Referer: `${EVIL}/` }), 400);
      assert.equal(await status(port, {}), 400);
    }
    assert.equal(await status(delegate.port, { Origin: EVIL }), 200);
    assert.equal(await status(lenient.port, { Referer: `${PAGE}/` }), 200);
  });

  test("accepts any request if every page may connect", async (context) => {
    const { port } = await serve(context, { jsonp: true, origins: "*" });
    assert.equal((await ask(port, `${OPEN}&j=0`)).status, 200);
  });
});

describe("a page in Chromium", { skip: noChromium }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser?.close());

  /**
   * Starts a server, and opens a page of another origin in the browser. The server has already set a cookie in the
   * browser.
   */
  async function open(
    context: TestContext,
    options: ServerOptions,
  ): Promise<{ page: Page; port: number; cookies: unknown[] }> {
    const onRequest: Parameters<typeof createServer>[1] = (_request, response) => {
      response.writeHead(200, { "Content-Type": "text/html", "Set-Cookie": "user=ada" }).end();
    };
    const { io, port } = await serve(context, options, onRequest);
    const cookies: unknown[] = [];
    io.engine.on("connection", ({ request }) => cookies.push(request.headers.cookie));
    const other = createServer((_request, response) => {
      response.writeHead(200, { "Content-Type": "text/html" }).end();
    });
    const otherPort = await listen(other);
    context.after(() => other.close());
    const page = await browser.newPage();
    context.after(() => page.close());
    await page.goto(`http://127.0.0.1:${port}/`);
    // Both origins have the host 127.0.0.1, so they are the same site, and the browser even sends cookies with
    // SameSite.
    await page.goto(`http://127.0.0.1:${otherPort}/`);
    return { page, port, cookies };
  }

  const connect = (page: Page, port: number): Promise<string> =>
    page.evaluate(
      (url) =>
        new Promise<string>((resolve) => {
          const socket = new WebSocket(url);
          socket.onmessage = () => resolve("open");
          socket.onerror = () => resolve("error");
        }),
      `ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`,
    );

  test("cannot open a WebSocket to a server of another origin that sets no option", async (context) => {
    const { page, port, cookies } = await open(context, {});
    assert.equal(await connect(page, port), "error");
    assert.deepEqual(cookies, []);
    await page.goto(`http://127.0.0.1:${port}/`);
    assert.equal(await connect(page, port), "open");
    assert.deepEqual(cookies, ["user=ada"]);
  });

  test("can open a WebSocket, with cookies, if the server allows its origin", async (context) => {
    const { page, port, cookies } = await open(context, { origins: "*" });
    assert.equal(await connect(page, port), "open");
    assert.deepEqual(cookies, ["user=ada"]);
  });
});
