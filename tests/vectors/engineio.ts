// Engine.IO 4 on the wire, and what it says. Data only. A name begins with the heading of the
// protocol document that it is about.

import type { OpenPacket, RefusalName, TransportName } from "../../protocol/engineio/handshake.ts";
import {
  CLOSE,
  MESSAGE,
  NOOP,
  OPEN,
  type Packet,
  type PacketType,
  PING,
  PONG,
  PROBE,
  UPGRADE,
} from "../../protocol/engineio/packet.ts";
import type { RuleName } from "../../protocol/engineio/rules.ts";
import { bytes } from "../support/split.ts";

export interface PacketVector {
  readonly does: string;
  readonly text: string;
  readonly type: PacketType;
  readonly data: string;
}

// biome-ignore format: aligned table
export const PACKETS: readonly PacketVector[] = [
  { does: "Packet encoding: open", text: '0{"sid":"a"}', type: OPEN, data: '{"sid":"a"}' },
  { does: "Packet encoding: close", text: "1", type: CLOSE, data: "" },
  { does: "Packet encoding: ping", text: "2", type: PING, data: "" },
  { does: "Packet encoding: pong", text: "3", type: PONG, data: "" },
  { does: "Packet encoding: message", text: "4hello", type: MESSAGE, data: "hello" },
  { does: "Packet encoding: upgrade", text: "5", type: UPGRADE, data: "" },
  { does: "Packet encoding: noop", text: "6", type: NOOP, data: "" },
  { does: "Packet encoding: a message of nothing", text: "4", type: MESSAGE, data: "" },
  { does: "Packet encoding: a message that looks like a packet", text: "44", type: MESSAGE, data: "4" },
  { does: "Packet encoding: a message that looks binary", text: "4bAQID", type: MESSAGE, data: "bAQID" },
  { does: "Packet encoding: characters of every length in UTF-8", text: "4$¢€𐍈", type: MESSAGE, data: "$¢€𐍈" },
  { does: "Packet encoding: control characters", text: "4\0\r\n\x1f", type: MESSAGE, data: "\0\r\n\x1f" },
  { does: "Upgrade: the ping that tests a transport", text: "2probe", type: PING, data: PROBE },
  { does: "Upgrade: the pong that answers it", text: "3probe", type: PONG, data: PROBE },
];

export interface PayloadVector {
  readonly does: string;
  readonly body: string;
  readonly packets: readonly Packet[];
}

const message = (data: string): Packet => ({ type: MESSAGE, data });
const binary = (hex: string): Packet => ({ type: MESSAGE, data: bytes(hex) });

// biome-ignore format: aligned table
export const PAYLOADS: readonly PayloadVector[] = [
  { does: "HTTP long-polling: one packet", body: "4hello", packets: [message("hello")] },
  { does: "HTTP long-polling: the document's three packets", body: "4hello\x1e2\x1e4world", packets: [message("hello"), { type: PING, data: "" }, message("world")] },
  { does: "HTTP long-polling: the document's text and bytes", body: "4hello\x1ebAQIDBA==", packets: [message("hello"), binary("01 02 03 04")] },
  { does: "HTTP long-polling: characters of every length beside bytes", body: "4€\x1ebAQIDBA==\x1e4𐍈", packets: [message("€"), binary("01 02 03 04"), message("𐍈")] },
  { does: "HTTP long-polling: bytes alone", body: "bAQID", packets: [binary("01 02 03")] },
  { does: "HTTP long-polling: bytes first and last", body: "bAQ==\x1e4a\x1ebAQI=", packets: [binary("01"), message("a"), binary("01 02")] },
  { does: "HTTP long-polling: no bytes at all are a message too", body: "b", packets: [binary("")] },
  { does: "HTTP long-polling: no bytes between packets", body: "4\x1eb\x1e4", packets: [message(""), binary(""), message("")] },
  { does: "HTTP long-polling: every letter of base64", body: "bABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", packets: [binary("00 10 83 10 51 87 20 92 8b 30 d3 8f 41 14 93 51 55 97 61 96 9b 71 d7 9f 82 18 a3 92 59 a7 a2 9a ab b2 db af c3 1c b3 d3 5d b7 e3 9e bb f3 df bf")] },
  { does: "HTTP long-polling: a control packet among messages", body: "4a\x1e1", packets: [message("a"), { type: CLOSE, data: "" }] },
];

/** Bodies that are read, and that nobody here would write. */
// biome-ignore format: aligned table
export const TOLERATED_PAYLOADS: readonly PayloadVector[] = [
  { does: "HTTP long-polling: bits that base64 has left over are passed over", body: "bAR==\x1ebAAB=", packets: [binary("01"), binary("00 00")] },
];

export interface OpenVector {
  readonly does: string;
  readonly data: string;
  readonly open: OpenPacket;
}

// biome-ignore format: aligned table
export const OPENS: readonly OpenVector[] = [
  {
    does: "Handshake: the document's example",
    data: '{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
    open: { sid: "lv_VI97HAXpY6yYWAAAC", upgrades: ["websocket"], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 },
  },
  {
    does: "Handshake: nothing to upgrade to, and no time at all",
    data: '{"sid":"a","upgrades":[],"pingInterval":0,"pingTimeout":0,"maxPayload":0}',
    open: { sid: "a", upgrades: [], pingInterval: 0, pingTimeout: 0, maxPayload: 0 },
  },
];

/** Open packets that are read, and that nobody here would write. */
// biome-ignore format: aligned table
export const TOLERATED_OPENS: readonly OpenVector[] = [
  {
    does: "Handshake: without maxPayload, as older servers say it",
    data: '{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":2}',
    open: { sid: "a", upgrades: [], pingInterval: 1, pingTimeout: 2, maxPayload: Number.POSITIVE_INFINITY },
  },
  {
    does: "Handshake: a maxPayload that is no number is none",
    data: '{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":2,"maxPayload":"3"}',
    open: { sid: "a", upgrades: [], pingInterval: 1, pingTimeout: 2, maxPayload: Number.POSITIVE_INFINITY },
  },
  {
    does: "Handshake: fields of later versions are passed over, in any order, __proto__ among them",
    data: '{"__proto__":{"maxPayload":9},"pingTimeout":2,"new":[],"pingInterval":1,"upgrades":["webtransport"],"sid":"a"}',
    open: { sid: "a", upgrades: ["webtransport"], pingInterval: 1, pingTimeout: 2, maxPayload: Number.POSITIVE_INFINITY },
  },
];

/**
 * Something that breaks a rule: the text of a packet, the text of a payload, the data of an open
 * packet, or the bytes of a payload in hex.
 */
export type Breach = readonly [as: "packet" | "payload" | "open" | "bytes", input: string];

/** What breaks each rule. A rule without its vectors does not compile. */
// biome-ignore format: aligned table
export const BREACHES: Record<Exclude<RuleName, "PAYLOAD_LENGTH">, readonly [Breach, ...Breach[]]> = {
  EMPTY_PACKET: [
    ["packet", ""], ["payload", ""], ["payload", "\x1e"], ["payload", "\x1e4a"], ["payload", "4a\x1e"], ["payload", "4a\x1e\x1e4b"],
    ["payload", "bAQID\x1e"],
  ],
  UNKNOWN_PACKET_TYPE: [
    ["packet", "/"], ["packet", "7"], ["packet", ":"], ["packet", "9"], ["packet", "\0"], ["packet", " 4a"], ["packet", "-1"], ["packet", "a"],
    ["packet", "hello"], ["packet", "constructor"], ["packet", "__proto__"], ["packet", "\ufeff4a"],
    // Digits of other scripts, and half a character.
    ["packet", "٤a"], ["packet", "４a"], ["packet", "𝟒a"], ["packet", "\ud835"],
    // Over a WebSocket bytes come as bytes.
    ["packet", "bAQID"],
    ["payload", "7"], ["payload", "4a\x1e7"], ["payload", "B"], ["payload", "4a\x1e{}"], ["payload", "[]"], ["payload", "4a\x1e\n2"],
  ],
  INVALID_BASE64: [
    // A length that is not one of base64's.
    ["payload", "bA"], ["payload", "bAQ"], ["payload", "bAQI"], ["payload", "bAQIDB"], ["payload", "b="], ["payload", "bAQ="],
    // Padding that is none.
    ["payload", "bA==="], ["payload", "b===="], ["payload", "bAQ==AQ=="], ["payload", "bA=QI"], ["payload", "b=AQI"], ["payload", "bAQ=A"], ["payload", "bAQIDBA======"],
    // Characters outside the alphabet, those of base64url among them.
    ["payload", "bAQI!"], ["payload", "bAQI\n"], ["payload", "b AQI"], ["payload", "bAQI-"], ["payload", "bAQI_"], ["payload", "b-_=="], ["payload", "bAQ.="], ["payload", "bAQI\xc1"],
    // Characters whose low byte is a letter of it.
    ["payload", "b\u0141QID"], ["payload", "bAQI\u0144"], ["payload", "bAQ=\u013d"], ["payload", "b\ud841\udc41AA"],
    ["payload", "4a\x1ebA"], ["payload", "bA\x1e4a"],
  ],
  INVALID_UTF8: [["bytes", "34 ff"], ["bytes", "34 c3"], ["bytes", "34 ed a0 80"], ["bytes", "34 c0 80"], ["bytes", "34 f4 90 80 80"], ["bytes", "80"]],
  OPEN_PACKET: [
    ["open", ""], ["open", "{"], ["open", "null"], ["open", "1"], ["open", '"a"'], ["open", "[]"], ["open", "{}"], ["open", "true"],
    ["open", '{"upgrades":[],"pingInterval":1,"pingTimeout":2}'],
    ["open", '{"sid":1,"upgrades":[],"pingInterval":1,"pingTimeout":2}'],
    ["open", '{"sid":"a","pingInterval":1,"pingTimeout":2}'],
    ["open", '{"sid":"a","upgrades":"websocket","pingInterval":1,"pingTimeout":2}'],
    ["open", '{"sid":"a","upgrades":{"length":0},"pingInterval":1,"pingTimeout":2}'],
    ["open", '{"sid":"a","upgrades":["websocket",1],"pingInterval":1,"pingTimeout":2}'],
    ["open", '{"sid":"a","upgrades":[],"pingTimeout":2}'],
    ["open", '{"sid":"a","upgrades":[],"pingInterval":"1","pingTimeout":2}'],
    ["open", '{"sid":"a","upgrades":[],"pingInterval":-1,"pingTimeout":2}'],
    ["open", '{"sid":"a","upgrades":[],"pingInterval":1}'],
    ["open", '{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":null}'],
    ["open", '{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":-0.5}'],
    ["open", '{"__proto__":{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":2}}'],
  ],
};

/** The session that a request may find, as "sid=here", and the transport that carries it. */
export const SID = "here";

export interface RequestVector {
  readonly does: string;
  readonly search: string;
  /** Default: "GET". */
  readonly method?: string;
  readonly upgrade?: boolean;
  /** What carries the session SID; default: there is none. */
  readonly session?: TransportName;
  /** Default: both. */
  readonly transports?: readonly TransportName[];
  /** The refusal and what is said of it, or what is admitted. */
  readonly gives:
    | readonly [RefusalName, Readonly<Record<string, unknown>>]
    | { readonly kind: "handshake"; readonly transport: TransportName; readonly protocol: 4 }
    | {
        readonly kind: "session";
        readonly sid: string;
        readonly transport: TransportName;
        readonly upgrade: boolean;
      };
}

const MISMATCH = { name: "PROTOCOL_MISMATCH" };

// biome-ignore format: aligned table
export const REQUESTS: readonly RequestVector[] = [
  { does: "Handshake: over polling", search: "EIO=4&transport=polling", gives: { kind: "handshake", transport: "polling", protocol: 4 } },
  { does: "Handshake: over WebSocket", search: "?EIO=4&transport=websocket", upgrade: true, gives: { kind: "handshake", transport: "websocket", protocol: 4 } },
  { does: "Handshake: with what clients add", search: "EIO=4&transport=polling&t=oUIhqM&b64=1&j=0", gives: { kind: "handshake", transport: "polling", protocol: 4 } },

  // Transports.
  { does: "Handshake: no transport", search: "EIO=4", gives: ["UNKNOWN_TRANSPORT", { transport: undefined }] },
  { does: "Handshake: no query", search: "", gives: ["UNKNOWN_TRANSPORT", { transport: undefined }] },
  { does: "Handshake: an unknown transport", search: "EIO=4&transport=flash", gives: ["UNKNOWN_TRANSPORT", { transport: "flash" }] },
  { does: "Handshake: the name of a transport in capitals", search: "EIO=4&transport=Polling", gives: ["UNKNOWN_TRANSPORT", { transport: "Polling" }] },
  { does: "Handshake: transport=constructor (CVE-2023-31125)", search: "EIO=4&transport=constructor", upgrade: true, gives: ["UNKNOWN_TRANSPORT", { transport: "constructor" }] },
  { does: "Handshake: transport=__proto__ (CVE-2023-31125)", search: "EIO=4&transport=__proto__", gives: ["UNKNOWN_TRANSPORT", { transport: "__proto__" }] },
  { does: "Handshake: transport=webtransport", search: "EIO=4&transport=webtransport", gives: ["UNKNOWN_TRANSPORT", { transport: "webtransport" }] },
  { does: "Handshake: a transport that this server does not offer", search: "EIO=4&transport=polling", transports: ["websocket"], gives: ["UNKNOWN_TRANSPORT", { transport: "polling" }] },
  { does: "Handshake: the transport counts before the session and the method", search: "sid=there", method: "PUT", gives: ["UNKNOWN_TRANSPORT", { transport: undefined }] },
  { does: "Handshake: of two transports the last counts", search: "transport=flash&EIO=4&transport=polling", gives: { kind: "handshake", transport: "polling", protocol: 4 } },

  // Methods.
  { does: "Handshake: POST", search: "EIO=4&transport=polling", method: "POST", gives: ["BAD_HANDSHAKE_METHOD", { method: "POST" }] },
  { does: "Handshake: HEAD", search: "EIO=4&transport=polling", method: "HEAD", gives: ["BAD_HANDSHAKE_METHOD", { method: "HEAD" }] },
  { does: "Handshake: OPTIONS", search: "EIO=4&transport=polling", method: "OPTIONS", gives: ["BAD_HANDSHAKE_METHOD", { method: "OPTIONS" }] },
  { does: "Handshake: the method counts before the version", search: "EIO=3&transport=polling", method: "PUT", gives: ["BAD_HANDSHAKE_METHOD", { method: "PUT" }] },

  // The version.
  { does: "Handshake: no EIO", search: "transport=polling", gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: undefined }] },
  { does: "Handshake: EIO=3", search: "EIO=3&transport=polling", gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: "3" }] },
  { does: "Handshake: EIO=5, over WebSocket", search: "EIO=5&transport=websocket", upgrade: true, gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: "5" }] },
  { does: "Handshake: EIO=04", search: "EIO=04&transport=polling", gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: "04" }] },
  { does: "Handshake: EIO=", search: "EIO=&transport=polling", gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: "" }] },

  // A transport that the request does not fit.
  { does: "Handshake: transport=websocket without an upgrade", search: "EIO=4&transport=websocket", gives: ["BAD_REQUEST", { name: "TRANSPORT_HANDSHAKE_ERROR", transport: "websocket" }] },
  { does: "Handshake: an upgrade with transport=polling", search: "EIO=4&transport=polling", upgrade: true, gives: ["BAD_REQUEST", { name: "TRANSPORT_HANDSHAKE_ERROR", transport: "polling" }] },

  // Requests of a session.
  { does: "HTTP long-polling: a GET of a session", search: `EIO=4&transport=polling&sid=${SID}`, session: "polling", gives: { kind: "session", sid: SID, transport: "polling", upgrade: false } },
  { does: "HTTP long-polling: a POST of a session", search: `EIO=4&transport=polling&sid=${SID}`, method: "POST", session: "polling", gives: { kind: "session", sid: SID, transport: "polling", upgrade: false } },
  { does: "HTTP long-polling: other methods are the transport's to refuse", search: `EIO=4&transport=polling&sid=${SID}`, method: "DELETE", session: "polling", gives: { kind: "session", sid: SID, transport: "polling", upgrade: false } },
  { does: "Upgrade: a WebSocket for a session", search: `EIO=4&transport=websocket&sid=${SID}`, upgrade: true, session: "polling", gives: { kind: "session", sid: SID, transport: "websocket", upgrade: true } },
  { does: "Upgrade: a second WebSocket is the session's to refuse", search: `EIO=4&transport=websocket&sid=${SID}`, upgrade: true, session: "websocket", gives: { kind: "session", sid: SID, transport: "websocket", upgrade: true } },
  { does: "HTTP long-polling: an unknown session", search: "EIO=4&transport=polling&sid=there", session: "polling", gives: ["UNKNOWN_SID", { sid: "there" }] },
  { does: "HTTP long-polling: sid=__proto__ (CVE-2026-59724)", search: "EIO=4&transport=polling&sid=__proto__", session: "polling", gives: ["UNKNOWN_SID", { sid: "__proto__" }] },
  { does: "HTTP long-polling: sid= is a session's name too", search: "EIO=4&transport=polling&sid=", session: "polling", gives: ["UNKNOWN_SID", { sid: "" }] },
  { does: "HTTP long-polling: a session in another version", search: `EIO=3&transport=polling&sid=${SID}`, session: "polling", gives: ["BAD_REQUEST", { ...MISMATCH, protocol: "3" }] },
  { does: "HTTP long-polling: a session in no version", search: `transport=polling&sid=${SID}`, session: "polling", gives: ["BAD_REQUEST", { ...MISMATCH, protocol: undefined }] },
  { does: "Upgrade: in another version", search: `EIO=3&transport=websocket&sid=${SID}`, upgrade: true, session: "polling", gives: ["BAD_REQUEST", { ...MISMATCH, protocol: "3" }] },
  { does: "Upgrade: polling after it", search: `EIO=4&transport=polling&sid=${SID}`, session: "websocket", gives: ["BAD_REQUEST", { name: "TRANSPORT_MISMATCH", transport: "polling", previousTransport: "websocket" }] },
  { does: "Upgrade: transport=websocket without an upgrade", search: `EIO=4&transport=websocket&sid=${SID}`, session: "polling", gives: ["BAD_REQUEST", { name: "TRANSPORT_MISMATCH", transport: "websocket", previousTransport: "polling" }] },
  { does: "Upgrade: transport=websocket without an upgrade, of a session that a WebSocket carries", search: `EIO=4&transport=websocket&sid=${SID}`, session: "websocket", gives: ["BAD_REQUEST", { name: "TRANSPORT_MISMATCH", transport: "websocket", previousTransport: "websocket" }] },
  { does: "Upgrade: to polling", search: `EIO=4&transport=polling&sid=${SID}`, upgrade: true, session: "polling", gives: ["BAD_REQUEST", { name: "TRANSPORT_MISMATCH", transport: "polling", previousTransport: "polling" }] },
];
