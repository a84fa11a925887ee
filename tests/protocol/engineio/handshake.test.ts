// Tests requests that open a session or belong to an existing session, and the open packet: Engine.IO "Handshake".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import fc from "fast-check";

import {
  admit,
  decodeOpen,
  encodeOpen,
  type KnownSession,
  parseQuery,
  REFUSALS,
  type Revision,
  type TransportName,
} from "../../../protocol/engineio/handshake.ts";
import { PROTOCOL_3 } from "../../../protocol/engineio/legacy.ts";
import { decodePacket, OPEN } from "../../../protocol/engineio/packet.ts";
import { RULES } from "../../../protocol/engineio/rules.ts";
import { BREACHES, OPENS, REQUESTS, SID, TOLERATED_OPENS } from "../../vectors/engineio.ts";

type Name = keyof typeof BREACHES;
const NAMES = Object.keys(BREACHES).filter((name): name is Name => name in BREACHES);
const BOTH: readonly TransportName[] = ["polling", "websocket"];

function sessions(
  transport: TransportName | undefined,
  protocol: Revision = 4,
): Map<string, KnownSession> {
  return new Map(transport === undefined ? [] : [[SID, { transport, protocol }]]);
}

describe("a request", () => {
  for (const each of REQUESTS) {
    const { does, search, method = "GET", upgrade = false, session, transports = BOTH } = each;
    test(does, () => {
      const known = sessions(session);
      const request = { method, query: parseQuery(search), upgrade };
      const { gives } = each;
      const admission = admit(request, transports, [4], (sid) => known.get(sid));
      if ("kind" in gives) {
        assert.deepEqual(admission, gives);
        return;
      }
      const [refusal, context] = gives;
      assert.ok(admission.kind === "refused");
      assert.deepEqual([admission.refusal, admission.context], [refusal, context]);
      assert.ok(admission.message.startsWith(REFUSALS[refusal].message));
    });
  }

  test("Handshake: opens a session only as a GET, for any combination of parameters", () => {
    const admitted: string[] = [];
    for (const method of ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "get", ""]) {
      for (const transport of ["polling", "websocket", "webtransport", "", "__proto__", undefined])
        for (const version of ["4", "3", "5", "", "4 ", undefined])
          for (const sid of [SID, "there", "", "__proto__", undefined])
            for (const session of [...BOTH, undefined])
              for (const upgrade of [false, true]) {
                const query = new Map<string, string>();
                if (transport !== undefined) query.set("transport", transport);
                if (version !== undefined) query.set("EIO", version);
                if (sid !== undefined) query.set("sid", sid);
                const known = sessions(session);
                const admission = admit({ method, query, upgrade }, BOTH, [4], (id) =>
                  known.get(id),
                );
                if (admission.kind === "refused") continue;
                assert.equal(version, "4");
                assert.equal(upgrade, transport === "websocket");
                assert.equal(admission.transport, transport);
                assert.equal(admission.kind === "session", sid !== undefined);
                if (admission.kind === "handshake") admitted.push(`${method} ${transport}`);
                else
                  assert.ok(upgrade || session === transport, "the session uses another transport");
              }
    }
    assert.deepEqual([...new Set(admitted)], ["GET polling", "GET websocket"]);
  });

  test("Handshake: looks up a session once, and only if the request is valid and has a sid", () => {
    const asked: string[] = [];
    const find = (sid: string): undefined => void asked.push(sid);
    admit(
      { method: "GET", query: parseQuery("EIO=4&transport=polling"), upgrade: false },
      BOTH,
      [4],
      find,
    );
    admit(
      { method: "GET", query: parseQuery("EIO=4&transport=polling&sid=a"), upgrade: false },
      BOTH,
      [4],
      find,
    );
    admit({ method: "GET", query: parseQuery("EIO=4&sid=b"), upgrade: false }, BOTH, [4], find);
    assert.deepEqual(asked, ["a"]);
  });
});

describe("protocol revision 3", () => {
  const request = (search: string, upgrade = false): Parameters<typeof admit>[0] => ({
    method: "GET",
    query: parseQuery(search),
    upgrade,
  });

  test("Handshake: the refusal names the client's revision, if it is a number, and the revisions of the server", () => {
    const message = (search: string, revisions: readonly Revision[]): string => {
      const admission = admit(request(search), BOTH, revisions, () => undefined);
      return admission.kind === "refused" ? admission.message : admission.kind;
    };
    const prefix = "Unsupported protocol version: the client speaks";
    assert.equal(message("EIO=3&transport=polling", [4]), `${prefix} Engine.IO 3, the server 4`);
    for (const version of ["5", "12", "123"]) {
      assert.equal(
        message(`EIO=${version}&transport=polling`, [4, 3]),
        `${prefix} Engine.IO ${version}, the server 4 and 3`,
      );
    }
    for (const other of ["EIO=<b>&", "EIO=1234&", ""]) {
      assert.equal(
        message(`${other}transport=polling`, [4]),
        `${prefix} an unknown revision of Engine.IO, the server 4`,
      );
    }
  });

  test("Handshake: a session keeps the revision with which it was opened", () => {
    const kinds = [PROTOCOL_3, "4"].map((version) => {
      const admission = admit(
        request(`EIO=${version}&transport=polling`),
        BOTH,
        [4, 3],
        () => undefined,
      );
      return admission.kind === "handshake" && admission.protocol;
    });
    assert.deepEqual(kinds, [3, 4]);
    for (const [version, protocol] of [
      [3, 4],
      [4, 3],
    ] as const) {
      for (const transport of BOTH) {
        const search = `EIO=${version}&transport=${transport}&sid=${SID}`;
        const known = sessions("polling", protocol);
        const upgrade = transport === "websocket";
        const admission = admit(request(search, upgrade), BOTH, [4, 3], (sid) => known.get(sid));
        assert.ok(admission.kind === "refused");
        assert.equal(admission.context.name, "PROTOCOL_MISMATCH");
      }
    }
  });
});

// Engine.IO "Query parameters".
describe("parseQuery", () => {
  test("returns the same as URLSearchParams", () => {
    const searches = fc.string({ unit: fc.constantFrom(..."ab=&?%+21/é;#"), maxLength: 12 });
    fc.assert(
      fc.property(searches, (search) => {
        assert.deepEqual(parseQuery(search), new Map(new URLSearchParams(search)));
      }),
      { numRuns: 10_000 },
    );
  });

  test("decodes percent and plus, with and without a leading question mark", () => {
    const expected = new Map([
      ["a", "1 2"],
      ["b c", "ü"],
    ]);
    assert.deepEqual(parseQuery("a=1+2&b%20c=%C3%BC"), expected);
    assert.deepEqual(parseQuery("?a=1+2&b%20c=%C3%BC"), expected);
    assert.deepEqual(parseQuery(""), new Map());
  });

  test("returns the last value of a repeated name", () => {
    assert.equal(parseQuery("sid=a&sid=b").get("sid"), "b");
  });

  test("returns names of Object.prototype members only if the query has them", () => {
    const query = parseQuery("__proto__=a&constructor=b");
    assert.equal(query.get("__proto__"), "a");
    assert.equal(query.get("constructor"), "b");
    assert.equal(query.get("toString"), undefined);
  });

  test("accepts invalid percent-encoding", () => {
    assert.equal(parseQuery("a=%&b=%zz&c=%ff").get("c"), "\ufffd");
  });
});

describe("REFUSALS", () => {
  test("Handshake: have the codes, statuses and messages of engine.io", () => {
    const rows = Object.values(REFUSALS).map(
      ({ code, status, message }) => `${code} ${status} ${message}`,
    );
    assert.deepEqual(rows, [
      "0 400 Transport unknown",
      "1 400 Session ID unknown",
      "2 400 Bad handshake method",
      "3 400 Bad request",
      "4 403 Forbidden",
      "5 400 Unsupported protocol version",
      // This rejection is not in the specification.
      "4 503 Too many connections",
    ]);
  });
});

describe("the open packet", () => {
  for (const { does, data, open } of OPENS) {
    test(does, () => {
      assert.equal(encodeOpen(open), `0${data}`);
      assert.deepEqual(decodePacket(encodeOpen(open)), { type: OPEN, data });
      assert.deepEqual(decodeOpen(data), open);
    });
  }

  for (const { does, data, open } of TOLERATED_OPENS) {
    test(does, () => {
      assert.deepEqual(decodeOpen(data), open);
    });
  }

  test("Handshake: has only the fields of the protocol, not other fields of the caller's object", () => {
    const [example] = OPENS;
    assert.ok(example !== undefined);
    const extended = { ...example.open, secret: 1 };
    assert.equal(encodeOpen(extended), `0${example.data}`);
  });

  for (const rule of NAMES) {
    for (const [as, input] of BREACHES[rule]) {
      if (as !== "open") continue;
      test(`${RULES[rule].heading}: is invalid by the rule ${rule}: ${input}`, () => {
        assert.throws(() => decodeOpen(input), { name: "ProtocolError", rule });
      });
    }
  }
});
