// Tests encoding packets to text and attachments: Socket.IO "Packet encoding".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { encode } from "../../../protocol/socketio/encoder.ts";
import { ACK, CONNECT, CONNECT_ERROR, EVENT } from "../../../protocol/socketio/packet.ts";
import { bytes } from "../../support/split.ts";
import { PACKETS } from "../../vectors/socketio.ts";

describe("encode() encodes", () => {
  for (const { does, text, attachments = [], packet } of PACKETS) {
    test(does, () => {
      const encoded = encode(packet);
      assert.equal(encoded.text, text);
      assert.deepEqual(encoded.attachments, attachments.map(bytes));
    });
  }

  test("Packet encoding: packets whose optional fields are missing", () => {
    assert.equal(encode({ type: CONNECT, namespace: "/" }).text, "0");
    assert.equal(encode({ type: EVENT, namespace: "/a", data: ["x"] }).text, '2/a,["x"]');
  });

  test("Packet encoding: undefined, NaN, functions and symbols like JSON.stringify()", () => {
    const data = [
      "x",
      undefined,
      Number.NaN,
      -0,
      () => {},
      { a: undefined, b: Symbol("c") },
    ] as const;
    assert.equal(encode({ type: EVENT, namespace: "/", data }).text, '2["x",null,null,0,null,{}]');
    const withBytes = [...data, bytes("00")] as const;
    const { text } = encode({ type: EVENT, namespace: "/", data: withBytes });
    assert.equal(text, '51-["x",null,null,0,null,{},{"_placeholder":true,"num":0}]');
  });

  test("Packet encoding: a lone surrogate as an escape sequence", () => {
    assert.equal(encode({ type: EVENT, namespace: "/", data: ["\ud835"] }).text, '2["\\ud835"]');
  });

  test("Exchange protocol: bytes in CONNECT and CONNECT_ERROR as JSON, without attachments", () => {
    const data = { token: Buffer.from([1]) };
    const json = '{"token":{"type":"Buffer","data":[1]}}';
    assert.deepEqual(encode({ type: CONNECT, namespace: "/", data }), {
      text: `0${json}`,
      attachments: [],
    });
    const refused = encode({ type: CONNECT_ERROR, namespace: "/", data: { message: "no", data } });
    assert.deepEqual(refused, { text: `4{"message":"no","data":${json}}`, attachments: [] });
  });

  test("a packet without changing it or copying its bytes", () => {
    const blob = bytes("01 02 03");
    const inner = Object.freeze({ blob, list: Object.freeze([blob]) });
    const data = Object.freeze(["x", inner] as const);
    const packet = Object.freeze({ type: EVENT, namespace: "/", data, id: 1 });
    const { attachments } = encode(packet);
    assert.equal(attachments.length, 2);
    for (const attachment of attachments) assert.equal(attachment, blob);
    assert.deepEqual(packet, {
      type: EVENT,
      namespace: "/",
      data: ["x", { blob, list: [blob] }],
      id: 1,
    });
  });
});

describe("encode() throws for", () => {
  test("a BigInt", () => {
    assert.throws(() => encode({ type: EVENT, namespace: "/", data: ["x", 1n] }), TypeError);
    const data = [1n, bytes("00")] as const;
    assert.throws(() => encode({ type: ACK, namespace: "/", data, id: 1 }), TypeError);
  });

  test("a circular reference", () => {
    const list: unknown[] = [];
    const object = { list };
    list.push(object);
    assert.throws(() => encode({ type: EVENT, namespace: "/", data: ["x", list] }), RangeError);
    const data = ["x", bytes("00"), list] as const;
    assert.throws(() => encode({ type: EVENT, namespace: "/", data }), RangeError);
    assert.throws(() => encode({ type: CONNECT, namespace: "/", data: object }), TypeError);
  });

  test("a Blob, which can only be read asynchronously", () => {
    const data = ["x", { file: new Blob(["a"]) }] as const;
    assert.throws(() => encode({ type: EVENT, namespace: "/", data }), {
      name: "TypeError",
      message: "a Blob cannot be sent, because it is read asynchronously: send its arrayBuffer()",
    });
    // Here the Blob follows binary data, so the encoder already knows that the packet has attachments.
    const late = ["x", bytes("00"), new Blob(["a"])] as const;
    assert.throws(() => encode({ type: EVENT, namespace: "/", data: late }), TypeError);
  });
});
