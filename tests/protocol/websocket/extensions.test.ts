// Tests the grammar of Sec-WebSocket-Extensions: RFC 6455 §9.1.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  formatExtensions,
  isToken,
  parseExtensions,
} from "../../../protocol/websocket/extensions.ts";

describe("RFC 6455 §9.1 Negotiating Extensions: the grammar", () => {
  // biome-ignore format: aligned table
  const READ: readonly (readonly [header: string, formatted: string])[] = [
    ["foo",                                 "foo"],
    [" \tfoo \t",                           "foo"],
    ["foo, bar; baz=2",                     "foo, bar; baz=2"],
    ["bar;baz=2,foo",                       "bar; baz=2, foo"],
    ["deflate-stream",                      "deflate-stream"],
    ["mux; max-channels=4; flow-control, deflate-stream", "mux; max-channels=4; flow-control, deflate-stream"],
    ["private-extension",                   "private-extension"],
    ['a; b="c"',                            "a; b=c"],
    ['a; b="c\\d"',                         "a; b=cd"],
    ["a ; b = c ; d",                       "a; b=c; d"],
    ["a; b; b; b=1",                        "a; b; b; b=1"],
    ["!#$%&'*+-.^_`|~0aZ",                  "!#$%&'*+-.^_`|~0aZ"],
    ["__proto__; constructor=toString",     "__proto__; constructor=toString"],
    // RFC 9110 §5.6.1.2: empty elements are ignored.
    ["a,",                                  "a"],
    [",a",                                  "a"],
    [",, ,a; b ,\t, c,,",                   "a; b, c"],
  ];
  for (const [header, formatted] of READ) {
    test(`parses ${JSON.stringify(header)}`, () => {
      const extensions = parseExtensions(header);
      assert.ok(extensions !== undefined);
      assert.equal(formatExtensions(extensions), formatted);
    });
  }

  const REFUSED = [
    "",
    " ",
    ",",
    " , ,",
    ",a b",
    ",;b",
    "a;",
    "a;,b",
    "a; b=,c",
    "a; ;b",
    "a; b=",
    "a; =b",
    "a b",
    "a; b c",
    "a; b=c d",
    'a; b="',
    'a; b="c',
    'a; b=""',
    'a; b="c d"',
    'a; b="c\\"d"',
    'a; b="c"d',
    'a; b=c"d"',
    '"a"',
    "a/b",
    "a; b=(c)",
    "é",
    "a\r\nb",
    "a\0",
  ];
  for (const header of REFUSED) {
    test(`rejects ${JSON.stringify(header)}`, () => {
      assert.equal(parseExtensions(header), undefined);
    });
  }

  test("parses headers of 100,000 elements in linear time", () => {
    const long = `a${"; b".repeat(100_000)}`;
    assert.equal(parseExtensions(long)?.[0]?.parameters.length, 100_000);
    assert.equal(parseExtensions(`${long};`), undefined);
    assert.equal(parseExtensions(`a; b="${"\\x".repeat(100_000)}`), undefined);
    assert.equal(parseExtensions(" ".repeat(100_000)), undefined);
    assert.equal(parseExtensions(`${", ".repeat(100_000)}a`)?.length, 1);
  });

  test("isToken() accepts tokens only", () => {
    for (const token of ["a", "chat.v1", "!"]) assert.ok(isToken(token));
    for (const none of ["", " ", "a b", "a,b", '"a"', "é", "a\n"]) assert.ok(!isToken(none));
  });
});
