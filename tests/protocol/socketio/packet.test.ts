// Tests the packet types, and the protocol rules with their messages: Socket.IO "Exchange protocol".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  ACK,
  BINARY_ACK,
  BINARY_EVENT,
  CONNECT,
  CONNECT_ERROR,
  DISCONNECT,
  EVENT,
  MAIN_NAMESPACE,
  RESERVED_EVENTS,
} from "../../../protocol/socketio/packet.ts";
import { ProtocolError, RULES, type RuleName } from "../../../protocol/socketio/rules.ts";
import { BREACHES } from "../../vectors/socketio.ts";

const NAMES = Object.keys(RULES).filter((name): name is RuleName => name in RULES);

describe("packets", () => {
  test("Packet encoding: have the types 0 to 6", () => {
    const types = [CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK];
    assert.deepEqual(types, [0, 1, 2, 3, 4, 5, 6]);
  });

  test("Packet encoding: use / as the name of the main namespace", () => {
    assert.equal(MAIN_NAMESPACE, "/");
  });

  test("Exchange protocol: have six reserved event names, each with a test vector", () => {
    for (const name of RESERVED_EVENTS) {
      assert.ok(BREACHES.RESERVED_EVENT.includes(`2["${name}"]`), `${name}`);
    }
    assert.equal(RESERVED_EVENTS.size, 6);
  });
});

describe("ProtocolError", () => {
  for (const rule of NAMES) {
    test(`for ${rule} names the rule, and its message has the heading of the protocol document`, () => {
      const error = new ProtocolError(rule);
      assert.ok(error instanceof Error);
      assert.equal(error.name, "ProtocolError");
      assert.equal(error.rule, rule);
      assert.equal(error.message, `${RULES[rule].text} (Socket.IO "${RULES[rule].heading}")`);
      assert.match(
        error.message,
        /^[A-Za-z][^()]+ \(Socket\.IO "(Packet encoding|Exchange protocol)"\)$/,
      );
    });
  }

  test("Packet encoding: uses the messages of socket.io-parser for errors about attachments", () => {
    assert.match(new ProtocolError("ATTACHMENT_COUNT").message, /illegal attachments/);
    assert.match(new ProtocolError("PLACEHOLDER").message, /illegal attachments/);
    assert.match(new ProtocolError("TOO_MANY_ATTACHMENTS").message, /too many attachments/);
  });
});
