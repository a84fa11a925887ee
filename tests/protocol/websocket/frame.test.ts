// Tests the encoding of frames: RFC 6455 §5.2, §11.8.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  BINARY,
  CLOSE,
  CONTINUATION,
  encodeFrame,
  encodeTextFrame,
  FIN,
  headerLength,
  isControl,
  isReserved,
  PING,
  PONG,
  RSV1,
  TEXT,
  writeHeader,
} from "../../../protocol/websocket/frame.ts";
import { frame, readFrames } from "../../support/frame.ts";
import { Random, seed } from "../../support/random.ts";
import { bytes } from "../../support/split.ts";

const KEY = bytes("37 fa 21 3d");
const fill = (key: Uint8Array): void => key.set(KEY);

describe("opcodes", () => {
  test("RFC 6455 §11.8 have the numbers of the IANA registry", () => {
    assert.deepEqual([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG], [0, 1, 2, 8, 9, 10]);
  });

  test("RFC 6455 §5.2 3 to 7 and 11 to 15 are reserved; RFC 6455 §5.5 8 to 15 are for control frames", () => {
    const all = Array.from({ length: 16 }, (_, opcode) => opcode);
    assert.deepEqual(all.filter(isReserved), [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]);
    assert.deepEqual(all.filter(isControl), [8, 9, 10, 11, 12, 13, 14, 15]);
  });
});

// biome-ignore format: aligned table
const EXAMPLES: readonly { does: string; frame: Uint8Array; is: string }[] = [
  { does: "RFC 6455 §5.7 a frame has the bytes of the RFC's unmasked text message", frame: encodeTextFrame("Hello"), is: "81 05 48 65 6c 6c 6f" },
  { does: "RFC 6455 §5.7 a frame has the bytes of the RFC's masked text message", frame: encodeTextFrame("Hello", fill), is: "81 85 37 fa 21 3d 7f 9f 4d 51 58" },
  { does: "RFC 6455 §5.7 a frame has the bytes of the RFC's unmasked ping", frame: encodeFrame(FIN | PING, Buffer.from("Hello")), is: "89 05 48 65 6c 6c 6f" },
  { does: "RFC 6455 §5.7 a frame has the bytes of the RFC's masked pong", frame: encodeFrame(FIN | PONG, Buffer.from("Hello"), fill), is: "8a 85 37 fa 21 3d 7f 9f 4d 51 58" },
  { does: "RFC 6455 §5.7 a frame has a 16-bit length for 256 bytes", frame: encodeFrame(FIN | BINARY, bytes("61*256")), is: "82 7e 01 00 61*256" },
  { does: "RFC 6455 §5.7 a frame has a 64-bit length for 64 KiB", frame: encodeFrame(FIN | BINARY, bytes("61*65536")), is: "82 7f 00 00 00 00 00 01 00 00 61*65536" },
  { does: "RFC 6455 §5.2 a frame has the length 0 for an empty message", frame: encodeFrame(FIN | BINARY, bytes("")), is: "82 00" },
  { does: "RFC 6455 §5.2 a frame has the length 0 for an empty text", frame: encodeTextFrame(""), is: "81 00" },
  { does: "RFC 6455 §5.3 a masked frame has a key even if its text is empty", frame: encodeTextFrame("", fill), is: "81 80 37 fa 21 3d" },
  { does: "RFC 6455 §5.2 a frame has a 7-bit length for 125 bytes", frame: encodeFrame(FIN | BINARY, bytes("61*125")), is: "82 7d 61*125" },
  { does: "RFC 6455 §5.2 a frame has a 16-bit length for 126 bytes", frame: encodeFrame(FIN | BINARY, bytes("61*126")), is: "82 7e 00 7e 61*126" },
  { does: "RFC 6455 §5.2 a frame has a 16-bit length for 65535 bytes", frame: encodeFrame(FIN | BINARY, bytes("61*65535")), is: "82 7e ff ff 61*65535" },
  { does: "RFC 6455 §5.2 a frame has a 7-bit length for a text of 125 bytes", frame: encodeTextFrame("a".repeat(125)), is: "81 7d 61*125" },
  { does: "RFC 6455 §5.2 a frame has the length of a text in bytes, not in characters", frame: encodeTextFrame("€".repeat(42)), is: `81 7e 00 7e ${"e2 82 ac ".repeat(42)}` },
  { does: "RFC 6455 §5.2 a frame has a 64-bit length for a text of 65536 bytes", frame: encodeTextFrame("a".repeat(65536)), is: "81 7f 00 00 00 00 00 01 00 00 61*65536" },
  { does: "RFC 6455 §5.4 a frame has no FIN if it is a fragment", frame: encodeFrame(BINARY, bytes("61")), is: "02 01 61" },
  { does: "RFC 7692 §7.2.3.1 a frame has RSV1 if its message is compressed", frame: encodeFrame(FIN | RSV1 | TEXT, bytes("f2 48 cd c9 c9 07 00")), is: "c1 07 f2 48 cd c9 c9 07 00" },
];

describe("a frame", () => {
  for (const { does, frame, is } of EXAMPLES) {
    test(does, () => {
      const expected = bytes(is);
      const start = (all: Uint8Array): string => Buffer.from(all.subarray(0, 20)).toString("hex");
      assert.equal(start(frame), start(expected));
      // deepEqual() would take minutes to report the difference between long frames.
      assert.equal(Buffer.compare(frame, expected), 0);
    });
  }

  test("RFC 6455 §5.3 is masked with a new key, without changing the caller's bytes", () => {
    const payload = Buffer.from("unharmed");
    let asked = 0;
    const counting = (key: Uint8Array): void => {
      assert.equal(key.length, 4);
      key.fill(++asked);
    };
    const frames = [encodeFrame(FIN | TEXT, payload, counting), encodeTextFrame("x", counting)];
    assert.equal(payload.toString(), "unharmed");
    assert.equal(asked, 2);
    assert.deepEqual(
      frames.flatMap(readFrames).map(({ masked, payload }) => `${masked} ${payload}`),
      ["true unharmed", "true x"],
    );
  });

  test("has a copy of the payload", () => {
    const payload = Buffer.from("before");
    const frame = encodeFrame(FIN | TEXT, payload);
    payload.fill(0);
    assert.equal(`${readFrames(frame)[0]?.payload}`, "before");
  });

  test("has U+FFFD in place of a lone surrogate, and the right length", () => {
    for (const text of ["\ud800", "a\udfffb", "\udc00\ud800", `${"a".repeat(123)}\ud83d`]) {
      const [read, ...more] = readFrames(encodeTextFrame(text));
      assert.equal(`${read?.payload}`, text.replace(/\p{Surrogate}/gu, "\ufffd"));
      assert.equal(more.length, 0);
    }
  });

  test(`has the layout that the RFC defines, for random sizes (SEED=${seed})`, () => {
    const random = new Random(seed);
    for (let round = 0; round < 1000; round++) {
      const opcode = random.pick([TEXT, BINARY, PING, PONG, CLOSE]);
      const payload = random.bytes(random.int(random.pick([10, 130, 1000])));
      const key = random.bytes(4);
      const unmasked = encodeFrame(FIN | opcode, payload);
      assert.equal(Buffer.compare(unmasked, frame(opcode, payload)), 0);
      const masked = encodeFrame(FIN | opcode, payload, (k) => k.set(key));
      assert.equal(Buffer.compare(masked, frame(opcode, payload, { key })), 0);
    }
  });

  test("RFC 6455 §5.2 has a header of 10 bytes for payloads of 64 KiB to 2^53 bytes", () => {
    assert.deepEqual(
      [0, 125, 126, 65535, 65536, 2 ** 32, 2 ** 53 - 1].map(headerLength),
      [2, 2, 4, 4, 10, 10, 10],
    );
  });

  for (const { length, is } of [
    { length: 0x0123_4567, is: "82 7f 00 00 00 00 01 23 45 67" },
    { length: 0xfedc_ba98, is: "82 7f 00 00 00 00 fe dc ba 98" },
    { length: 2 ** 32, is: "82 7f 00 00 00 01 00 00 00 00" },
    { length: 2 ** 53 - 1, is: "82 7f 00 1f ff ff ff ff ff ff" },
  ]) {
    test(`RFC 6455 §5.2 has a length of ${length} in eight bytes, and no byte after them`, () => {
      const header = new Uint8Array(12).fill(0xaa);
      writeHeader(header, FIN | BINARY, length, false);
      assert.deepEqual(header, bytes(`${is} aa aa`));
    });
  }
});
