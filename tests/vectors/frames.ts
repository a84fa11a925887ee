// Vectors of WebSocket frames in hex, and their meaning: RFC 6455 §5 to §8, RFC 7692 §6. Data only.

import type { ReceiverOptions } from "../../protocol/websocket/receiver.ts";
import type { RuleName } from "../../protocol/websocket/rules.ts";

/** The receivers of the vectors. Frames to a client are not masked, so that a human can read them. */
export const PROFILES = {
  client: { role: "client", maxPayload: 1000, deflate: false },
  server: { role: "server", maxPayload: 1000, deflate: false },
  deflate: { role: "client", maxPayload: 1000, deflate: true },
  unlimited: { role: "client", maxPayload: Number.POSITIVE_INFINITY, deflate: false },
} as const satisfies Record<string, ReceiverOptions>;

export type Profile = keyof typeof PROFILES;

export interface Vector {
  readonly does: string;
  readonly input: string;
  /** The receiver's output, one line for each message and control frame. */
  readonly gives: readonly string[];
  /** Default: "client". */
  readonly as?: Profile;
}

const KEY = "37 fa 21 3d";

// biome-ignore format: aligned table
export const FRAMES: readonly Vector[] = [
  // The examples of the RFC.
  { does: "RFC 6455 §5.7 a single-frame unmasked text message", input: "81 05 48 65 6c 6c 6f", gives: ["text Hello"] },
  { does: "RFC 6455 §5.7 a single-frame masked text message", as: "server", input: `81 85 ${KEY} 7f 9f 4d 51 58`, gives: ["text Hello"] },
  { does: "RFC 6455 §5.7 a fragmented unmasked text message", input: "01 03 48 65 6c  80 02 6c 6f", gives: ["text Hello"] },
  { does: "RFC 6455 §5.7 an unmasked ping", input: "89 05 48 65 6c 6c 6f", gives: ["ping Hello"] },
  { does: "RFC 6455 §5.7 a masked pong", as: "server", input: `8a 85 ${KEY} 7f 9f 4d 51 58`, gives: ["pong Hello"] },
  { does: "RFC 6455 §5.7 256 bytes in one unmasked frame", input: "82 7e 01 00 61*256", gives: [`binary${" 61".repeat(256)}`] },
  { does: "RFC 6455 §5.7 64 KiB in one unmasked frame", as: "unlimited", input: "82 7f 00 00 00 00 00 01 00 00 61*65536", gives: [`binary${" 61".repeat(65536)}`] },

  // Lengths at both limits of each length form.
  { does: "RFC 6455 §5.2 an empty text message (Autobahn 1.1.1)", input: "81 00", gives: ["text"] },
  { does: "RFC 6455 §5.2 an empty masked message", as: "server", input: `82 80 ${KEY}`, gives: ["binary"] },
  { does: "RFC 6455 §5.2 one byte", input: "82 01 00", gives: ["binary 00"] },
  { does: "RFC 6455 §5.2 the longest 7-bit length, 125 (Autobahn 1.2.2)", input: "82 7d 61*125", gives: [`binary${" 61".repeat(125)}`] },
  { does: "RFC 6455 §5.2 the shortest 16-bit length, 126 (Autobahn 1.2.3)", input: "82 7e 00 7e 61*126", gives: [`binary${" 61".repeat(126)}`] },
  { does: "RFC 6455 §5.2 a 16-bit length of 127 (Autobahn 1.2.4)", input: "82 7e 00 7f 61*127", gives: [`binary${" 61".repeat(127)}`] },
  { does: "RFC 6455 §5.2 the longest 16-bit length, 65535 (Autobahn 1.2.6)", as: "unlimited", input: "82 7e ff ff 61*65535", gives: [`binary${" 61".repeat(65535)}`] },
  { does: "RFC 6455 §10.4 a message of exactly the largest size", input: "82 7e 03 e8 61*1000", gives: [`binary${" 61".repeat(1000)}`] },
  { does: "RFC 6455 §10.4 a fragmented message of exactly the largest size", input: "02 7e 03 e7 61*999 80 01 62", gives: [`binary${" 61".repeat(999)} 62`] },
  { does: "RFC 6455 §10.4 the size is counted for each message separately", input: "82 7e 03 e8 61*1000 02 01 61 80 00 82 7e 03 e8 62*1000", gives: [`binary${" 61".repeat(1000)}`, "binary 61", `binary${" 62".repeat(1000)}`] },
  { does: "RFC 6455 §10.4 a control frame does not count towards the size of the message around it", input: "02 7e 03 e8 61*1000 89 02 70 71 80 00", gives: ["ping pq", `binary${" 61".repeat(1000)}`] },

  // Masking.
  { does: "RFC 6455 §5.3 a key of zeros", as: "server", input: "81 85 00 00 00 00 48 65 6c 6c 6f", gives: ["text Hello"] },
  { does: "RFC 6455 §5.3 a key of ones", as: "server", input: "82 85 ff ff ff ff ff fe fd fc fb", gives: ["binary 00 01 02 03 04"] },
  { does: "RFC 6455 §5.3 each frame has its own key, applied from its first octet", as: "server", input: "02 83 01 02 03 04 01 02 03  80 82 10 20 30 40 11 21", gives: ["binary 00 00 00 01 01"] },

  // Fragmentation.
  { does: "RFC 6455 §5.4 three fragments", input: "01 01 61  00 01 62  80 01 63", gives: ["text abc"] },
  { does: "RFC 6455 §5.4 binary fragments", input: "02 01 00  80 01 ff", gives: ["binary 00 ff"] },
  { does: "RFC 6455 §5.4 empty fragments (Autobahn 6.1.2)", input: "01 00  00 00  80 00", gives: ["text"] },
  { does: "RFC 6455 §5.4 a fragment with payload between empty fragments (Autobahn 6.1.3)", input: "01 00  00 03 61 62 63  80 00", gives: ["text abc"] },
  { does: "RFC 6455 §5.4 an empty first fragment", input: "01 00  80 01 61", gives: ["text a"] },
  { does: "RFC 6455 §5.4 a ping inside a fragmented message (Autobahn 5.6)", input: "01 03 48 65 6c  89 00  80 02 6c 6f", gives: ["ping", "text Hello"] },
  { does: "RFC 6455 §5.4 every control frame inside a fragmented message", input: "02 01 01  89 01 70  00 01 02  8a 01 71  88 02 03 e8  80 01 03", gives: ["ping p", "pong q", "close 1000", "binary 01 02 03"] },
  { does: "RFC 6455 §5.4 two fragmented messages", input: "01 01 61 80 01 62  02 01 63 80 01 64", gives: ["text ab", "binary 63 64"] },
  { does: "RFC 6455 §5.4 an unfragmented message after a fragmented message", input: "01 01 61 80 01 62  82 01 63", gives: ["text ab", "binary 63"] },

  // Control frames.
  { does: "RFC 6455 §5.5 a ping of 125 bytes (Autobahn 2.4)", input: "89 7d 61*125", gives: [`ping ${"a".repeat(125)}`] },
  { does: "RFC 6455 §5.5.1 an empty close frame", input: "88 00", gives: ["close"] },
  { does: "RFC 6455 §5.5.1 a close frame with a code and a reason", input: "88 06 03 e8 64 6f 6e 65", gives: ["close 1000 done"] },
  { does: "RFC 6455 §5.5.3 an unsolicited pong (Autobahn 2.7)", input: "8a 00", gives: ["pong"] },

  // Text.
  { does: "RFC 6455 §5.6 text with characters of one to four bytes", input: "81 0a 24 c2 a2 e2 82 ac f0 90 8d 88", gives: ["text $¢€𐍈"] },
  { does: "RFC 6455 §5.6 characters split over fragments (Autobahn 6.2.3)", input: "01 01 c2  00 01 a2  00 02 e2 82  00 01 ac  00 01 f0  00 02 90 8d  80 01 88", gives: ["text ¢€𐍈"] },
  { does: "RFC 6455 §5.6 a ping between the bytes of a character", input: "01 01 c2  89 01 ff  80 01 a2", gives: ["ping \ufffd", "text ¢"] },
  { does: "RFC 6455 §5.6 binary messages that are not UTF-8", input: "82 01 ff  02 01 ff  80 01 c0", gives: ["binary ff", "binary ff c0"] },
  { does: "RFC 6455 §8.1 a byte order mark, kept in the text", input: "81 03 ef bb bf", gives: ["text \ufeff"] },

  // Compressed messages that the receiver does not inflate: RFC 7692.
  { does: "RFC 7692 §7.2.3.1 a compressed message with RSV1", as: "deflate", input: "c1 07 f2 48 cd c9 c9 07 00", gives: ["compressed text f2 48 cd c9 c9 07 00"] },
  { does: "RFC 7692 §7.2.3.1 a fragmented compressed message with RSV1 on the first fragment only", as: "deflate", input: "41 03 f2 48 cd  80 04 c9 c9 07 00", gives: ["compressed text f2 48 cd c9 c9 07 00"] },
  { does: "RFC 7692 §6.2 a compressed binary message", as: "deflate", input: "c2 07 f2 48 cd c9 c9 07 00", gives: ["compressed binary f2 48 cd c9 c9 07 00"] },
  { does: "RFC 7692 §6 an uncompressed message, without RSV1", as: "deflate", input: "81 05 48 65 6c 6c 6f", gives: ["text Hello"] },
  { does: "RFC 7692 §6 compressed and uncompressed messages in turn", as: "deflate", input: "c1 01 00  81 01 61  41 01 00 80 01 ff  01 01 61 80 01 62  c2 01 00", gives: ["compressed text 00", "text a", "compressed text 00 ff", "text ab", "compressed binary 00"] },
  { does: "RFC 7692 §6 uncompressed control frames inside and after a compressed message", as: "deflate", input: "41 01 00  89 01 61  80 01 ff  8a 01 62", gives: ["ping a", "compressed text 00 ff", "pong b"] },
];

/**
 * Frames that violate a rule, in hex. A pair names the receiver. A string is for a client without permessage-deflate.
 */
export type Breach = string | readonly [as: Profile, input: string];

/** Inputs that violate each rule, at both ends of every range. A rule without vectors does not compile. */
// biome-ignore format: aligned table
export const BREACHES: Record<RuleName, readonly [Breach, ...Breach[]]> = {
  MASK_REQUIRED: [
    ["server", "81 00"], ["server", "82 05 48 65 6c 6c 6f"], ["server", "88 00"], ["server", "89 00"], ["server", "8a 7d"],
    ["server", `01 81 ${KEY} 7f 80 01 61`],
  ],
  MASK_FORBIDDEN: [
    "81 80 00 00 00 00", "82 81 37 fa 21 3d 00", "88 80 00 00 00 00", "89 80 00 00 00 00", "8a fd 00 00 00 00",
    "01 00 80 80 00 00 00 00",
  ],
  RESERVED_BITS: [
    "91 00", "a1 00", "b1 00", "c1 00", "f1 00", "92 00", "a2 00", "c2 00", "98 00", "a9 00", "ca 00", "f8 00",
    "01 00 90 00", "01 00 a0 00", "01 00 c0 00",
    // RFC 7692 §6.1: RSV1 is valid only on the first frame of a data message.
    ["deflate", "91 00"], ["deflate", "a1 00"], ["deflate", "d1 00"], ["deflate", "e2 00"],
    ["deflate", "c8 00"], ["deflate", "c9 00"], ["deflate", "ca 00"],
    ["deflate", "01 00 c0 00"], ["deflate", "41 00 c0 00"], ["deflate", "41 00 40 00"],
  ],
  RESERVED_OPCODE: [
    "83 00", "84 00", "85 00", "86 00", "87 00", "8b 00", "8c 00", "8d 00", "8e 00", "8f 00",
    "03 00", "07 00", "0b 00", "0f 00", "01 00 83 00", "01 00 8f 00", ["server", "83 80"], ["server", "8b 80"],
  ],
  MINIMAL_LENGTH: [
    "81 7e 00 00", "82 7e 00 7d", "82 7f 00*8", "82 7f 00*7 7e", "82 7f 00*6 ff ff", "01 00 80 7e 00 01",
    ["server", "82 fe 00 7d"], ["server", "82 ff 00*6 ff ff"],
  ],
  NOTHING_TO_CONTINUE: [
    "80 00", "00 00", "80 05 48 65 6c 6c 6f", "01 00 80 00 80 00", "81 01 61 80 00", "89 00 80 00", "01 00 80 00 00 00",
  ],
  MESSAGE_UNFINISHED: [
    "01 00 81 00", "01 00 82 00", "02 00 01 00", "02 00 02 00", "01 01 61 00 01 62 81 01 63", "01 00 89 00 81 00",
    ["deflate", "41 00 c1 00"],
  ],
  CONTROL_FRAGMENTED: ["08 00", "09 00", "0a 00", "01 00 09 00", "09 7e", ["server", `09 80 ${KEY}`]],
  CONTROL_TOO_LONG: [
    "88 7e", "88 7f", "89 7e 00 7e", "89 7f", "8a 7e", "8a 7f 00*8", "01 00 89 7e", ["server", "89 fe"], ["server", "8a ff"],
  ],
  CLOSE_LENGTH: ["88 01 03", "88 01 00", "01 00 88 01 ff", ["server", `88 81 ${KEY} 34`]],
  CLOSE_CODE: [
    "88 02 00 00", "88 02 00 01", "88 02 03 e7", "88 02 03 ec", "88 02 03 ed", "88 02 03 ee", "88 02 03 f7", "88 02 03 f8",
    "88 02 07 d0", "88 02 0b b7", "88 02 13 88", "88 02 ff ff", "88 04 03 ed 68 69", ["server", `88 82 ${KEY} 34 17`],
  ],
  MESSAGE_TOO_BIG: [
    "82 7e 03 e9", "81 7e ff ff", "82 7f 00*5 01 00 00", "02 7e 03 e8 61*1000 80 01", "02 7e 03 e8 61*1000 00 00 80 01",
    "02 01 61 89 00 80 7e 03 e8", ["deflate", "c2 7e 03 e9"], ["server", "82 fe 03 e9"],
    // Lengths of 2^53 and more are not safe integers, and RFC 6455 §5.2 requires the highest bit to be 0.
    "82 7f 7f ff*7", "82 7f ff*8", "82 7f 80 00*7",
    ["unlimited", "82 7f 00 20 00*6"], ["unlimited", "82 7f 80 00*7"], ["unlimited", "02 01 61 80 7f 00 1f ff*6"],
  ],
  INVALID_UTF8: [
    "81 01 80", "81 01 bf", "81 01 c2", "81 02 c0 80", "81 02 c1 bf", "81 03 e0 80 80", "81 03 e0 9f bf", "81 03 ed a0 80", "81 03 ed bf bf",
    "81 04 f0 8f bf bf", "81 04 f4 90 80 80", "81 01 f5", "81 01 ff", "81 02 61 c2", "81 02 e2 82", "81 03 f0 90 8d",
    "01 01 80", "01 01 c2 80 00", "01 01 c2 80 01 61", "01 01 61 00 01 ff", "01 02 f4 90", "01 7e 01 00 61 ff", "81 05 61 ff",
    // RFC 6455 §5.5.1: the reason must be valid UTF-8 too.
    "88 03 03 e8 ff", "88 04 03 e8 c2 41", "88 03 03 e8 c2",
    ["server", `81 82 ${KEY} f7 7a`], ["deflate", "81 01 ff"],
  ],
  INVALID_DEFLATE: [
    // These messages contain a block of the reserved type, a length that does not match its complement, or a distance
    // beyond the start of the window.
    ["deflate", "c1 01 07"], ["deflate", "c2 05 00 05 00 00 00"], ["deflate", "c1 03 02 13 00"], ["deflate", "41 00 80 01 ff"],
  ],
};
