// Vectors of Engine.IO 3: encoded payloads and their meaning. Data only.

import { MESSAGE, type Packet, PING, PONG } from "../../protocol/engineio/packet.ts";
import type { RuleName } from "../../protocol/engineio/rules.ts";
import { bytes } from "../support/split.ts";

const message = (data: string): Packet => ({ type: MESSAGE, data });
const binary = (hex: string): Packet => ({ type: MESSAGE, data: bytes(hex) });

// biome-ignore format: aligned table
export const TEXT_PAYLOADS: readonly (readonly [body: string, packets: readonly Packet[]])[] = [
  ["0:", []],
  ["1:4", [message("")]],
  ["6:4hello", [message("hello")]],
  ["6:4hello1:26:4world", [message("hello"), { type: PING, data: "" }, message("world")]],
  ["6:3probe", [{ type: PONG, data: "probe" }]],
  ["6:b4AQID", [binary("01 02 03")]],
  ["2:b4", [binary("")]],
  ["6:4hello10:b4AQIDBA==", [message("hello"), binary("01 02 03 04")]],
  ["5:44:4a", [message("4:4a")]],
];

// biome-ignore format: aligned table
export const BINARY_PAYLOADS: readonly (readonly [hex: string, packets: readonly Packet[]])[] = [
  ["01 01 ff 04", [binary("")]],
  ["01 04 ff 04 01 02 03", [binary("01 02 03")]],
  ["00 06 ff 34 68 65 6c 6c 6f 01 03 ff 04 01 ff", [message("hello"), binary("01 ff")]],
  ["00 03 ff 34 c3 a9 01 02 ff 04 00", [message("é"), binary("00")]],
  [`01 01 02 ff 04 ${"ab ".repeat(11)}`, [binary("ab ".repeat(11))]],
];

/** A payload that violates a rule, as text or as bytes in hex. */
type Breach = readonly [as: "text" | "bytes", input: string];

// biome-ignore format: aligned table
export const BREACHES_3: Record<Exclude<RuleName, "OPEN_PACKET">, readonly [Breach, ...Breach[]]> = {
  EMPTY_PACKET: [
    ["text", ""], ["text", "0:0:"], ["text", "2:4a0:"], ["text", "0:2:4a"], ["bytes", ""], ["bytes", "00 00 ff"], ["bytes", "01 00 ff"],
  ],
  UNKNOWN_PACKET_TYPE: [
    ["text", "1:7"], ["text", "2:4a1:7"], ["text", "1:b"], ["text", "2:b3"], ["text", "6:bAQID="], ["bytes", "00 01 ff 37"],
    ["bytes", "01 01 ff 03"], ["bytes", "01 01 ff 34"], ["bytes", "01 02 ff 05 01"],
  ],
  INVALID_BASE64: [
    ["text", "3:b4A"], ["text", "4:b4A="], ["text", "6:b4AQ!="],
  ],
  INVALID_UTF8: [
    ["bytes", "00 02 ff 34 80"], ["bytes", "00 03 ff 34 c3 28"], ["bytes", "00 02 ff 34 c3"],
  ],
  PAYLOAD_LENGTH: [
    // The length is missing or invalid.
    ["text", "4a"], ["text", ":4a"], ["text", "a:4a"], ["text", "-2:4a"], ["text", "+2:4a"], ["text", " 2:4a"], ["text", "2 :4a"],
    ["text", "02:4a"], ["text", "2.0:4a"], ["text", "0x2:4a"], ["text", "2e0:4a"], ["text", "٢:4a"], ["text", "Infinity:4a"],
    ["text", "2"], ["text", `${"1".repeat(400)}:4a`], ["text", "9999999999999999:4a"], ["text", "2:4a3"],
    // The length does not match the packet.
    ["text", "3:4a"], ["text", "999999999999999:4a"], ["text", "2:4abc"], ["text", "2:4a2:4"],
    ["bytes", "02 02 ff 34 61"], ["bytes", "34 61"], ["bytes", "00"], ["bytes", "00 02"], ["bytes", "00 02 34 61"], ["bytes", "00 ff 34 61"], ["bytes", "00 00 02 ff 34 61"],
    ["bytes", "00 0a ff 34 61"], ["bytes", `00 01 0a ff ${"34 ".repeat(20)}`], ["bytes", `00 0a ff ${"34 ".repeat(10)}`], ["bytes", "00 32 ff 34 61"], ["bytes", "00 03 ff 34 61"], ["bytes", "00 01 ff 34 61"], ["bytes", "01 09 09 09 ff 04"],
    ["bytes", `00 ${"01 ".repeat(400)}ff 34 61`],
  ],
};
