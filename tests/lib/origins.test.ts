// Tests the functions that decide which origins may connect. The tests need no server.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  origins as checkOrigins,
  trustedProxies as checkProxies,
} from "../../lib/origin-options.ts";
import { OriginPolicy, ownOrigin, parseOrigin, readForwarded } from "../../lib/origins.ts";
import { requestFrom } from "../support/net.ts";

describe("parseOrigin()", () => {
  // biome-ignore format: aligned table
  const ORIGINS: readonly (readonly [text: string, parsed: string | undefined])[] = [
    ["https://a.example",           "https://a.example"],
    ["HTTPS://A.Example",           "https://a.example"],
    ["https://a.example:443",       "https://a.example"],
    ["http://a.example:80",         "http://a.example"],
    ["http://a.example:443",        "http://a.example:443"],
    ["http://127.0.0.1:8080",       "http://127.0.0.1:8080"],
    ["http://[::1]:8080",           "http://[::1]:8080"],
    ["capacitor://localhost",       "capacitor://localhost"],
    ["chrome-extension://abcdef",   "chrome-extension://abcdef"],
    ["file://",                     "file://"],
    ["null",                        undefined],
    ["",                            undefined],
    ["*",                           undefined],
    ["a.example",                   undefined],
    ["https://",                    undefined],
    ["https://a.example/",          undefined],
    ["https://a.example/path",      undefined],
    ["https://a.example?query",     undefined],
    ["https://user@a.example",      undefined],
    ["https://a.example\\b.example", undefined],
    ["https://a.example:99999",     undefined],
    ["https://*.example",           undefined],
    ["https://a.example, https://b.example", undefined],
  ];
  for (const [text, parsed] of ORIGINS) {
    test(`returns ${parsed} for ${JSON.stringify(text)}`, () => {
      assert.equal(parseOrigin(text), parsed);
    });
  }
});

describe("ownOrigin()", () => {
  const none = { scheme: undefined, host: undefined };
  // biome-ignore format: aligned table
  const ROWS = [
    [{ encrypted: false, host: "a.example",      forwarded: undefined },                            "http://a.example"],
    [{ encrypted: true,  host: "a.example:443",  forwarded: undefined },                            "https://a.example"],
    [{ encrypted: false, host: "a.example:3000", forwarded: none },                                 "http://a.example:3000"],
    [{ encrypted: false, host: "a.example",      forwarded: { ...none, scheme: "https" } },         "https://a.example"],
    [{ encrypted: false, host: "a.example",      forwarded: { ...none, scheme: "wss" } },           "https://a.example"],
    [{ encrypted: false, host: "inner",          forwarded: { scheme: "https", host: "a.example" } }, "https://a.example"],
    [{ encrypted: false, host: "user@a.example", forwarded: undefined },                            undefined],
    [{ encrypted: false, host: undefined,        forwarded: undefined },                            undefined],
  ] as const;
  for (const [destination, origin] of ROWS) {
    test(`returns ${origin} for ${JSON.stringify(destination)}`, () => {
      assert.equal(ownOrigin(destination), origin);
    });
  }
});

describe("readForwarded()", () => {
  // biome-ignore format: aligned table
  const ROWS = [
    [{},                                                                        [undefined, undefined]],
    [{ "x-forwarded-proto": "HTTPS", "x-forwarded-host": "a.example" },         ["https", "a.example"]],
    [{ "x-forwarded-proto": "https, http", "x-forwarded-host": "a, b" },        ["https", "a"]],
    [{ "x-forwarded-proto": "", "x-forwarded-host": " " },                      [undefined, undefined]],
    [{ forwarded: 'for=192.0.2.1;Proto=https; host="a.example:8443"' },         ["https", "a.example:8443"]],
    [{ forwarded: "for=192.0.2.1;proto=https, for=b;proto=http;host=b" },       ["https", undefined]],
    [{ forwarded: "proto=http;host=b", "x-forwarded-proto": "https" },          ["https", "b"]],
  ] as const;
  for (const [headers, [scheme, host]] of ROWS) {
    test(`reads ${JSON.stringify(headers)}`, () => {
      assert.deepEqual(readForwarded(headers), { scheme, host });
    });
  }
});

describe("OriginPolicy", () => {
  const forwarded = {
    host: "inner",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "a.example",
  };
  const PEERS = [
    undefined,
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "::ffff:127.0.0.1",
    "10.1.2.3",
    "::ffff:10.1.2.3",
    "2001:db8::7",
    "fe80::1%eth0",
  ];
  // biome-ignore format: aligned table
  const TRUSTED = [
    ["none",                        []],
    ["loopback",                    [undefined, "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]],
    [[],                            []],
    [["127.0.0.1"],                 ["127.0.0.1", "::ffff:127.0.0.1"]],
    [["10.0.0.0/8"],                ["10.1.2.3", "::ffff:10.1.2.3"]],
    [["2001:db8::/32", "fe80::1"],  ["2001:db8::7", "fe80::1%eth0"]],
    [["0.0.0.0/0", "::/0"],         PEERS.filter((peer) => peer !== undefined)],
  ] as const;
  for (const [proxies, trusted] of TRUSTED) {
    test(`trustedProxies ${JSON.stringify(proxies)} trusts matching peers only`, () => {
      const policy = new OriginPolicy("same", proxies);
      const believed = PEERS.filter((peer) =>
        policy.admits("https://a.example", requestFrom(peer, forwarded)),
      );
      assert.deepEqual(believed, trusted);
      const ignored = PEERS.filter((peer) =>
        policy.admits("http://inner", requestFrom(peer, forwarded)),
      );
      assert.deepEqual([...believed, ...ignored].sort(), [...PEERS].sort());
    });
  }

  test("a list admits exact origins only, and not the server's own origin unless it is listed", () => {
    const policy = new OriginPolicy(["https://a.example", "http://b.example:80"]);
    const request = requestFrom("127.0.0.1", { host: "own.example" });
    const admitted = [
      "https://a.example",
      "https://a.example:443",
      "http://b.example",
      "http://a.example",
      "https://a.example.evil.test",
      "https://sub.a.example",
      "https://a.example:8443",
      "http://own.example",
      "null",
      "",
    ];
    assert.deepEqual(
      admitted.filter((origin) => policy.admits(origin, request)),
      admitted.slice(0, 3),
    );
  });

  test("a function admits an origin only if it returns or resolves to true", async () => {
    const request = requestFrom("127.0.0.1", {});
    const verdicts: unknown[] = [
      true,
      false,
      1,
      undefined,
      Promise.resolve(true),
      Promise.resolve(1),
    ];
    const admitted = [];
    for (const verdict of verdicts) {
      const policy: OriginPolicy = Reflect.construct(OriginPolicy, [() => verdict]);
      admitted.push(await policy.admits("https://a.example", request));
    }
    assert.deepEqual(admitted, [true, false, false, false, true, false]);
  });

  // biome-ignore format: aligned table
  const INVALID: readonly (readonly [origins: unknown, proxies: unknown])[] = [
    [null, "none"], ["https://a.example", "none"], [7, "none"], [{}, "none"], [["*"], "none"], [["a.example"], "none"],
    [["https://a.example/"], "none"], [[/a/], "none"], [["null"], "none"],
    ["same", null], ["same", "all"], ["same", true], ["same", ["proxy.example"]], ["same", ["10.0.0.0/33"]], ["same", ["::/129"]], ["same", [7]],
  ];
  for (const [origins, proxies] of INVALID) {
    test(`origins and trustedProxies throw for ${JSON.stringify([origins, proxies])}`, () => {
      assert.throws(
        () => {
          checkOrigins(origins, "origins");
          checkProxies(proxies, "trustedProxies");
        },
        { code: "ERR_INVALID_ARG_TYPE" },
      );
    });
  }
});
