// Where a response sends a request, and what goes along: RFC 9110 §15.4.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { isRedirect, redirectHeaders, redirectTarget } from "../../client/redirects.ts";

const FROM = new URL("https://a.test:1/dir/file?x=1");

describe("redirections", () => {
  test("RFC 9110 §15.4: the statuses", () => {
    const statuses = [200, 300, 301, 302, 303, 304, 305, 307, 308, 400, undefined];
    assert.deepEqual(statuses.filter(isRedirect), [301, 302, 303, 307, 308]);
  });

  for (const [location, target] of [
    ["/other", "https://a.test:1/other"],
    ["other?y", "https://a.test:1/dir/other?y"],
    ["//b.test/", "https://b.test/"],
    ["wss://b.test/", "wss://b.test/"],
    ["ftp://b.test/", undefined],
    ["javascript:alert(1)", undefined],
    ["http://[", undefined],
    [undefined, undefined],
  ] as const) {
    test(`RFC 9110 §10.2.2: ${location}`, () => {
      assert.equal(redirectTarget(FROM, location)?.href, target);
    });
  }

  for (const [to, kept] of [
    ["https://a.test:1/x", true],
    ["wss://a.test:1/x", true],
    ["https://a.test:2/x", false],
    ["https://b.test:1/x", false],
    ["http://a.test:1/x", false],
  ] as const) {
    test(`what says who this is ${kept ? "goes" : "does not go"} to ${to}`, () => {
      const headers = { Authorization: "s", cookie: "a=b", "Proxy-Authorization": "p", More: "m" };
      const expected = kept ? headers : { More: "m" };
      assert.deepEqual(redirectHeaders(FROM, new URL(to), headers), expected);
    });
  }
});
