import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type CookieOptions, formatCookie } from "../../../lib/engineio/cookie.ts";
import { ask, PollingClient, serve } from "../../support/net.ts";

const OPEN = "/socket.io/?EIO=4&transport=polling";

describe("formatCookie()", () => {
  const EXPIRES = new Date(Date.UTC(2030, 0, 2, 3, 4, 5));
  // biome-ignore format: aligned table
  const COOKIES: readonly (readonly [CookieOptions, string])[] = [
    [{}, "io=v; Path=/; HttpOnly; SameSite=Lax"],
    [{ name: "session" }, "session=v; Path=/; HttpOnly; SameSite=Lax"],
    [{ path: false, httpOnly: false, sameSite: false }, "io=v"],
    [{ path: "/chat", domain: "example.org", maxAge: 86400.9 }, "io=v; Max-Age=86400; Domain=example.org; Path=/chat; HttpOnly; SameSite=Lax"],
    [{ expires: EXPIRES }, "io=v; Path=/; Expires=Wed, 02 Jan 2030 03:04:05 GMT; HttpOnly; SameSite=Lax"],
    [{ secure: true, partitioned: true, sameSite: "none" }, "io=v; Path=/; HttpOnly; Secure; Partitioned; SameSite=None"],
    [{ sameSite: true }, "io=v; Path=/; HttpOnly; SameSite=Strict"],
    [{ sameSite: "strict" }, "io=v; Path=/; HttpOnly; SameSite=Strict"],
    [{ priority: "high", encode: (id) => `<${id}>` }, "io=<v>; Path=/; HttpOnly; Priority=High; SameSite=Lax"],
  ];
  for (const [options, cookie] of COOKIES) {
    test(`RFC 6265 §4.1 returns ${cookie}`, () => assert.equal(formatCookie(options, "v"), cookie));
  }

  test("accepts a sameSite value that begins with a capital, like engine.io", () => {
    const options = JSON.parse('{ "sameSite": "None" }');
    assert.equal(formatCookie(options, "v"), "io=v; Path=/; HttpOnly; SameSite=None");
  });

  test("RFC 6265 §4.1.1 throws a TypeError for an invalid name, path or domain", () => {
    for (const options of [{ name: "a b" }, { name: "" }, { path: "/;x" }, { domain: "a\r\nb" }]) {
      assert.throws(() => formatCookie(options, "v"), TypeError);
    }
  });
});

describe("The session cookie", () => {
  test("is set only by the response to the polling handshake", async (context) => {
    for (const [cookie, pattern] of [
      [true, /^io=([^;]+); Path=\/; HttpOnly; SameSite=Lax$/],
      [{ name: "sid", secure: true }, /^sid=([^;]+); Path=\/; HttpOnly; Secure; SameSite=Lax$/],
    ] as const) {
      const { port } = await serve(context, { cookie });
      const { headers, body } = await ask(port, OPEN);
      const { sid } = JSON.parse(body.slice(1));
      const [set = ""] = headers["set-cookie"] ?? [];
      assert.equal(pattern.exec(set)?.[1], sid);
      const posted = await new PollingClient(port, sid).post("40");
      assert.equal(posted.headers["set-cookie"], undefined);
    }
  });
});
