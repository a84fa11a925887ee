// The cookies of Node's client: RFC 6265 §5.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CookieJar } from "../../client/platform/cookies.ts";

const FROM = "http://a.test/dir/file";

/** What a response says, where the next request goes, and what goes with it. */
const CASES: readonly (readonly [
  does: string,
  fields: readonly string[],
  to: string,
  sent: string | undefined,
])[] = [
  ["RFC 6265 §5.2: a pair", ["a=b"], FROM, "a=b"],
  ["RFC 6265 §5.2: blanks around it, and = inside", [" a = b=c ; HttpOnly"], FROM, "a=b=c"],
  ["RFC 6265 §5.2: without a name, or without =", ["=b", "b"], FROM, undefined],
  ["RFC 6265 §5.2: control characters", ["a=b\x01", "c=d\r\nX: y"], FROM, undefined],
  ["RFC 6265 §5.3: the later one counts", ["a=1", "a=2"], FROM, "a=2"],
  ["RFC 6265 §5.4: several", ["a=1", "b=2"], FROM, "a=1; b=2"],
  ["RFC 6265 §5.1.4: by default for its folder", ["a=1"], "http://a.test/", undefined],
  ["RFC 6265 §5.1.4: and below it", ["a=1"], "http://a.test/dir/x/y", "a=1"],
  ["RFC 6265 §5.1.4: not for what only begins alike", ["a=1; Path=/di"], FROM, undefined],
  ["RFC 6265 §5.2.4: a path", ["a=1; path=/"], "http://a.test/", "a=1"],
  [
    "RFC 6265 §5.2.4: a path that is none is the default",
    ["a=1; Path=x"],
    "http://a.test/",
    undefined,
  ],
  ["RFC 6265 §5.2.5: secure", ["a=1; Secure"], FROM, undefined],
  ["RFC 6265 §5.2.5: secure, over TLS", ["a=1; SECURE"], "wss://a.test/dir/", "a=1"],
  ["RFC 6265 §5.3: for its host alone", ["a=1"], "http://b.a.test/dir/", undefined],
  ["RFC 6265 §5.2.3: a domain", ["a=1; Domain=.A.test"], "http://b.a.test/dir/", "a=1"],
  ["RFC 6265 §5.3: another's domain", ["a=1; Domain=b.test"], FROM, undefined],
  ["RFC 6265 §5.3: a domain that only ends alike", ["a=1; Domain=est"], FROM, undefined],
  ["RFC 6265 §5.2.2: Max-Age", ["a=1; Max-Age=10"], FROM, "a=1"],
  ["RFC 6265 §5.2.2: Max-Age of 0 takes it away", ["a=1", "a=1; max-age=0"], FROM, undefined],
  ["RFC 6265 §5.2.2: Max-Age that is no number", ["a=1; Max-Age=x"], FROM, "a=1"],
  [
    "RFC 6265 §5.3: Max-Age goes before Expires",
    ["a=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:01 GMT"],
    FROM,
    "a=1",
  ],
  ["RFC 6265 §5.2.1: Expires", ["a=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT"], FROM, undefined],
  ["RFC 6265 §5.2.1: Expires that is no date", ["a=1; Expires=soon"], FROM, "a=1"],
  ["RFC 6265 §6.1: too long", [`a=${"x".repeat(9000)}`], FROM, undefined],
];

describe("CookieJar", () => {
  for (const [does, fields, to, sent] of CASES) {
    test(does, () => {
      const jar = new CookieJar(() => 1_000_000_000);
      jar.take(new URL(FROM), fields);
      assert.equal(jar.header(new URL(to)), sent);
    });
  }

  test("what has expired is not sent any more", () => {
    let now = 0;
    const jar = new CookieJar(() => now);
    jar.take(new URL(FROM), ["a=1; Max-Age=10", "b=2"]);
    now = 9_999;
    assert.equal(jar.header(new URL(FROM)), "a=1; b=2");
    now = 10_000;
    assert.equal(jar.header(new URL(FROM)), "b=2");
  });

  test("RFC 6265 §6.1: at most fifty, the newest", () => {
    const jar = new CookieJar();
    jar.take(
      new URL(FROM),
      Array.from({ length: 60 }, (_, i) => `c${i}=${i}`),
    );
    const sent = jar.header(new URL(FROM))?.split("; ") ?? [];
    assert.deepEqual([sent.length, sent[0]], [50, "c10=10"]);
  });
});
