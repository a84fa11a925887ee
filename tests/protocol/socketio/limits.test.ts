// Tests that the encoder and the adapter of a user-supplied parser throw an error that names the exceeded limit.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CLIENT_LIMITS, SERVER_LIMITS } from "../../../protocol/socketio/check.ts";
import { encode } from "../../../protocol/socketio/encoder.ts";
import { ACK, EVENT } from "../../../protocol/socketio/packet.ts";
import { toPacket } from "../../../protocol/socketio/parser.ts";

const { maxArguments, maxDepth } = SERVER_LIMITS;

/** Returns the arguments of an event: nested arrays with this many levels in total. */
function nested(levels: number): readonly ["x", unknown] {
  let value: unknown = 0;
  for (let level = 1; level < levels; level++) value = [value];
  return ["x", value];
}

describe("the limits of the encoder", () => {
  for (const type of [EVENT, ACK] as const) {
    const packetOf = (count: number) =>
      ({ type, namespace: "/", id: 1, data: ["x", ...Array<null>(count - 1).fill(null)] }) as const;

    test(`packets of type ${type} have at most ${maxArguments} arguments`, () => {
      assert.match(encode(packetOf(maxArguments)).text, /null\]$/);
      assert.throws(() => encode(packetOf(maxArguments + 1)), {
        name: "RangeError",
        message: `a packet must have at most ${maxArguments} arguments, got ${maxArguments + 1}`,
      });
    });
  }

  test(`data has at most ${maxDepth} levels`, () => {
    assert.ok(encode({ type: EVENT, namespace: "/", data: nested(maxDepth) }));
    assert.throws(() => encode({ type: EVENT, namespace: "/", data: nested(maxDepth + 1) }), {
      name: "RangeError",
    });
  });
});

describe("the limits for a packet of a user-supplied parser", () => {
  for (const [end, limits] of Object.entries({ client: CLIENT_LIMITS, server: SERVER_LIMITS })) {
    test(`a packet from a ${end} has at most ${limits.maxDepth} levels`, () => {
      const packetOf = (levels: number) => ({ type: EVENT, nsp: "/", data: nested(levels) });
      assert.equal(toPacket(packetOf(limits.maxDepth), limits).type, EVENT);
      assert.throws(() => toPacket(packetOf(limits.maxDepth + 1), limits), {
        rule: "PAYLOAD_DEPTH",
      });
    });
  }
});
