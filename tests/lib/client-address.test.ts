// Tests the client address of a request, and the address group that a limit per client treats as one client.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { addressGroup, clientAddress } from "../../lib/client-address.ts";
import { type TrustedProxies, trustOf } from "../../lib/trusted-proxies.ts";
import { assertLinear } from "../support/growth.ts";
import { requestFrom } from "../support/net.ts";

interface Case {
  readonly does: string;
  readonly peer?: string | undefined;
  readonly trusted?: TrustedProxies;
  readonly headers?: Readonly<Record<string, string>>;
  readonly gives: string;
}

const list = (text: string): Record<string, string> => ({ "x-forwarded-for": text });
const forwarded = (text: string): Record<string, string> => ({ forwarded: text });
const INNER = ["10.0.0.0/8", "2001:db8:ffff::/48"];
const LONG = "10.0.0.1,".repeat(1500);

// biome-ignore format: table
const CASES: readonly Case[] = [
  // Requests without a trusted header: the address of the peer, which is the other end of the TCP connection.
  { does: "the client address is the peer's address if no header has another address", peer: "192.0.2.1", gives: "192.0.2.1" },
  { does: "the client address is the peer's address if the peer is not a trusted proxy", peer: "192.0.2.1", headers: list("203.0.113.7"), gives: "192.0.2.1" },
  { does: "the client address is the peer's address even if it is a loopback address", peer: "127.0.0.1", gives: "127.0.0.1" },
  { does: "the client address is the peer's address if no proxy is trusted", peer: "127.0.0.1", trusted: "none", headers: list("203.0.113.7"), gives: "127.0.0.1" },
  { does: "the client address is the peer's address if only other proxies are trusted", peer: "127.0.0.1", trusted: INNER, headers: list("203.0.113.7"), gives: "127.0.0.1" },
  { does: "the client address is unknown on a Unix domain socket if no header has an address", peer: undefined, gives: "" },
  { does: "the client address is the address in X-Forwarded-For on a Unix domain socket", peer: undefined, headers: list("203.0.113.7"), gives: "203.0.113.7" },
  { does: "the client address is IPv4 for an IPv4-mapped peer", peer: "::ffff:192.0.2.1", gives: "192.0.2.1" },
  { does: "the client address is IPv4 for an IPv4-mapped peer in hexadecimal", peer: "::ffff:c000:201", gives: "192.0.2.1" },
  { does: "the client address is IPv6 for an IPv6 peer that is not IPv4-mapped, although its address ends like IPv4", peer: "64:ff9b::192.0.2.1", gives: "64:ff9b::192.0.2.1" },
  { does: "the client address of a link-local peer keeps its zone", peer: "fe80::1%eth0", gives: "fe80::1%eth0" },

  // Requests with the header X-Forwarded-For.
  { does: "the client address is the address in X-Forwarded-For from a proxy on loopback", peer: "127.0.0.1", headers: list("203.0.113.7"), gives: "203.0.113.7" },
  { does: "the client address is the address in X-Forwarded-For from a proxy on IPv4-mapped loopback", peer: "::ffff:127.0.0.1", headers: list("203.0.113.7"), gives: "203.0.113.7" },
  { does: "the client address is the rightmost address, which the proxy added", peer: "127.0.0.1", headers: list("198.51.100.1, 203.0.113.7"), gives: "203.0.113.7" },
  { does: "the client address is the rightmost address that is not a trusted proxy", peer: "10.0.0.1", trusted: INNER, headers: list("198.51.100.1, 203.0.113.7,10.0.0.3 , 10.0.0.2"), gives: "203.0.113.7" },
  { does: "the client address is the leftmost address if all are trusted proxies", peer: "10.0.0.1", trusted: INNER, headers: list("10.0.0.4, 10.0.0.3"), gives: "10.0.0.4" },
  { does: "the client address is found although there are invalid elements to its left", peer: "127.0.0.1", headers: list("<script>, , 203.0.113.7"), gives: "203.0.113.7" },
  { does: "the client address is read without its port", peer: "127.0.0.1", headers: list("203.0.113.7:4711"), gives: "203.0.113.7" },
  { does: "the client address may be IPv6", peer: "127.0.0.1", headers: list("2001:db8::7"), gives: "2001:db8::7" },
  { does: "the client address is read without the brackets of IPv6", peer: "127.0.0.1", headers: list("[2001:db8::7]"), gives: "2001:db8::7" },
  { does: "the client address is read without the brackets and the port of IPv6", peer: "127.0.0.1", headers: list("[2001:db8::7]:4711"), gives: "2001:db8::7" },
  { does: "the client address is IPv4 if the header has the IPv4-mapped IPv6 address", peer: "127.0.0.1", headers: list("::ffff:203.0.113.7"), gives: "203.0.113.7" },
  { does: "the client address is found if a trusted IPv4 range contains IPv4-mapped proxies", peer: "::ffff:10.0.0.1", trusted: INNER, headers: list("203.0.113.7, ::ffff:10.0.0.2"), gives: "203.0.113.7" },
  { does: "the client address is found if the trusted proxies have IPv6 addresses", peer: "2001:db8:ffff::1", trusted: INNER, headers: list("2001:db8::7, 2001:db8:ffff::2"), gives: "2001:db8::7" },
  { does: "the client address falls back to the peer's address if an element is a host name", peer: "127.0.0.1", headers: list("203.0.113.7, example.org"), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for an empty X-Forwarded-For", peer: "127.0.0.1", headers: list(""), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for an empty element", peer: "127.0.0.1", headers: list("203.0.113.7,"), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for an incomplete address", peer: "127.0.0.1", headers: list("203.0.113"), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for an octet of 256", peer: "127.0.0.1", headers: list("203.0.113.256"), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for an octet with a leading zero", peer: "127.0.0.1", headers: list("203.0.113.07"), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for a missing bracket", peer: "127.0.0.1", headers: list("[2001:db8::7"), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for an address with a zone", peer: "127.0.0.1", headers: list("fe80::1%eth0"), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for a colon without a port", peer: "127.0.0.1", headers: list("203.0.113.7:"), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address if a trusted proxy added an unknown address", peer: "10.0.0.1", trusted: INNER, headers: list("203.0.113.7, unknown, 10.0.0.2"), gives: "10.0.0.1" },
  { does: "the client address is found after a long list of trusted proxies", peer: "10.0.0.1", trusted: INNER, headers: list(`203.0.113.7, ${LONG}10.0.0.2`), gives: "203.0.113.7" },
  { does: "the client address is the address in X-Forwarded-For if both headers are present", peer: "127.0.0.1", headers: { ...list("203.0.113.7"), ...forwarded("for=198.51.100.1") }, gives: "203.0.113.7" },

  // Requests with the header Forwarded.
  { does: 'RFC 7239 §5.2 the client address is the value of the parameter "for"', peer: "127.0.0.1", headers: forwarded("for=203.0.113.7"), gives: "203.0.113.7" },
  { does: "RFC 7239 §4 the client address is found although the parameter's name begins with a capital", peer: "127.0.0.1", headers: forwarded("Proto=https;For=203.0.113.7;By=203.0.113.43"), gives: "203.0.113.7" },
  { does: "RFC 7239 §4 the client address is read from a quoted value", peer: "127.0.0.1", headers: forwarded('for="203.0.113.7:4711"'), gives: "203.0.113.7" },
  { does: "RFC 7239 §4 the client address is found although a quoted string before it contains separators", peer: "127.0.0.1", headers: forwarded('host="a,b;for=198.51.100.1, \\" for=198.51.100.2";for=203.0.113.7'), gives: "203.0.113.7" },
  { does: "RFC 7239 §6 the client address is read from quotation marks and brackets if it is IPv6", peer: "127.0.0.1", headers: forwarded('For="[2001:db8:cafe::17]:4711"'), gives: "2001:db8:cafe::17" },
  { does: "RFC 7239 §6.3 the client address is read without an obfuscated port", peer: "127.0.0.1", headers: forwarded('for="203.0.113.7:_SEVKISEK"'), gives: "203.0.113.7" },
  { does: "RFC 7239 §7.1 the client address is the rightmost element that is not a trusted proxy", peer: "10.0.0.1", trusted: INNER, headers: forwarded("for=198.51.100.1, for=203.0.113.7;proto=http, for=10.0.0.2"), gives: "203.0.113.7" },
  { does: "RFC 7239 §6.2 the client address falls back to the peer's address for the identifier 'unknown'", peer: "127.0.0.1", headers: forwarded("for=203.0.113.7, for=unknown"), gives: "127.0.0.1" },
  { does: "RFC 7239 §6.3 the client address falls back to the peer's address for an obfuscated node", peer: "127.0.0.1", headers: forwarded("for=_hidden"), gives: "127.0.0.1" },
  { does: "RFC 7239 §6 the client address falls back to the peer's address for IPv6 without brackets", peer: "127.0.0.1", headers: forwarded('for="2001:db8::7"'), gives: "127.0.0.1" },
  { does: "RFC 7239 §6 the client address falls back to the peer's address for IPv4 in brackets", peer: "127.0.0.1", headers: forwarded('for="[203.0.113.7]"'), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for an element without the parameter 'for'", peer: "127.0.0.1", headers: forwarded("for=203.0.113.7, proto=https"), gives: "127.0.0.1" },
  { does: "the client address falls back to the peer's address for an unterminated quoted string", peer: "127.0.0.1", headers: forwarded('for=203.0.113.7, for="203.0.113.8'), gives: "127.0.0.1" },
  { does: "the client address is found although the client sent an unterminated quoted string", peer: "127.0.0.1", headers: forwarded('for="x, for=203.0.113.8'), gives: "203.0.113.8" },
  { does: "the client address is found in quotation marks although the client sent an unterminated quoted string", peer: "127.0.0.1", headers: forwarded('for="x, for="[2001:db8::7]:4711"'), gives: "2001:db8::7" },
  { does: "the client address is found although the client sent a quoted string that ends with a backslash", peer: "127.0.0.1", headers: forwarded('for="x\\, for="[2001:db8::7]"'), gives: "2001:db8::7" },
  { does: "the client address falls back to the peer's address for an empty Forwarded", peer: "127.0.0.1", headers: forwarded(""), gives: "127.0.0.1" },
];

describe("clientAddress()", () => {
  for (const { does, peer, trusted, headers = {}, gives } of CASES) {
    test(does, () => {
      assert.equal(clientAddress(requestFrom(peer, headers), trustOf(trusted)), gives);
    });
  }

  test("the client address is unknown for a closed connection, whatever the headers", () => {
    const request = requestFrom(undefined, list("203.0.113.7"));
    request.socket.destroy();
    assert.equal(clientAddress(request, trustOf()), "");
  });

  const HEADERS: Readonly<Record<string, (length: number) => string>> = {
    quotes: (length) => '"'.repeat(length),
    "quotes and commas": (length) => `${'",'.repeat(length / 2)}"`,
    "quotes in pairs": (length) => `${'""'.repeat(length / 2)}"`,
    backslashes: (length) => `"${"\\".repeat(length + 1)}`,
    spaces: (length) => `for=${" ".repeat(length)}x`,
    commas: (length) => ",".repeat(length),
    semicolons: (length) => ";".repeat(length),
    colons: (length) => `for=${":".repeat(length)}`,
  };
  for (const [name, textOf] of Object.entries(HEADERS)) {
    test(`the client address is found in linear time in a header full of ${name}`, () => {
      assertLinear(16_000, (length) => {
        for (const headers of [list(textOf(length)), forwarded(textOf(length))]) {
          assert.equal(clientAddress(requestFrom("127.0.0.1", headers), trustOf()), "127.0.0.1");
        }
      });
    });
  }
});

describe("addressGroup()", () => {
  // biome-ignore format: table
  const GROUPS: readonly [address: string, group: string][] = [
    ["192.0.2.1",                 "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6",      "2001:db8:1:2::/64"],
    ["2001:db8:1:2::",            "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::ffff", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::1",           "2001:db8:1:3::/64"],
    ["2001:db8::1",               "2001:db8:0:0::/64"],
    ["::1",                       "0:0:0:0::/64"],
    ["1::",                       "1:0:0:0::/64"],
    ["1:2:3:4:5:6:192.0.2.1",     "1:2:3:4::/64"],
    ["64:ff9b::192.0.2.1",        "64:ff9b:0:0::/64"],
    ["fe80::1%eth0",              "fe80:0:0:0::/64"],
    ["",                          ""],
  ];
  for (const [address, group] of GROUPS) {
    test(`returns "${group}" for "${address}"`, () => assert.equal(addressGroup(address), group));
  }
});
