// Vectors of Socket.IO 5: encoded packets and their meaning. Data only. A name begins with the heading of the
// protocol document that it tests.

import type { Bytes } from "../../protocol/bytes.ts";
import {
  ACK,
  CONNECT,
  CONNECT_ERROR,
  DISCONNECT,
  EVENT,
  type Packet,
} from "../../protocol/socketio/packet.ts";
import type { RuleName } from "../../protocol/socketio/rules.ts";
import { bytes } from "../support/split.ts";

/** The maximum number of attachments of a packet in these vectors. It is the default of the server. */
export const MAX_ATTACHMENTS = 10;

export interface Vector {
  readonly does: string;
  readonly text: string;
  /** The attachments, in hexadecimal. */
  readonly attachments?: readonly string[];
  readonly packet: Packet;
}

const HOLE = (num: number): string => `{"_placeholder":true,"num":${num}}`;
const HOLES = (count: number): string =>
  Array.from({ length: count }, (_, num) => HOLE(num)).join();

// biome-ignore format: aligned table
export const PACKETS: readonly Vector[] = [
  // The examples of the protocol document.
  { does: "Exchange protocol: CONNECT to the main namespace", text: "0", packet: { type: CONNECT, namespace: "/", data: undefined } },
  { does: "Exchange protocol: CONNECT to another namespace", text: "0/admin,", packet: { type: CONNECT, namespace: "/admin", data: undefined } },
  { does: "Exchange protocol: CONNECT with a payload", text: '0/admin,{"token":"123"}', packet: { type: CONNECT, namespace: "/admin", data: { token: "123" } } },
  { does: "Exchange protocol: CONNECT from the server", text: '0{"sid":"wZX3oN0bSVIhsaknAAAI"}', packet: { type: CONNECT, namespace: "/", data: { sid: "wZX3oN0bSVIhsaknAAAI" } } },
  { does: "Exchange protocol: CONNECT_ERROR", text: '4/admin,{"message":"Not authorized"}', packet: { type: CONNECT_ERROR, namespace: "/admin", data: { message: "Not authorized" } } },
  { does: "Exchange protocol: CONNECT_ERROR with data", text: '4{"message":"no","data":{"code":1}}', packet: { type: CONNECT_ERROR, namespace: "/", data: { message: "no", data: { code: 1 } } } },
  { does: "Exchange protocol: EVENT", text: '2["foo"]', packet: { type: EVENT, namespace: "/", data: ["foo"], id: undefined } },
  { does: "Exchange protocol: EVENT in another namespace", text: '2/admin,["bar"]', packet: { type: EVENT, namespace: "/admin", data: ["bar"], id: undefined } },
  { does: "Exchange protocol: EVENT with bytes", text: `51-["baz",${HOLE(0)}]`, attachments: ["01 02 03 04"], packet: { type: EVENT, namespace: "/", data: ["baz", bytes("01 02 03 04")], id: undefined } },
  { does: "Exchange protocol: EVENT with two attachments, in another namespace", text: `52-/admin,["baz",${HOLES(2)}]`, attachments: ["01 02 03 04", "05 06"], packet: { type: EVENT, namespace: "/admin", data: ["baz", bytes("01 02 03 04"), bytes("05 06")], id: undefined } },
  { does: "Exchange protocol: EVENT with an acknowledgement id", text: '212["foo"]', packet: { type: EVENT, namespace: "/", data: ["foo"], id: 12 } },
  { does: "Exchange protocol: ACK", text: '3/admin,13["bar"]', packet: { type: ACK, namespace: "/admin", data: ["bar"], id: 13 } },
  { does: "Exchange protocol: ACK with bytes", text: `61-/admin,12["bar",${HOLE(0)}]`, attachments: ["00"], packet: { type: ACK, namespace: "/admin", data: ["bar", bytes("00")], id: 12 } },
  { does: "Exchange protocol: DISCONNECT", text: "1", packet: { type: DISCONNECT, namespace: "/" } },
  { does: "Exchange protocol: DISCONNECT from another namespace", text: "1/admin,", packet: { type: DISCONNECT, namespace: "/admin" } },

  // Payloads.
  { does: "Exchange protocol: an ACK without arguments", text: "30[]", packet: { type: ACK, namespace: "/", data: [], id: 0 } },
  { does: "Exchange protocol: an ACK with an attachment as its only argument", text: `61-0[${HOLE(0)}]`, attachments: ["ff"], packet: { type: ACK, namespace: "/", data: [bytes("ff")], id: 0 } },
  { does: "Exchange protocol: a CONNECT with an empty payload", text: "0{}", packet: { type: CONNECT, namespace: "/", data: {} } },
  { does: "Exchange protocol: an event with an empty name", text: '2[""]', packet: { type: EVENT, namespace: "/", data: [""], id: undefined } },
  { does: "Exchange protocol: an event whose name is a number", text: "2[0,1]", packet: { type: EVENT, namespace: "/", data: [0, 1], id: undefined } },
  { does: "Exchange protocol: an event named error (CVE-2024-38355)", text: '2["error"]', packet: { type: EVENT, namespace: "/", data: ["error"], id: undefined } },
  { does: "Exchange protocol: an event named __proto__", text: '2["__proto__","constructor"]', packet: { type: EVENT, namespace: "/", data: ["__proto__", "constructor"], id: undefined } },
  { does: "Exchange protocol: an event with a reserved name in capitals", text: '2["Connect"]', packet: { type: EVENT, namespace: "/", data: ["Connect"], id: undefined } },
  { does: "Exchange protocol: an event with values of every kind", text: '2["x",null,true,false,-0.5,"é",[],{},[[1]],{"a":{"b":null}}]', packet: { type: EVENT, namespace: "/", data: ["x", null, true, false, -0.5, "é", [], {}, [[1]], { a: { b: null } }], id: undefined } },
  { does: "Exchange protocol: an event with text that looks like a packet", text: '2["51-/a,7[\\"x\\"]"]', packet: { type: EVENT, namespace: "/", data: ['51-/a,7["x"]'], id: undefined } },

  { does: "Packet encoding: more brackets in a string than levels are allowed", text: `2["x","${"[".repeat(600)}\\"[[\\\\"]`, packet: { type: EVENT, namespace: "/", data: ["x", `${"[".repeat(600)}"[[\\`], id: undefined } },
  { does: "Packet encoding: more arrays side by side than levels are allowed", text: `2["x"${",[{}]".repeat(600)}]`, packet: { type: EVENT, namespace: "/", data: ["x", ...Array.from({ length: 600 }, () => [{}])], id: undefined } },
  // Namespaces and ids.
  { does: "Packet encoding: a namespace up to the first comma", text: '2/a/b-c 1?d=e,["x",1]', packet: { type: EVENT, namespace: "/a/b-c 1?d=e", data: ["x", 1], id: undefined } },
  { does: "Packet encoding: a namespace with characters of every kind", text: '2/é€𐍈"[] \u2028,["x"]', packet: { type: EVENT, namespace: '/é€𐍈"[] \u2028', data: ["x"], id: undefined } },
  { does: "Packet encoding: a namespace that is a number", text: '2/7,8["x"]', packet: { type: EVENT, namespace: "/7", data: ["x"], id: 8 } },
  { does: "Packet encoding: a namespace named /__proto__", text: "0/__proto__,", packet: { type: CONNECT, namespace: "/__proto__", data: undefined } },
  { does: "Packet encoding: the smallest id", text: '20["x"]', packet: { type: EVENT, namespace: "/", data: ["x"], id: 0 } },
  { does: "Packet encoding: the largest safe integer as an id", text: '29007199254740991["x"]', packet: { type: EVENT, namespace: "/", data: ["x"], id: Number.MAX_SAFE_INTEGER } },
  { does: "Packet encoding: an id and an attachment", text: `51-7["x",${HOLE(0)}]`, attachments: ["00"], packet: { type: EVENT, namespace: "/", data: ["x", bytes("00")], id: 7 } },

  // Attachments.
  { does: "Packet encoding: an empty attachment", text: `51-["x",${HOLE(0)}]`, attachments: [""], packet: { type: EVENT, namespace: "/", data: ["x", bytes("")], id: undefined } },
  { does: "Packet encoding: attachments at any depth, in depth-first order", text: `53-["x",{"a":[${HOLE(0)},{"b":${HOLE(1)}}],"c":1},${HOLE(2)}]`, attachments: ["00", "01 01", "02"], packet: { type: EVENT, namespace: "/", data: ["x", { a: [bytes("00"), { b: bytes("01 01") }], c: 1 }, bytes("02")], id: undefined } },
  { does: "Packet encoding: as many attachments as allowed", text: `510-["x",${HOLES(10)}]`, attachments: "0123456789".split("").map((digit) => `0${digit}`), packet: { type: EVENT, namespace: "/", data: ["x", ...Array.from({ length: 10 }, (_, i) => Uint8Array.of(i))], id: undefined } },
  { does: "Packet encoding: an object that looks like a placeholder, without attachments", text: `2["x",${HOLE(3)}]`, packet: { type: EVENT, namespace: "/", data: ["x", { _placeholder: true, num: 3 }], id: undefined } },
  { does: "Packet encoding: an object whose _placeholder is not true, with an attachment", text: `51-["x",{"_placeholder":1,"num":9},${HOLE(0)}]`, attachments: ["00"], packet: { type: EVENT, namespace: "/", data: ["x", { _placeholder: 1, num: 9 }, bytes("00")], id: undefined } },
];

/** Packets that the decoder accepts, but that the encoder never writes. */
// biome-ignore format: aligned table
export const TOLERATED: readonly Vector[] = [
  { does: "Packet encoding: CONNECT without the comma", text: "0/admin", packet: { type: CONNECT, namespace: "/admin", data: undefined } },
  { does: "Packet encoding: DISCONNECT without the comma", text: "1/admin", packet: { type: DISCONNECT, namespace: "/admin" } },
  { does: "Packet encoding: a namespace with a query", text: "0/admin?x=1", packet: { type: CONNECT, namespace: "/admin?x=1", data: undefined } },
  { does: "Packet encoding: the main namespace, written as /", text: '2/,["x"]', packet: { type: EVENT, namespace: "/", data: ["x"], id: undefined } },
  { does: "Packet encoding: DISCONNECT with an id", text: "17", packet: { type: DISCONNECT, namespace: "/" } },
  { does: "Packet encoding: CONNECT with an id", text: "0/a,7{}", packet: { type: CONNECT, namespace: "/a", data: {} } },
  { does: "Packet encoding: JSON with white space", text: '2 [ "x" ,\n1 ]\t', packet: { type: EVENT, namespace: "/", data: ["x", 1], id: undefined } },
  { does: "Packet encoding: the last value of a repeated key", text: '0{"a":1,"a":2}', packet: { type: CONNECT, namespace: "/", data: { a: 2 } } },
  { does: "Packet encoding: attachments in another order", text: `52-["x",${HOLE(1)},${HOLE(0)}]`, attachments: ["00", "01"], packet: { type: EVENT, namespace: "/", data: ["x", bytes("01"), bytes("00")], id: undefined } },
  { does: "Packet encoding: one attachment in two places", text: `51-["x",${HOLE(0)},${HOLE(0)}]`, attachments: ["07"], packet: { type: EVENT, namespace: "/", data: ["x", bytes("07"), bytes("07")], id: undefined } },
  { does: "Packet encoding: an attachment without a placeholder", text: '51-["x"]', attachments: ["07"], packet: { type: EVENT, namespace: "/", data: ["x"], id: undefined } },
  { does: "Packet encoding: a placeholder with another key", text: '51-["x",{"more":1,"num":0,"_placeholder":true}]', attachments: ["07"], packet: { type: EVENT, namespace: "/", data: ["x", bytes("07")], id: undefined } },
  { does: "Packet encoding: a placeholder with the number -0.0", text: '51-["x",{"_placeholder":true,"num":-0.0}]', attachments: ["07"], packet: { type: EVENT, namespace: "/", data: ["x", bytes("07")], id: undefined } },
  { does: "Exchange protocol: CONNECT_ERROR with a string as its payload", text: '4"no"', packet: { type: CONNECT_ERROR, namespace: "/", data: { message: "no" } } },
];

const NO_MESSAGE = "the server refused the client and gave no message";

/**
 * CONNECT_ERROR packets whose payload is not an object with a message, and the error that the client reports for
 * each.
 */
// biome-ignore format: aligned table
export const ODD_REFUSALS: readonly { readonly text: string; readonly message: string; readonly data?: unknown }[] = [
  { text: '4"no"', message: "no" },
  { text: '4""', message: "" },
  { text: "4", message: NO_MESSAGE },
  { text: "4/admin,", message: NO_MESSAGE },
  { text: "4401", message: NO_MESSAGE },
  { text: "4true", message: NO_MESSAGE, data: true },
  { text: "4null", message: NO_MESSAGE, data: null },
  { text: "4[]", message: NO_MESSAGE, data: [] },
  { text: '4["message"]', message: NO_MESSAGE, data: ["message"] },
  { text: "4{}", message: NO_MESSAGE, data: {} },
  { text: '4{"code":401}', message: NO_MESSAGE, data: { code: 401 } },
  { text: '4{"data":{"code":1}}', message: NO_MESSAGE, data: { code: 1 } },
  { text: '4{"message":1}', message: NO_MESSAGE, data: { message: 1 } },
  { text: '4{"message":null,"data":2}', message: NO_MESSAGE, data: 2 },
  { text: "4Unauthorized", message: "Unauthorized" },
  { text: '4{"message":"no"', message: '{"message":"no"' },
];

/** Messages of which the last violates a rule. A string is a single message. */
export type Breach = string | readonly (string | Bytes)[];

const BYTES = bytes("01 02");

// biome-ignore format: aligned table
const RESERVED: readonly [Breach, ...Breach[]] = [
  '2["connect"]', '2["connect_error"]', '2["disconnect"]', '2["disconnecting"]', '2["newListener"]', '2["removeListener"]',
  '2["\\u0063onnect"]', '2/admin,7["disconnect",1]', `51-["connect",${HOLE(0)}]`,
];

/** Messages that violate each rule, at both ends of every range. A rule without vectors does not compile. */
// biome-ignore format: aligned table
export const BREACHES: Record<Exclude<RuleName, "MESSAGEPACK">, readonly [Breach, ...Breach[]]> = {
  PACKET_TYPE: [
    "", "/", "7", ":", "9", "abc", " 2", '-1["x"]', "\0", "٢", "２", "[]", "{}", "\ufeff0", "constructor",
  ],
  ATTACHMENT_COUNT: [
    // The number of attachments is missing or 0 (CVE-2026-69185).
    '50-["x"]', '60-1["x"]', "50-", '5["x"]', '6["x"]', "5", "6", '5-["x"]', "5-[", `5/admin,["x",${HOLE(0)}]`,
    "51", "51[", '51["x"]', '51/admin,-["x"]', '5--1["x"]', '5+1-["x"]', '51.5-["x"]', '51 -["x"]', '5 1-["x"]', '5\n1-["x"]',
    // More lenient parsers of numbers would accept these counts.
    '50x1-["x"]', '51e0-["x"]', '5\t1-["x"]', '501-["x"]', '500-["x"]', '500000000000000000001-["x"]', '5١-["x"]', '5１-["x"]', '5Infinity-["x"]',
    '599999999999999999999["x"]',
  ],
  TOO_MANY_ATTACHMENTS: [
    // The number of attachments exceeds the limit (CVE-2026-33151).
    '511-["x"]', '611-1["x"]', '5100-["x"]', '54294967296-["x"]', '59007199254740992-["x"]', '59999999999999999-["x"]', '599999999999999999-["x"]',
    `5${"9".repeat(400)}-["x"]`, "511-",
  ],
  PLACEHOLDER: [
    // The number of the placeholder is invalid (CVE-2022-2421).
    ['51-["x",{"_placeholder":true,"num":"splice"}]', BYTES], ['51-["x",{"_placeholder":true,"num":"0"}]', BYTES],
    ['51-["x",{"_placeholder":true,"num":"length"}]', BYTES], ['51-["x",{"_placeholder":true,"num":"__proto__"}]', BYTES],
    ['51-["x",{"_placeholder":true}]', BYTES], ['51-["x",{"_placeholder":true,"num":null}]', BYTES], ['51-["x",{"_placeholder":true,"num":[0]}]', BYTES],
    [`51-["x",${HOLE(1)}]`, BYTES], [`51-["x",${HOLE(-1)}]`, BYTES], [`51-["x",${HOLE(0.5)}]`, BYTES], ['51-["x",{"_placeholder":true,"num":1e999}]', BYTES],
    [`52-["x",${HOLE(0)},{"a":[${HOLE(2)}]}]`, BYTES, BYTES], [`61-1[${HOLE(1)}]`, BYTES], [`61-1[[[[${HOLE(4294967296)}]]]]`, BYTES],
    // A plain assignment to this key would set the prototype instead of a property.
    [`51-["x",{"__proto__":${HOLE(1)}}]`, BYTES],
  ],
  ATTACHMENT_EXPECTED: [
    [`51-["x",${HOLE(0)}]`, '2["x"]'], [`51-["x",${HOLE(0)}]`, ""], [`51-["x",${HOLE(0)}]`, `51-["x",${HOLE(0)}]`],
    [`52-["x",${HOLES(2)}]`, BYTES, "0"], [`62-1[${HOLES(2)}]`, BYTES, "abc"], ['510-["x"]', ...Array<Bytes>(9).fill(BYTES), "1"],
  ],
  NO_PLACEHOLDER: [
    [BYTES], [bytes("")], ["0", BYTES], ['2["x"]', BYTES], [`51-["x",${HOLE(0)}]`, BYTES, BYTES], ['2["x",{"_placeholder":true,"num":0}]', BYTES],
  ],
  PAYLOAD_DEPTH: [
    `2["x",${"[".repeat(500)}${"]".repeat(500)}]`, `20["x",${'{"a":'.repeat(500)}1${"}".repeat(500)}]`, `2["x",${"[".repeat(100_000)}`,
    `0${'{"a":'.repeat(501)}1${"}".repeat(501)}`, `31[${'["\\\\\\"]",'.repeat(500)}${"[".repeat(500)}`, `51-["x",${"[".repeat(500)}${HOLE(0)}${"]".repeat(500)}]`,
  ],
  TOO_MANY_ARGUMENTS: [
    `2["x"${",1".repeat(10_000)}]`, `31[1${",1".repeat(10_000)}]`, `51-["x",${HOLE(0)}${",1".repeat(9999)}]`,
  ],
  NAMESPACE: ["0/a\nb", '2/\0,["x"]', "1/\x1f,", '2/a\x7f,1["x"]', "0/\x80", `51-/\x9f,["x",${HOLE(0)}]`],
  PACKET_ID: [
    '29007199254740992["x"]', '299999999999999999["x"]', `2${"1".repeat(400)}["x"]`, '200["x"]', '201["x"]', '2/admin,007["x"]', "39007199254740992[]",
    `51-00["x",${HOLE(0)}]`, "100", "000{}",
  ],
  PAYLOAD_JSON: [
    `2["x","${"a".repeat(600)}`, `2["x","${"a".repeat(600)}\\"]`,
    "2abc", '2abc["x"]', '21.5["x"]', '2-1["x"]', '2 1["x"]', '2+1["x"]', "2[", '2["x"', '2["x"]]', '2["x"],', "2['x']", '2["x",]', '2["x"]["y"]', "2undefined",
    '2["x",NaN]', '2["\n"]', "0{", "0abc", "1abc", "1,", "3abc", '2,["x"]', '2\ufeff["x"]', '2["x"]\0', '51-["x"', "61-1[",
    '2admin,["x"]', '2\\/admin,["x"]', '21/admin,["x"]', '2٣["x"]', "2\u00a0[]", '251-["x"]',
  ],
  CONNECT_PAYLOAD: ["0[]", "0[{}]", '0"x"', "0null", "0true", "0/admin,[]", "0/admin,null", "0 1"],
  DISCONNECT_PAYLOAD: ['1{"a":1}', "1{}", "1[]", "1null", '1""', "1/admin,false", "1 0"],
  EVENT_PAYLOAD: [
    // The payload is missing, or its first element is not an event name (CVE-2023-32695).
    "2", "2/admin,", "2/admin", "21", "2{}", '2"x"', "2null", "2[]", "2[null]", "2[{}]", "2[[]]", "2[true]", '2[["x"]]', '2{"0":"x","length":1}', '2[{"toString":"x"}]',
    "51-", "51-{}", "51-[]", `51-[${HOLE(0)}]`, `51-${HOLE(0)}`, `51-[[${HOLE(0)}]]`, "51-/admin,1",
  ],
  RESERVED_EVENT: RESERVED,
  ACK_PAYLOAD: ["3", "31", "31{}", '31"x"', "31null", "31true", '31{"length":0}', "3/admin,1", "61-1", "61-1{}", `61-1${HOLE(0)}`, "61-"],
  ACK_ID: ["3[]", '3["x"]', "3/admin,[]", "3 []", `61-[${HOLE(0)}]`, `61-/admin,[${HOLE(0)}]`],
};
