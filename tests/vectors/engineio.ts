// Vectors of Engine.IO 4: encoded packets and requests, and their meaning. Data only. A name begins with the heading of the
// protocol document that it tests.

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
  { does: "Packet encoding: an empty message", text: "4", type: MESSAGE, data: "" },
  { does: "Packet encoding: a message that looks like a packet", text: "44", type: MESSAGE, data: "4" },
  { does: "Packet encoding: a text message that looks like binary data in base64", text: "4bAQID", type: MESSAGE, data: "bAQID" },
  { does: "Packet encoding: characters of every length in UTF-8", text: "4$¢€𐍈", type: MESSAGE, data: "$¢€𐍈" },
  { does: "Packet encoding: control characters", text: "4\0\r\n\x1f", type: MESSAGE, data: "\0\r\n\x1f" },
  { does: "Upgrade: the probe ping", text: "2probe", type: PING, data: PROBE },
  { does: "Upgrade: the probe pong", text: "3probe", type: PONG, data: PROBE },
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
  { does: "HTTP long-polling: three packets, the example of the protocol document", body: "4hello\x1e2\x1e4world", packets: [message("hello"), { type: PING, data: "" }, message("world")] },
  { does: "HTTP long-polling: text and bytes, the example of the protocol document", body: "4hello\x1ebAQIDBA==", packets: [message("hello"), binary("01 02 03 04")] },
  { does: "HTTP long-polling: characters of every length beside bytes", body: "4€\x1ebAQIDBA==\x1e4𐍈", packets: [message("€"), binary("01 02 03 04"), message("𐍈")] },
  { does: "HTTP long-polling: one binary packet", body: "bAQID", packets: [binary("01 02 03")] },
  { does: "HTTP long-polling: binary packets at the start and the end", body: "bAQ==\x1e4a\x1ebAQI=", packets: [binary("01"), message("a"), binary("01 02")] },
  { does: "HTTP long-polling: an empty binary packet", body: "b", packets: [binary("")] },
  { does: "HTTP long-polling: an empty binary packet between other packets", body: "4\x1eb\x1e4", packets: [message(""), binary(""), message("")] },
  { does: "HTTP long-polling: binary data with every character of base64", body: "bABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", packets: [binary("00 10 83 10 51 87 20 92 8b 30 d3 8f 41 14 93 51 55 97 61 96 9b 71 d7 9f 82 18 a3 92 59 a7 a2 9a ab b2 db af c3 1c b3 d3 5d b7 e3 9e bb f3 df bf")] },
  { does: "HTTP long-polling: a control packet among messages", body: "4a\x1e1", packets: [message("a"), { type: CLOSE, data: "" }] },
];

/** Payloads that the decoder accepts, but that the encoder never writes. */
// biome-ignore format: aligned table
export const TOLERATED_PAYLOADS: readonly PayloadVector[] = [
  { does: "HTTP long-polling: base64 whose unused last bits are not 0", body: "bAR==\x1ebAAB=", packets: [binary("01"), binary("00 00")] },
];

export interface OpenVector {
  readonly does: string;
  readonly data: string;
  readonly open: OpenPacket;
}

// biome-ignore format: aligned table
export const OPENS: readonly OpenVector[] = [
  {
    does: "Handshake: the example of the protocol document",
    data: '{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
    open: { sid: "lv_VI97HAXpY6yYWAAAC", upgrades: ["websocket"], pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 },
  },
  {
    does: "Handshake: no upgrades, and intervals of 0",
    data: '{"sid":"a","upgrades":[],"pingInterval":0,"pingTimeout":0,"maxPayload":0}',
    open: { sid: "a", upgrades: [], pingInterval: 0, pingTimeout: 0, maxPayload: 0 },
  },
];

/** Open packets that the decoder accepts, but that the encoder never writes. */
// biome-ignore format: aligned table
export const TOLERATED_OPENS: readonly OpenVector[] = [
  {
    does: "Handshake: an open packet may lack maxPayload, as from older servers",
    data: '{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":2}',
    open: { sid: "a", upgrades: [], pingInterval: 1, pingTimeout: 2, maxPayload: Number.POSITIVE_INFINITY },
  },
  {
    does: "Handshake: a client ignores a maxPayload that is not a number",
    data: '{"sid":"a","upgrades":[],"pingInterval":1,"pingTimeout":2,"maxPayload":"3"}',
    open: { sid: "a", upgrades: [], pingInterval: 1, pingTimeout: 2, maxPayload: Number.POSITIVE_INFINITY },
  },
  {
    does: "Handshake: a client ignores unknown fields, such as __proto__, and the order of fields",
    data: '{"__proto__":{"maxPayload":9},"pingTimeout":2,"new":[],"pingInterval":1,"upgrades":["webtransport"],"sid":"a"}',
    open: { sid: "a", upgrades: ["webtransport"], pingInterval: 1, pingTimeout: 2, maxPayload: Number.POSITIVE_INFINITY },
  },
];

/**
 * An input that violates a rule: the text of a packet, the text of a payload, the data of an open packet, or the
 * bytes of a payload in hex.
 */
export type Breach = readonly [as: "packet" | "payload" | "open" | "bytes", input: string];

/** Inputs that violate each rule. A rule without vectors does not compile. */
// biome-ignore format: aligned table
export const BREACHES: Record<Exclude<RuleName, "PAYLOAD_LENGTH">, readonly [Breach, ...Breach[]]> = {
  EMPTY_PACKET: [
    ["packet", ""], ["payload", ""], ["payload", "\x1e"], ["payload", "\x1e4a"], ["payload", "4a\x1e"], ["payload", "4a\x1e\x1e4b"],
    ["payload", "bAQID\x1e"],
  ],
  UNKNOWN_PACKET_TYPE: [
    ["packet", "/"], ["packet", "7"], ["packet", ":"], ["packet", "9"], ["packet", "\0"], ["packet", " 4a"], ["packet", "-1"], ["packet", "a"],
    ["packet", "hello"], ["packet", "constructor"], ["packet", "__proto__"], ["packet", "\ufeff4a"],
    // These packets begin with digits of other scripts, or with a lone surrogate.
    ["packet", "٤a"], ["packet", "４a"], ["packet", "𝟒a"], ["packet", "\ud835"],
    // Over a WebSocket, binary data is not encoded in base64.
    ["packet", "bAQID"],
    ["payload", "7"], ["payload", "4a\x1e7"], ["payload", "B"], ["payload", "4a\x1e{}"], ["payload", "[]"], ["payload", "4a\x1e\n2"],
  ],
  INVALID_BASE64: [
    // The length is invalid in base64.
    ["payload", "bA"], ["payload", "bAQ"], ["payload", "bAQI"], ["payload", "bAQIDB"], ["payload", "b="], ["payload", "bAQ="],
    // The padding is invalid.
    ["payload", "bA==="], ["payload", "b===="], ["payload", "bAQ==AQ=="], ["payload", "bA=QI"], ["payload", "b=AQI"], ["payload", "bAQ=A"], ["payload", "bAQIDBA======"],
    // These payloads contain characters outside the alphabet of base64, including characters of base64url.
    ["payload", "bAQI!"], ["payload", "bAQI\n"], ["payload", "b AQI"], ["payload", "bAQI-"], ["payload", "bAQI_"], ["payload", "b-_=="], ["payload", "bAQ.="], ["payload", "bAQI\xc1"],
    // These payloads contain characters whose low byte is a character of the base64 alphabet.
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

/** The session id of requests that name an existing session. */
export const SID = "here";

export interface RequestVector {
  readonly does: string;
  readonly search: string;
  /** Default: "GET". */
  readonly method?: string;
  readonly upgrade?: boolean;
  /** The transport of the existing session SID. Default: no such session exists. */
  readonly session?: TransportName;
  /** The transports that the server accepts. Default: both. */
  readonly transports?: readonly TransportName[];
  /** The reason for the rejection and its context, or the accepted request. */
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
  { does: "Handshake: a request opens a session over polling", search: "EIO=4&transport=polling", gives: { kind: "handshake", transport: "polling", protocol: 4 } },
  { does: "Handshake: a request opens a session over WebSocket", search: "?EIO=4&transport=websocket", upgrade: true, gives: { kind: "handshake", transport: "websocket", protocol: 4 } },
  { does: "Handshake: a request may have the parameters t, b64 and j of clients", search: "EIO=4&transport=polling&t=oUIhqM&b64=1&j=0", gives: { kind: "handshake", transport: "polling", protocol: 4 } },

  // Transports.
  { does: "Handshake: a request is refused without transport", search: "EIO=4", gives: ["UNKNOWN_TRANSPORT", { transport: undefined }] },
  { does: "Handshake: a request is refused without a query", search: "", gives: ["UNKNOWN_TRANSPORT", { transport: undefined }] },
  { does: "Handshake: a request is refused for an unknown transport", search: "EIO=4&transport=flash", gives: ["UNKNOWN_TRANSPORT", { transport: "flash" }] },
  { does: "Handshake: a request is refused for a transport in capitals", search: "EIO=4&transport=Polling", gives: ["UNKNOWN_TRANSPORT", { transport: "Polling" }] },
  { does: "Handshake: a request is refused for transport=constructor (CVE-2023-31125)", search: "EIO=4&transport=constructor", upgrade: true, gives: ["UNKNOWN_TRANSPORT", { transport: "constructor" }] },
  { does: "Handshake: a request is refused for transport=__proto__ (CVE-2023-31125)", search: "EIO=4&transport=__proto__", gives: ["UNKNOWN_TRANSPORT", { transport: "__proto__" }] },
  { does: "Handshake: a request is refused for transport=webtransport", search: "EIO=4&transport=webtransport", gives: ["UNKNOWN_TRANSPORT", { transport: "webtransport" }] },
  { does: "Handshake: a request is refused for a transport that the server does not offer", search: "EIO=4&transport=polling", transports: ["websocket"], gives: ["UNKNOWN_TRANSPORT", { transport: "polling" }] },
  { does: "Handshake: a request is checked for its transport before its session and its method", search: "sid=there", method: "PUT", gives: ["UNKNOWN_TRANSPORT", { transport: undefined }] },
  { does: "Handshake: the last of two transport parameters is used", search: "transport=flash&EIO=4&transport=polling", gives: { kind: "handshake", transport: "polling", protocol: 4 } },

  // Methods.
  { does: "Handshake: a request is refused for POST", search: "EIO=4&transport=polling", method: "POST", gives: ["BAD_HANDSHAKE_METHOD", { method: "POST" }] },
  { does: "Handshake: a request is refused for HEAD", search: "EIO=4&transport=polling", method: "HEAD", gives: ["BAD_HANDSHAKE_METHOD", { method: "HEAD" }] },
  { does: "Handshake: a request is refused for OPTIONS", search: "EIO=4&transport=polling", method: "OPTIONS", gives: ["BAD_HANDSHAKE_METHOD", { method: "OPTIONS" }] },
  { does: "Handshake: a request is checked for its method before its protocol revision", search: "EIO=3&transport=polling", method: "PUT", gives: ["BAD_HANDSHAKE_METHOD", { method: "PUT" }] },

  // The version.
  { does: "Handshake: a request is refused without EIO", search: "transport=polling", gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: undefined }] },
  { does: "Handshake: a request is refused for EIO=3", search: "EIO=3&transport=polling", gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: "3" }] },
  { does: "Handshake: a request is refused for EIO=5 over WebSocket", search: "EIO=5&transport=websocket", upgrade: true, gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: "5" }] },
  { does: "Handshake: a request is refused for EIO=04", search: "EIO=04&transport=polling", gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: "04" }] },
  { does: "Handshake: a request is refused for an empty EIO", search: "EIO=&transport=polling", gives: ["UNSUPPORTED_PROTOCOL_VERSION", { protocol: "" }] },

  // The transport parameter does not match the kind of request.
  { does: "Handshake: a request is refused for transport=websocket without a WebSocket upgrade", search: "EIO=4&transport=websocket", gives: ["BAD_REQUEST", { name: "TRANSPORT_HANDSHAKE_ERROR", transport: "websocket" }] },
  { does: "Handshake: a request is refused for transport=polling with a WebSocket upgrade", search: "EIO=4&transport=polling", upgrade: true, gives: ["BAD_REQUEST", { name: "TRANSPORT_HANDSHAKE_ERROR", transport: "polling" }] },

  // Requests with a session id.
  { does: "HTTP long-polling: a request belongs to a session if it is a GET with a sid", search: `EIO=4&transport=polling&sid=${SID}`, session: "polling", gives: { kind: "session", sid: SID, transport: "polling", upgrade: false } },
  { does: "HTTP long-polling: a request belongs to a session if it is a POST with a sid", search: `EIO=4&transport=polling&sid=${SID}`, method: "POST", session: "polling", gives: { kind: "session", sid: SID, transport: "polling", upgrade: false } },
  { does: "HTTP long-polling: a request is admitted if it is a DELETE with a sid, which the transport refuses later", search: `EIO=4&transport=polling&sid=${SID}`, method: "DELETE", session: "polling", gives: { kind: "session", sid: SID, transport: "polling", upgrade: false } },
  { does: "Upgrade: a request belongs to a session that still uses polling", search: `EIO=4&transport=websocket&sid=${SID}`, upgrade: true, session: "polling", gives: { kind: "session", sid: SID, transport: "websocket", upgrade: true } },
  { does: "Upgrade: a request is admitted for a session over WebSocket, which refuses it later", search: `EIO=4&transport=websocket&sid=${SID}`, upgrade: true, session: "websocket", gives: { kind: "session", sid: SID, transport: "websocket", upgrade: true } },
  { does: "HTTP long-polling: a request is refused for an unknown session", search: "EIO=4&transport=polling&sid=there", session: "polling", gives: ["UNKNOWN_SID", { sid: "there" }] },
  { does: "HTTP long-polling: a request is refused for sid=__proto__ (CVE-2026-59724)", search: "EIO=4&transport=polling&sid=__proto__", session: "polling", gives: ["UNKNOWN_SID", { sid: "__proto__" }] },
  { does: "HTTP long-polling: a request is refused for an empty sid", search: "EIO=4&transport=polling&sid=", session: "polling", gives: ["UNKNOWN_SID", { sid: "" }] },
  { does: "HTTP long-polling: a request is refused for a session of another protocol revision", search: `EIO=3&transport=polling&sid=${SID}`, session: "polling", gives: ["BAD_REQUEST", { ...MISMATCH, protocol: "3" }] },
  { does: "HTTP long-polling: a request is refused if it has a sid but no EIO", search: `transport=polling&sid=${SID}`, session: "polling", gives: ["BAD_REQUEST", { ...MISMATCH, protocol: undefined }] },
  { does: "Upgrade: a request is refused for a session of another protocol revision", search: `EIO=3&transport=websocket&sid=${SID}`, upgrade: true, session: "polling", gives: ["BAD_REQUEST", { ...MISMATCH, protocol: "3" }] },
  { does: "Upgrade: a request is refused if it polls after the upgrade", search: `EIO=4&transport=polling&sid=${SID}`, session: "websocket", gives: ["BAD_REQUEST", { name: "TRANSPORT_MISMATCH", transport: "polling", previousTransport: "websocket" }] },
  { does: "Upgrade: a request is refused for transport=websocket without a WebSocket upgrade", search: `EIO=4&transport=websocket&sid=${SID}`, session: "polling", gives: ["BAD_REQUEST", { name: "TRANSPORT_MISMATCH", transport: "websocket", previousTransport: "polling" }] },
  { does: "Upgrade: a request is refused without a WebSocket upgrade for a session over WebSocket", search: `EIO=4&transport=websocket&sid=${SID}`, session: "websocket", gives: ["BAD_REQUEST", { name: "TRANSPORT_MISMATCH", transport: "websocket", previousTransport: "websocket" }] },
  { does: "Upgrade: a request is refused for transport=polling with a WebSocket upgrade", search: `EIO=4&transport=polling&sid=${SID}`, upgrade: true, session: "polling", gives: ["BAD_REQUEST", { name: "TRANSPORT_MISMATCH", transport: "polling", previousTransport: "polling" }] },
];
