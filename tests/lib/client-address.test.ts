// The address of a request's client, and what stands for it where clients are counted.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { addressGroup, clientAddress } from "../../lib/client-address.ts";
import { type TrustedProxies, trustOf } from "../../lib/trusted-proxies.ts";
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
  // The peer.
  { does: "is the peer's without a header", peer: "192.0.2.1", gives: "192.0.2.1" },
  { does: "is the peer's for a peer that is not trusted", peer: "192.0.2.1", headers: list("203.0.113.7"), gives: "192.0.2.1" },
  { does: "is the peer's for loopback without a header", peer: "127.0.0.1", gives: "127.0.0.1" },
  { does: "is the peer's if no proxy is trusted", peer: "127.0.0.1", trusted: "none", headers: list("203.0.113.7"), gives: "127.0.0.1" },
  { does: "is the peer's if another proxy is trusted", peer: "127.0.0.1", trusted: INNER, headers: list("203.0.113.7"), gives: "127.0.0.1" },
  { does: "is unknown on a Unix domain socket without a header", peer: undefined, gives: "" },
  { does: "is that of the header on a Unix domain socket", peer: undefined, headers: list("203.0.113.7"), gives: "203.0.113.7" },
  { does: "is IPv4 for an IPv4-mapped peer", peer: "::ffff:192.0.2.1", gives: "192.0.2.1" },
  { does: "is IPv4 for an IPv4-mapped peer in hexadecimal", peer: "::ffff:c000:201", gives: "192.0.2.1" },
  { does: "is IPv6 for other addresses that end like IPv4", peer: "64:ff9b::192.0.2.1", gives: "64:ff9b::192.0.2.1" },
  { does: "keeps the zone of a link-local peer", peer: "fe80::1%eth0", gives: "fe80::1%eth0" },

  // X-Forwarded-For.
  { does: "is that which a proxy on loopback names", peer: "127.0.0.1", headers: list("203.0.113.7"), gives: "203.0.113.7" },
  { does: "is that which a proxy on mapped loopback names", peer: "::ffff:127.0.0.1", headers: list("203.0.113.7"), gives: "203.0.113.7" },
  { does: "is the rightmost, which the proxy has added", peer: "127.0.0.1", headers: list("198.51.100.1, 203.0.113.7"), gives: "203.0.113.7" },
  { does: "is the rightmost that is not trusted", peer: "10.0.0.1", trusted: INNER, headers: list("198.51.100.1, 203.0.113.7,10.0.0.3 , 10.0.0.2"), gives: "203.0.113.7" },
  { does: "is the leftmost if all are trusted", peer: "10.0.0.1", trusted: INNER, headers: list("10.0.0.4, 10.0.0.3"), gives: "10.0.0.4" },
  { does: "is not forged by what is not an address on the left", peer: "127.0.0.1", headers: list("<script>, , 203.0.113.7"), gives: "203.0.113.7" },
  { does: "may have a port", peer: "127.0.0.1", headers: list("203.0.113.7:4711"), gives: "203.0.113.7" },
  { does: "may be IPv6", peer: "127.0.0.1", headers: list("2001:db8::7"), gives: "2001:db8::7" },
  { does: "may be IPv6 in brackets", peer: "127.0.0.1", headers: list("[2001:db8::7]"), gives: "2001:db8::7" },
  { does: "may be IPv6 with a port", peer: "127.0.0.1", headers: list("[2001:db8::7]:4711"), gives: "2001:db8::7" },
  { does: "may be IPv4 in the form of IPv6", peer: "127.0.0.1", headers: list("::ffff:203.0.113.7"), gives: "203.0.113.7" },
  { does: "a trusted range of IPv4 has the mapped addresses too", peer: "::ffff:10.0.0.1", trusted: INNER, headers: list("203.0.113.7, ::ffff:10.0.0.2"), gives: "203.0.113.7" },
  { does: "a trusted proxy may have IPv6", peer: "2001:db8:ffff::1", trusted: INNER, headers: list("2001:db8::7, 2001:db8:ffff::2"), gives: "2001:db8::7" },
  { does: "falls back to the peer's for no address", peer: "127.0.0.1", headers: list("203.0.113.7, example.org"), gives: "127.0.0.1" },
  { does: "falls back to the peer's for an empty header", peer: "127.0.0.1", headers: list(""), gives: "127.0.0.1" },
  { does: "falls back to the peer's for an empty element", peer: "127.0.0.1", headers: list("203.0.113.7,"), gives: "127.0.0.1" },
  { does: "falls back to the peer's for half an address", peer: "127.0.0.1", headers: list("203.0.113"), gives: "127.0.0.1" },
  { does: "falls back to the peer's for an octet of 256", peer: "127.0.0.1", headers: list("203.0.113.256"), gives: "127.0.0.1" },
  { does: "falls back to the peer's for a leading zero", peer: "127.0.0.1", headers: list("203.0.113.07"), gives: "127.0.0.1" },
  { does: "falls back to the peer's for a bracket too few", peer: "127.0.0.1", headers: list("[2001:db8::7"), gives: "127.0.0.1" },
  { does: "falls back to the peer's for a zone", peer: "127.0.0.1", headers: list("fe80::1%eth0"), gives: "127.0.0.1" },
  { does: "falls back to the peer's for no port behind the colon", peer: "127.0.0.1", headers: list("203.0.113.7:"), gives: "127.0.0.1" },
  { does: "falls back to the peer's behind a trusted proxy that names no address", peer: "10.0.0.1", trusted: INNER, headers: list("203.0.113.7, unknown, 10.0.0.2"), gives: "10.0.0.1" },
  { does: "is read through a long list", peer: "10.0.0.1", trusted: INNER, headers: list(`203.0.113.7, ${LONG}10.0.0.2`), gives: "203.0.113.7" },
  { does: "is that of X-Forwarded-For if there is Forwarded, too", peer: "127.0.0.1", headers: { ...list("203.0.113.7"), ...forwarded("for=198.51.100.1") }, gives: "203.0.113.7" },

  // Forwarded.
  { does: "RFC 7239 §5.2 is the parameter for", peer: "127.0.0.1", headers: forwarded("for=203.0.113.7"), gives: "203.0.113.7" },
  { does: "RFC 7239 §4 the names of parameters have no case", peer: "127.0.0.1", headers: forwarded("Proto=https;For=203.0.113.7;By=203.0.113.43"), gives: "203.0.113.7" },
  { does: "RFC 7239 §4 a value may be quoted", peer: "127.0.0.1", headers: forwarded('for="203.0.113.7:4711"'), gives: "203.0.113.7" },
  { does: "RFC 7239 §4 separators in quoted strings are text", peer: "127.0.0.1", headers: forwarded('host="a,b;for=198.51.100.1, \\" for=198.51.100.2";for=203.0.113.7'), gives: "203.0.113.7" },
  { does: "RFC 7239 §6 IPv6 is quoted and in brackets", peer: "127.0.0.1", headers: forwarded('For="[2001:db8:cafe::17]:4711"'), gives: "2001:db8:cafe::17" },
  { does: "RFC 7239 §6.3 a port may be obfuscated", peer: "127.0.0.1", headers: forwarded('for="203.0.113.7:_SEVKISEK"'), gives: "203.0.113.7" },
  { does: "RFC 7239 §7.1 is the rightmost element that is not trusted", peer: "10.0.0.1", trusted: INNER, headers: forwarded("for=198.51.100.1, for=203.0.113.7;proto=http, for=10.0.0.2"), gives: "203.0.113.7" },
  { does: "RFC 7239 §6.2 falls back to the peer's for unknown", peer: "127.0.0.1", headers: forwarded("for=203.0.113.7, for=unknown"), gives: "127.0.0.1" },
  { does: "RFC 7239 §6.3 falls back to the peer's for an obfuscated node", peer: "127.0.0.1", headers: forwarded("for=_hidden"), gives: "127.0.0.1" },
  { does: "RFC 7239 §6 falls back to the peer's for IPv6 without brackets", peer: "127.0.0.1", headers: forwarded('for="2001:db8::7"'), gives: "127.0.0.1" },
  { does: "RFC 7239 §6 falls back to the peer's for IPv4 in brackets", peer: "127.0.0.1", headers: forwarded('for="[203.0.113.7]"'), gives: "127.0.0.1" },
  { does: "falls back to the peer's for an element without for", peer: "127.0.0.1", headers: forwarded("for=203.0.113.7, proto=https"), gives: "127.0.0.1" },
  { does: "falls back to the peer's for a quoted string without an end", peer: "127.0.0.1", headers: forwarded('for=203.0.113.7, for="203.0.113.8'), gives: "127.0.0.1" },
  { does: "is not hidden by a quoted string of the client without an end", peer: "127.0.0.1", headers: forwarded('for="x, for=203.0.113.8'), gives: "203.0.113.8" },
  { does: "is not hidden, quoted, by a quoted string without an end", peer: "127.0.0.1", headers: forwarded('for="x, for="[2001:db8::7]:4711"'), gives: "2001:db8::7" },
  { does: "is not hidden by a backslash in front of the comma", peer: "127.0.0.1", headers: forwarded('for="x\\, for="[2001:db8::7]"'), gives: "2001:db8::7" },
  { does: "falls back to the peer's for an empty header", peer: "127.0.0.1", headers: forwarded(""), gives: "127.0.0.1" },
];

describe("The address of a client", () => {
  for (const { does, peer, trusted, headers = {}, gives } of CASES) {
    test(does, () => {
      assert.equal(clientAddress(requestFrom(peer, headers), trustOf(trusted)), gives);
    });
  }

  test("is unknown for a connection that has ended, whatever the headers say", () => {
    const request = requestFrom(undefined, list("203.0.113.7"));
    request.socket.destroy();
    assert.equal(clientAddress(request, trustOf()), "");
  });

  for (const [name, text] of Object.entries({
    quotes: '"'.repeat(16_000),
    "quotes and commas": `${'",'.repeat(8000)}"`,
    "quotes in pairs": `${'""'.repeat(8000)}"`,
    backslashes: `"${"\\".repeat(16_001)}`,
    spaces: `for=${" ".repeat(16_000)}x`,
    commas: ",".repeat(16_000),
    semicolons: ";".repeat(16_000),
    colons: `for=${":".repeat(16_000)}`,
  })) {
    test(`is found in less than 100 ms in a header full of ${name}`, () => {
      const begun = process.cpuUsage();
      for (const headers of [list(text), forwarded(text)]) {
        assert.equal(clientAddress(requestFrom("127.0.0.1", headers), trustOf()), "127.0.0.1");
      }
      assert.ok(process.cpuUsage(begun).user < 100_000);
    });
  }
});

describe("The group of an address", () => {
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
    test(`"${address}" is "${group}"`, () => assert.equal(addressGroup(address), group));
  }
});
