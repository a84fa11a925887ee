// Socket.IO 4 "Exchange protocol": what is different for clients 1.x and 2.x.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { encode } from "../../../protocol/socketio/encoder.ts";
import {
  connected,
  encodeRefusal,
  socketId,
  splitNamespace,
} from "../../../protocol/socketio/legacy.ts";

describe("Exchange protocol: revision 4", () => {
  test("a client is in a namespace when the server has named it, without an id", () => {
    assert.equal(encode(connected("/")).text, "0");
    assert.equal(encode(connected("/admin")).text, "0/admin,");
  });

  test("a refusal is the message, or the data of the error as it is", () => {
    assert.equal(encodeRefusal("/", { message: "not you" }), '4"not you"');
    assert.equal(encodeRefusal("/admin", { message: "not you" }), '4/admin,"not you"');
    assert.equal(encodeRefusal("/admin", { message: "no", data: { a: 1 } }), '4/admin,{"a":1}');
  });

  test("the query behind the name of a namespace is names and values", () => {
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

  test("an id is the session's, behind the name of a namespace other than the main one", () => {
    assert.equal(socketId("/", "abc"), "abc");
    assert.equal(socketId("/admin", "abc"), "/admin#abc");
  });
});
