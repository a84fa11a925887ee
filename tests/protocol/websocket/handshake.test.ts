// Tests the opening handshake of both roles: RFC 6455 §4.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  acceptKey,
  decideHandshake,
  HANDSHAKE_RULES,
  type HandshakeOffer,
  type HandshakeRequest,
  type HandshakeRuleName,
  type Headers,
  judgeHandshake,
  offerHandshake,
  VERSION,
} from "../../../protocol/websocket/handshake.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const GOOD: Headers = {
  host: "server.example.com",
  upgrade: "websocket",
  connection: "Upgrade",
  "sec-websocket-key": KEY,
  "sec-websocket-version": VERSION,
};

function request(headers: Headers = {}, more: Partial<HandshakeRequest> = {}): HandshakeRequest {
  return { method: "GET", httpVersion: "1.1", headers: { ...GOOD, ...headers }, ...more };
}

test("RFC 6455 §1.3 acceptKey() returns the hash of the RFC's own example", () => {
  assert.equal(acceptKey(KEY), ACCEPT);
});

describe("RFC 6455 §4.2.1 Reading the Client's Opening Handshake", () => {
  const ACCEPTED: readonly (readonly [string, HandshakeRequest])[] = [
    ["the RFC's own example", request({ origin: "http://example.com" })],
    [
      "the values of Upgrade and Connection in any case",
      request({ upgrade: "WebSocket", connection: "UPGRADE" }),
    ],
    [
      "the values of Upgrade and Connection in lists",
      request({ upgrade: "h2c, websocket", connection: "keep-alive,  Upgrade " }),
    ],
    ["a repeated Connection header", request({ connection: ["keep-alive", "upgrade"] })],
    ["a later version of HTTP", request({}, { httpVersion: "2.0" })],
    ["an empty Host", request({ host: "" })],
    ["unknown extensions", request({ "sec-websocket-extensions": "foo; bar=1" })],
  ];
  for (const [does, given] of ACCEPTED) {
    test(`accepts ${does}`, () => {
      assert.deepEqual(decideHandshake(given), {
        accepted: true,
        headers: [
          ["Upgrade", "websocket"],
          ["Connection", "Upgrade"],
          ["Sec-WebSocket-Accept", ACCEPT],
        ],
        protocol: "",
        deflate: undefined,
      });
    });
  }

  const REFUSED: Record<HandshakeRuleName, readonly [HandshakeRequest, ...HandshakeRequest[]]> = {
    METHOD: [
      request({}, { method: "POST" }),
      request({}, { method: undefined }),
      request({}, { method: "get" }),
    ],
    HTTP_VERSION: [request({}, { httpVersion: "1.0" }), request({}, { httpVersion: "" })],
    HOST: [request({ host: undefined })],
    UPGRADE: [
      request({ upgrade: undefined }),
      request({ upgrade: "web socket" }),
      request({ upgrade: "" }),
    ],
    CONNECTION: [request({ connection: undefined }), request({ connection: "close" })],
    KEY: [
      request({ "sec-websocket-key": undefined }),
      request({ "sec-websocket-key": "" }),
      request({ "sec-websocket-key": `${KEY} ` }),
      request({ "sec-websocket-key": `x${KEY}` }),
      request({ "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ" }),
      request({ "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZT==x" }),
      request({ "sec-websocket-key": "dGhlIHNhbXBsZSBub25j-_==" }),
      request({ "sec-websocket-key": [KEY] }),
      request({ "sec-websocket-key": [KEY, KEY] }),
    ],
    VERSION: [
      request({ "sec-websocket-version": undefined }),
      request({ "sec-websocket-version": "8" }),
      request({ "sec-websocket-version": "13, 8" }),
      request({ "sec-websocket-version": "013" }),
    ],
    PROTOCOL: [
      request({ "sec-websocket-protocol": "" }),
      request({ "sec-websocket-protocol": "," }),
      request({ "sec-websocket-protocol": "a,,a" }),
      request({ "sec-websocket-protocol": ",a b" }),
      request({ "sec-websocket-protocol": "a, b, a" }),
      request({ "sec-websocket-protocol": "a b" }),
      request({ "sec-websocket-protocol": "a, b c" }),
    ],
    EXTENSIONS: [
      request({ "sec-websocket-extensions": "" }),
      request({ "sec-websocket-extensions": "," }),
      request({ "sec-websocket-extensions": "a; b=" }),
      request({ "sec-websocket-extensions": ["a", "b;"] }),
    ],
  };
  for (const [rule, requests] of Object.entries(REFUSED)) {
    test(`refuses requests that break the rule ${rule}`, () => {
      for (const given of requests) {
        assert.deepEqual(decideHandshake(given), { accepted: false, rule });
      }
    });
  }

  test("has a section, a status and a message for each rule", () => {
    for (const { section, status, text } of Object.values(HANDSHAKE_RULES)) {
      assert.match(section, /^RFC 6455 §(4\.2\.1|4\.4|9\.1)$/);
      assert.ok(status === 400 || status === 405);
      assert.match(text, /^(Invalid|Missing)/);
    }
  });

  test("RFC 6455 §4.4 Supporting Multiple Versions: accepts version 13 only", () => {
    assert.equal(VERSION, "13");
    assert.equal(HANDSHAKE_RULES.VERSION.section, "RFC 6455 §4.4");
    for (let version = 0; version < 256; version++) {
      const { accepted } = decideHandshake(request({ "sec-websocket-version": `${version}` }));
      assert.equal(accepted, version === 13);
    }
  });
});

describe("RFC 6455 §4.2.2 Sending the Server's Opening Handshake", () => {
  test("selects the first offered subprotocol, unless selectProtocol returns another subprotocol or none", () => {
    const offering = request({ "sec-websocket-protocol": "chat, superchat" });
    const chosen = (select?: (offered: readonly string[]) => string | undefined): unknown => {
      const decision = decideHandshake(offering, select && { selectProtocol: select });
      assert.ok(decision.accepted);
      const line = decision.headers.find(([name]) => name === "Sec-WebSocket-Protocol");
      return [decision.protocol, line?.[1]];
    };
    assert.deepEqual(chosen(), ["chat", "chat"]);
    assert.deepEqual(
      chosen((offered) => offered[1]),
      ["superchat", "superchat"],
    );
    assert.deepEqual(
      chosen(() => undefined),
      ["", undefined],
    );
    const none = decideHandshake(request(), {
      selectProtocol: () => assert.fail("called although the client offers no subprotocol"),
    });
    assert.ok(none.accepted);
    const lines = decideHandshake(request({ "sec-websocket-protocol": ["a", "b"] }));
    assert.ok(lines.accepted && lines.protocol === "a");
  });

  test("throws if selectProtocol returns a subprotocol that the client did not offer", () => {
    const offering = request({ "sec-websocket-protocol": "chat, superchat" });
    for (const choice of ["Chat", "chat, superchat", "chat\r\nX: y"]) {
      assert.throws(
        () => decideHandshake(offering, { selectProtocol: () => choice }),
        /did not offer/,
      );
    }
  });

  // RFC 9110 §5.6.1.2: empty elements of a list are ignored.
  test("ignores empty elements of a list", () => {
    for (const list of ["echo,", ",echo", ", ,echo, ,chat,"]) {
      const offering = {
        "sec-websocket-protocol": list,
        "sec-websocket-extensions": "permessage-deflate,",
        connection: ",Upgrade,",
        upgrade: "websocket,",
      };
      const decision = decideHandshake(request(offering), { deflate: {} });
      assert.ok(decision.accepted);
      assert.equal(decision.protocol, "echo");
      assert.notEqual(decision.deflate, undefined);
    }
  });

  test("RFC 6455 §9 selects no extension that the client did not offer", () => {
    for (const offer of [undefined, "x-other", "permessage-deflate2", "permessage-deflate; x"]) {
      const given = request({ "sec-websocket-extensions": offer });
      const decision = decideHandshake(given, { deflate: { serverNoContextTakeover: true } });
      assert.ok(decision.accepted && decision.deflate === undefined);
      const names = decision.headers.map(([name]) => name);
      assert.ok(!names.includes("Sec-WebSocket-Extensions"), offer);
    }
  });

  test("selects permessage-deflate only if enabled, with the server's parameters", () => {
    const offering = request({
      "sec-websocket-extensions": "permessage-deflate; client_max_window_bits",
    });
    const off = decideHandshake(offering);
    assert.ok(off.accepted && off.deflate === undefined);
    const on = decideHandshake(offering, { deflate: { clientMaxWindowBits: 10 } });
    assert.ok(on.accepted);
    assert.deepEqual(on.headers.at(-1), [
      "Sec-WebSocket-Extensions",
      "permessage-deflate; client_max_window_bits=10",
    ]);
    assert.equal(on.deflate?.clientMaxWindowBits, 10);
  });
});

describe("RFC 6455 §4.1 Client Requirements", () => {
  const OFFER: HandshakeOffer = { key: KEY, protocols: [] };
  const ANSWER: Headers = {
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-accept": ACCEPT,
  };

  test("sends the required header fields, and those for its options", () => {
    assert.deepEqual(offerHandshake(OFFER), [
      ["Upgrade", "websocket"],
      ["Connection", "Upgrade"],
      ["Sec-WebSocket-Key", KEY],
      ["Sec-WebSocket-Version", "13"],
    ]);
    assert.deepEqual(offerHandshake({ key: KEY, protocols: ["a", "b"], deflate: {} }).slice(4), [
      ["Sec-WebSocket-Protocol", "a, b"],
      ["Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"],
    ]);
  });

  test("agrees with the server on a subprotocol and on permessage-deflate", () => {
    const offer: HandshakeOffer = {
      key: KEY,
      protocols: ["a", "b"],
      deflate: { serverMaxWindowBits: 10 },
    };
    const headers = Object.fromEntries(
      [["host", "x"], ...offerHandshake(offer)].map(([name, value]) => [
        name?.toLowerCase(),
        value,
      ]),
    );
    const decision = decideHandshake(request(headers), {
      selectProtocol: () => "b",
      deflate: {},
    });
    assert.ok(decision.accepted);
    const answer = Object.fromEntries(
      decision.headers.map(([name, value]) => [name.toLowerCase(), value]),
    );
    const verdict = judgeHandshake(offer, 101, answer);
    assert.ok(verdict.accepted);
    assert.equal(verdict.protocol, "b");
    assert.equal(verdict.deflate?.serverMaxWindowBits, 10);
  });

  test("accepts valid responses", () => {
    const plain = { accepted: true, protocol: "", deflate: undefined };
    for (const headers of [
      ANSWER,
      { ...ANSWER, upgrade: "WebSocket", connection: "keep-alive, UPGRADE" },
      { ...ANSWER, upgrade: " websocket\t" },
      { ...ANSWER, "sec-websocket-accept": ` ${ACCEPT} ` },
    ]) {
      assert.deepEqual(judgeHandshake(OFFER, 101, headers), plain);
    }
    // RFC 9110 §5.6.1.2: empty elements of a list are ignored.
    const empty = judgeHandshake({ ...OFFER, deflate: {} }, 101, {
      ...ANSWER,
      "sec-websocket-extensions": ", permessage-deflate,",
    });
    assert.ok(empty.accepted && empty.deflate !== undefined);
    const chosen = judgeHandshake({ key: KEY, protocols: ["a"] }, 101, {
      ...ANSWER,
      "sec-websocket-protocol": "a",
    });
    assert.ok(chosen.accepted && chosen.protocol === "a");
    const deflating = judgeHandshake({ ...OFFER, protocols: ["a"], deflate: {} }, 101, {
      ...ANSWER,
      "sec-websocket-protocol": "a",
      "sec-websocket-extensions": "permessage-deflate",
    });
    assert.ok(deflating.accepted && deflating.protocol === "a");
    const alone = judgeHandshake({ ...OFFER, deflate: {} }, 101, {
      ...ANSWER,
      "sec-websocket-extensions": "permessage-deflate",
    });
    assert.ok(alone.accepted && alone.protocol === "" && alone.deflate !== undefined);
  });

  const deflating: HandshakeOffer = { ...OFFER, deflate: {} };
  const FAILS: readonly (readonly [string, HandshakeOffer, number, Headers, RegExp])[] = [
    ["a status other than 101", OFFER, 200, ANSWER, /status 200/],
    ["a missing Upgrade", OFFER, 101, { ...ANSWER, upgrade: undefined }, /Upgrade header/],
    ["an invalid Upgrade", OFFER, 101, { ...ANSWER, upgrade: "websocket, h2c" }, /Upgrade header/],
    ["a missing Connection", OFFER, 101, { ...ANSWER, connection: undefined }, /Connection header/],
    ["an invalid Connection", OFFER, 101, { ...ANSWER, connection: "close" }, /Connection header/],
    [
      "a missing Sec-WebSocket-Accept",
      OFFER,
      101,
      { ...ANSWER, "sec-websocket-accept": undefined },
      /Accept/,
    ],
    [
      "a wrong Sec-WebSocket-Accept",
      OFFER,
      101,
      { ...ANSWER, "sec-websocket-accept": KEY },
      /Accept/,
    ],
    [
      "a subprotocol if the client offered none",
      OFFER,
      101,
      { ...ANSWER, "sec-websocket-protocol": "a" },
      /subprotocol/,
    ],
    [
      "a repeated subprotocol",
      { key: KEY, protocols: ["a"] },
      101,
      { ...ANSWER, "sec-websocket-protocol": ["a", "a"] },
      /subprotocol/,
    ],
    [
      "a subprotocol that the client did not offer",
      { key: KEY, protocols: ["a", "b"] },
      101,
      { ...ANSWER, "sec-websocket-protocol": "A" },
      /subprotocol that the client did not offer/,
    ],
    // The field holds one subprotocol, not a list (RFC 6455 §11.3.4).
    [
      "a list of subprotocols",
      { key: KEY, protocols: ["a", "b"] },
      101,
      { ...ANSWER, "sec-websocket-protocol": "a," },
      /subprotocol that the client did not offer/,
    ],
    [
      "no subprotocol if the client offered some",
      { key: KEY, protocols: ["a"] },
      101,
      ANSWER,
      /none of the offered subprotocols/,
    ],
    [
      "an extension if the client offered none",
      OFFER,
      101,
      { ...ANSWER, "sec-websocket-extensions": "permessage-deflate" },
      /did not offer/,
    ],
    [
      "an extension that the client did not offer",
      deflating,
      101,
      { ...ANSWER, "sec-websocket-extensions": "other" },
      /did not offer/,
    ],
    [
      "the same extension twice",
      deflating,
      101,
      { ...ANSWER, "sec-websocket-extensions": "permessage-deflate, permessage-deflate" },
      /did not offer/,
    ],
    [
      "an invalid list of extensions",
      deflating,
      101,
      { ...ANSWER, "sec-websocket-extensions": ";" },
      /header is invalid/,
    ],
  ];
  for (const [does, offer, status, headers, reason] of FAILS) {
    test(`RFC 6455 §4.1 fails for ${does}`, () => {
      const verdict = judgeHandshake(offer, status, headers);
      assert.ok(!verdict.accepted);
      assert.match(verdict.reason, reason);
    });
  }
});
