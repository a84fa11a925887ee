// Socket.IO "Exchange protocol": the packets, and the rules with their sentences.

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
  test("Packet encoding: the types by their numbers", () => {
    const types = [CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK];
    assert.deepEqual(types, [0, 1, 2, 3, 4, 5, 6]);
  });

  test("Packet encoding: the main namespace", () => {
    assert.equal(MAIN_NAMESPACE, "/");
  });

  test("Exchange protocol: every reserved name has its vector", () => {
    for (const name of RESERVED_EVENTS) {
      assert.ok(BREACHES.RESERVED_EVENT.includes(`2["${name}"]`), `${name}`);
    }
    assert.equal(RESERVED_EVENTS.size, 6);
  });
});

describe("ProtocolError", () => {
  for (const rule of NAMES) {
    test(`${rule} knows its rule, and says it with the heading that it is under`, () => {
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

  test("Packet encoding: the messages say what those of socket.io-parser say", () => {
    assert.match(new ProtocolError("ATTACHMENT_COUNT").message, /illegal attachments/);
    assert.match(new ProtocolError("PLACEHOLDER").message, /illegal attachments/);
    assert.match(new ProtocolError("TOO_MANY_ATTACHMENTS").message, /too many attachments/);
  });
});
