// Tests the differences of the protocol for clients 1.x and 2.x: Socket.IO 4 "Exchange protocol".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { encode } from "../../../protocol/socketio/encoder.ts";
import {
  connected,
  encodeRefusal,
  socketId,
  splitNamespace,
} from "../../../protocol/socketio/legacy.ts";

describe("Exchange protocol: in protocol revision 4", () => {
  test("the server's CONNECT has the name of the namespace, and no id", () => {
    assert.equal(encode(connected("/")).text, "0");
    assert.equal(encode(connected("/admin")).text, "0/admin,");
  });

  test("a refusal has the error's data as its payload, or its message if there is no data", () => {
    assert.equal(encodeRefusal("/", { message: "not you" }), '4"not you"');
    assert.equal(encodeRefusal("/admin", { message: "not you" }), '4/admin,"not you"');
    assert.equal(encodeRefusal("/admin", { message: "no", data: { a: 1 } }), '4/admin,{"a":1}');
  });

  test("the query after the name of a namespace is decoded", () => {
    // biome-ignore format: aligned table
    for (const [given, namespace, query] of [
      ["/admin",               "/admin", {}],
      ["/admin?",              "/admin", {}],
      ["/admin?token=1&b=%2F", "/admin", { token: "1", b: "/" }],
      ["/?a=?",                "/",      { a: "?" }],
    ] as const) {
      assert.deepEqual(splitNamespace(given), { namespace, query });
    }
  });

  test("a socket's id is the session id, with the namespace's name before it except in the main namespace", () => {
    assert.equal(socketId("/", "abc"), "abc");
    assert.equal(socketId("/admin", "abc"), "/admin#abc");
  });
});
