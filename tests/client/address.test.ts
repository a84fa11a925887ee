// Tests which URL a client connects to, and with which query, compared with socket.io-client.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, type TestContext, test } from "node:test";

import { io as connectStock, Manager as StockManager } from "socket.io-client";
import {
  type ClientOptions,
  io as connect,
  Manager,
  type ManagerOptions,
} from "../../client/index.ts";
import { parseAddress } from "../../client/socketio/address.ts";
import { assertLinear } from "../support/growth.ts";
import { listen } from "../support/net.ts";

const PAGE = "https://page.test:8443/path?query#fragment";

// biome-ignore format: aligned table
const ADDRESSES: readonly (readonly [url: string, base: string, href: string, path: string])[] = [
  ["",                          PAGE,                  "https://page.test:8443/",         ""],
  ["/admin",                    PAGE,                  "https://page.test:8443/admin",    "/admin"],
  ["/admin?a=1",                PAGE,                  "https://page.test:8443/admin?a=1", "/admin"],
  ["//host",                    PAGE,                  "https://host/",                   ""],
  ["//host:1/a b",              PAGE,                  "https://host:1/a%20b",            "/a b"],
  ["host",                      PAGE,                  "https://host/",                   ""],
  ["host:1",                    PAGE,                  "https://host:1/",                 ""],
  ["localhost:1/a",             "http://localhost",    "http://localhost:1/a",            "/a"],
  ["127.0.0.1:1?x=y",           "http://localhost",    "http://127.0.0.1:1/?x=y",         ""],
  ["//[::1]:1",                 "http://localhost",    "http://[::1]:1/",                 ""],
  ["ws://host",                 PAGE,                  "http://host/",                    ""],
  ["ws://host:1/a",             PAGE,                  "http://host:1/a",                 "/a"],
  ["wss://host",                "http://localhost",    "https://host/",                   ""],
  ["HTTP://HOST",               PAGE,                  "http://host/",                    ""],
  ["http://host:80/50%",        PAGE,                  "http://host/50%",                 "/50%"],
  ["http://host",               "file:///pages/a.html",  "http://host/",                    ""],
  ["host:1",                    "file:///pages/a.html",  "http://host:1/",                  ""],
  ["",                          "file:///pages/a.html",  "http://localhost/",               ""],
];

// biome-ignore format: aligned table
const OPTIONS: readonly (readonly [options: ManagerOptions, href: string])[] = [
  [{},                                        "https://page.test:8443/"],
  [{ host: "h" },                             "https://h/"],
  [{ hostname: "h", port: 1 },                "https://h:1/"],
  [{ port: "1" },                             "https://page.test:1/"],
  [{ host: "h", secure: false },              "http://h/"],
  [{ host: "h", secure: false, port: 1 },     "http://h:1/"],
  [{ host: "h:1" },                           "https://h:1/"],
  [{ host: "h:1", port: 2 },                  "https://h:2/"],
  [{ hostname: "::1" },                       "https://[::1]/"],
  [{ hostname: "fe80::1", port: 1 },          "https://[fe80::1]:1/"],
  [{ hostname: "[::1]", port: 1 },            "https://[::1]:1/"],
];

describe("parseAddress()", () => {
  for (const [url, base, href, path] of ADDRESSES) {
    test(`resolves "${url}" on the page ${base} to ${href}`, () => {
      const address = parseAddress(url, base);
      assert.deepEqual([address.url.href, address.path], [href, path]);
    });
  }
  for (const [options, href] of OPTIONS) {
    test(`resolves the options ${JSON.stringify(options)} on the page ${PAGE} to ${href}`, () => {
      assert.equal(parseAddress("", PAGE, options).url.href, href);
      assert.equal(parseAddress("http://other", PAGE, options).url.href, "http://other/");
    });
  }
  test("parses a URL of a million characters in linear time", () => {
    assertLinear(1_000_000, (length) => {
      for (const part of ["a", "@", ":", "[", "a:", "a@", "//", "%"]) {
        const text = part.repeat(length);
        for (const url of [text, `http://${text}`, `http://host/${text}`]) {
          try {
            parseAddress(url, PAGE);
          } catch (error) {
            assert.ok(error instanceof TypeError);
          }
        }
      }
    });
  });
  for (const url of ["http://", "//", "http://host:x"]) {
    test(`throws for the URL "${url}"`, () => {
      assert.throws(() => parseAddress(url, PAGE), TypeError);
    });
  }
  for (const host of ["", "a b", "h:x"]) {
    test(`throws for the host "${host}"`, () => {
      assert.throws(() => parseAddress("", PAGE, { host }), TypeError);
    });
  }
});

/** Starts a server that records its first request. */
async function notes(
  context: TestContext,
): Promise<{ port: number; asked: Promise<{ path: string; query: Record<string, string> }> }> {
  const http = createServer();
  const port = await listen(http);
  const asked = new Promise<{ path: string; query: Record<string, string> }>((resolve) => {
    http.on("request", (request, response) => {
      const url = new URL(`${request.url}`, "http://x");
      const query = Object.fromEntries(url.searchParams);
      delete query.t;
      resolve({ path: url.pathname, query });
      response.writeHead(400).end();
    });
  });
  context.after(() => {
    http.close();
    http.closeAllConnections();
  });
  return { port, asked };
}

/** The forms of arguments that `new Manager()` accepts in Node. */
const FORMS: Readonly<
  Record<string, (port: number) => readonly [string | ManagerOptions, ManagerOptions?]>
> = {
  "http://host:port": (port) => [`http://127.0.0.1:${port}`],
  "ws://host:port": (port) => [`ws://127.0.0.1:${port}`],
  "host:port": (port) => [`127.0.0.1:${port}`],
  "a URL with a query": (port) => [`http://127.0.0.1:${port}/ignored?a=b`, { query: { c: "d" } }],
  "options alone": (port) => [{ host: "127.0.0.1", port, path: "/custom" }],
  "hostname alone": (port) => [{ hostname: "127.0.0.1", port: `${port}` }],
};

describe("new Manager() in Node", () => {
  for (const [form, make] of Object.entries(FORMS)) {
    test(`sends the same first request as socket.io-client's Manager with ${form}`, async (context) => {
      const seen = async (library: "ours" | "stock"): Promise<unknown> => {
        const { port, asked } = await notes(context);
        const [first, second = {}] = make(port);
        const Class = library === "ours" ? Manager : StockManager;
        const manager = Reflect.construct(
          Class,
          typeof first === "string"
            ? [first, { reconnection: false, ...second }]
            : [{ reconnection: false, ...first }],
        );
        assert.ok(manager instanceof Class);
        return await asked;
      };
      assert.deepEqual(await seen("ours"), await seen("stock"));
    });
  }

  test("accepts //host, and connects to localhost without a URL", async (context) => {
    const { port, asked } = await notes(context);
    const manager = new Manager(`//127.0.0.1:${port}`, { reconnection: false });
    assert.equal((await asked).path, "/socket.io/");
    manager.close();
    const local = new Manager({ autoConnect: false });
    const nothing = new Manager(undefined, { reconnection: false });
    nothing.close();
    assert.deepEqual([local.opts, local.reconnection()], [{ autoConnect: false }, true]);
  });
});

/** Queries, as the option or after the "?" of a URL. */
const QUERIES: readonly { readonly query?: ClientOptions["query"]; readonly url?: string }[] = [
  { query: "token=a+b/c==" },
  { url: "token=a+b/c==" },
  { query: { token: "a+b/c==" } },
  { query: "a=1&b=2&a=3" },
  { query: "name=J%C3%BCrgen%20X&empty=&none" },
  { url: "name=J%C3%BCrgen%20X&empty=" },
  {
    query: { n: 1, yes: true, nothing: null, missing: undefined, list: [1, 2], text: "a b+c&d=e" },
  },
  { query: { sign: "!'()*~", unicode: "日😀" } },
  { query: { EIO: "9", transport: "pigeon", sid: "x" } },
  { query: { option: 1 }, url: "from=url" },
];

describe("the query of the first request", () => {
  for (const { query, url = "" } of QUERIES) {
    for (const transport of ["polling", "websocket"] as const) {
      test(`is what socket.io-client sends for ${JSON.stringify(query)} and "?${url}" over ${transport}`, async (context) => {
        const seen = async (library: "ours" | "stock"): Promise<unknown> => {
          const { port, asked } = await notes(context);
          const options = { forceNew: true, reconnection: false, transports: [transport] };
          const given = query === undefined ? options : { ...options, query };
          const target = `http://127.0.0.1:${port}${url && `?${url}`}`;
          // socket.io-client documents that `query` may be a string, but its type does not allow one.
          const socket =
            library === "ours"
              ? connect(target, given)
              : Reflect.apply(connectStock, undefined, [target, given]);
          const { query: arrived } = await asked;
          socket.disconnect();
          return arrived;
        };
        assert.deepEqual(await seen("ours"), await seen("stock"));
      });
    }
  }

  test("keeps an invalid percent-encoding, and replaces a lone surrogate", async (context) => {
    const { port, asked } = await notes(context);
    const options = { forceNew: true, reconnection: false, query: "a=100%&b=\ud800" };
    connect(`http://127.0.0.1:${port}`, options);
    assert.deepEqual((await asked).query, {
      a: "100%",
      b: "\ufffd",
      EIO: "4",
      transport: "polling",
    });
  });
});
