// Tests the cookies of the Node client: RFC 6265 §5.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CookieJar } from "../../client/platform/cookies.ts";

const FROM = "http://a.test/dir/file";

/** The Set-Cookie fields of a response, the URL of the next request, and the Cookie field of that request. */
const CASES: readonly (readonly [
  does: string,
  fields: readonly string[],
  to: string,
  sent: string | undefined,
])[] = [
  ["RFC 6265 §5.2: sends a name-value pair", ["a=b"], FROM, "a=b"],
  [
    "RFC 6265 §5.2: trims whitespace, and keeps = inside a value",
    [" a = b=c ; HttpOnly"],
    FROM,
    "a=b=c",
  ],
  ["RFC 6265 §5.2: ignores a cookie without a name or without =", ["=b", "b"], FROM, undefined],
  [
    "RFC 6265 §5.2: ignores cookies with control characters",
    ["a=b\x01", "c=d\r\nX: y"],
    FROM,
    undefined,
  ],
  ["RFC 6265 §5.3: a later cookie replaces one of the same name", ["a=1", "a=2"], FROM, "a=2"],
  ['RFC 6265 §5.4: joins several cookies with "; "', ["a=1", "b=2"], FROM, "a=1; b=2"],
  [
    "RFC 6265 §5.1.4: the default path excludes the parent folder",
    ["a=1"],
    "http://a.test/",
    undefined,
  ],
  [
    "RFC 6265 §5.1.4: the default path includes the folders below",
    ["a=1"],
    "http://a.test/dir/x/y",
    "a=1",
  ],
  [
    "RFC 6265 §5.1.4: a path does not match a longer folder name with the same prefix",
    ["a=1; Path=/di"],
    FROM,
    undefined,
  ],
  ["RFC 6265 §5.2.4: the Path attribute sets the path", ["a=1; path=/"], "http://a.test/", "a=1"],
  [
    "RFC 6265 §5.2.4: an invalid Path means the default path",
    ["a=1; Path=x"],
    "http://a.test/",
    undefined,
  ],
  ["RFC 6265 §5.2.5: a Secure cookie is not sent over http:", ["a=1; Secure"], FROM, undefined],
  [
    "RFC 6265 §5.2.5: a Secure cookie is sent over wss:",
    ["a=1; SECURE"],
    "wss://a.test/dir/",
    "a=1",
  ],
  [
    "RFC 6265 §5.3: a cookie without Domain is not sent to subdomains",
    ["a=1"],
    "http://b.a.test/dir/",
    undefined,
  ],
  [
    "RFC 6265 §5.2.3: a cookie with Domain is sent to subdomains",
    ["a=1; Domain=.A.test"],
    "http://b.a.test/dir/",
    "a=1",
  ],
  [
    "RFC 6265 §5.3: ignores a cookie for another host's domain",
    ["a=1; Domain=b.test"],
    FROM,
    undefined,
  ],
  [
    "RFC 6265 §5.3: ignores a Domain that only shares a suffix with the host",
    ["a=1; Domain=est"],
    FROM,
    undefined,
  ],
  ["RFC 6265 §5.2.2: a cookie is sent before Max-Age has passed", ["a=1; Max-Age=10"], FROM, "a=1"],
  ["RFC 6265 §5.2.2: Max-Age=0 removes the cookie", ["a=1", "a=1; max-age=0"], FROM, undefined],
  ["RFC 6265 §5.2.2: ignores a Max-Age that is not a number", ["a=1; Max-Age=x"], FROM, "a=1"],
  [
    "RFC 6265 §5.3: Max-Age takes precedence over Expires",
    ["a=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:01 GMT"],
    FROM,
    "a=1",
  ],
  [
    "RFC 6265 §5.2.1: a cookie with a past Expires date is not sent",
    ["a=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT"],
    FROM,
    undefined,
  ],
  ["RFC 6265 §5.2.1: ignores an Expires that is not a date", ["a=1; Expires=soon"], FROM, "a=1"],
  ["RFC 6265 §6.1: ignores a cookie that is too long", [`a=${"x".repeat(9000)}`], FROM, undefined],
];

describe("CookieJar", () => {
  for (const [does, fields, to, sent] of CASES) {
    test(does, () => {
      const jar = new CookieJar(() => 1_000_000_000);
      jar.take(new URL(FROM), fields);
      assert.equal(jar.header(new URL(to)), sent);
    });
  }

  test("does not send an expired cookie", () => {
    let now = 0;
    const jar = new CookieJar(() => now);
    jar.take(new URL(FROM), ["a=1; Max-Age=10", "b=2"]);
    now = 9_999;
    assert.equal(jar.header(new URL(FROM)), "a=1; b=2");
    now = 10_000;
    assert.equal(jar.header(new URL(FROM)), "b=2");
  });

  test("RFC 6265 §6.1: keeps at most the fifty newest cookies", () => {
    const jar = new CookieJar();
    jar.take(
      new URL(FROM),
      Array.from({ length: 60 }, (_, i) => `c${i}=${i}`),
    );
    const sent = jar.header(new URL(FROM))?.split("; ") ?? [];
    assert.deepEqual([sent.length, sent[0]], [50, "c10=10"]);
  });
});
