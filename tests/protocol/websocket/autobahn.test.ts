// Tests an endpoint that echoes with the cases of the Autobahn test suite, sections 1 to 10, without sockets. Each case
// is split at every position, which includes Autobahn's variants "in frame-wise chops" and "in octet-wise chops".
// deflate-negotiation.test.ts negotiates the extensions of sections 12 and 13.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Station } from "../../support/endpoint.ts";
import { describeFrames, readFrames } from "../../support/frame.ts";
import { bytes, everySplit, inChunks } from "../../support/split.ts";
import {
  autobahnCases,
  BEYOND,
  CLOSED,
  Frames,
  KOSME,
  KUHN,
  NOT_UTF8,
  STAR,
} from "../../vectors/autobahn.ts";

const KEY = bytes("37 fa 21 3d");
const MAX_PAYLOAD = 16 * 1024 * 1024;
const { send, text, binary, ping, close, inFragments } = new Frames(KEY);
const BYE = close(1000);

describe("An Endpoint passes Autobahn's cases, split at every position:", () => {
  for (const { cases, does, sends, gives } of autobahnCases(new Frames(KEY))) {
    test(`${does} (Autobahn ${cases})`, () => {
      const input = Buffer.concat(sends);
      for (const chunks of [...everySplit(input), sends]) assert.deepEqual(converse(chunks), gives);
    });
  }
});

/** Sends `chunks` to an endpoint that echoes. Returns its frames, followed by "end" if it ends TCP. */
function converse(chunks: readonly Uint8Array[]): string[] {
  const server = echoServer();
  for (const chunk of chunks) server.receive(chunk);
  return sent(server);
}

function sent({ wire }: Station): string[] {
  const frames = describeFrames(wire.take());
  return wire.ended ? [...frames, "end"] : frames;
}

function echoServer(): Station {
  return new Station({ role: "server", maxPayload: MAX_PAYLOAD, deflate: false }, true);
}

describe("An Endpoint echoes messages of the sizes in Autobahn's section 1:", () => {
  const SIZES = [0, 125, 126, 127, 128, 65535, 65536, 65536] as const;
  for (const [i, size] of SIZES.entries()) {
    // Autobahn's last case repeats the previous case in chops, here of 997 bytes.
    const chopped = i === SIZES.length - 1;
    test(`RFC 6455 §5.2 a text of ${size} bytes${chopped ? ", chopped" : ""} (Autobahn 1.1.${i + 1})`, () => {
      checkEcho([text(STAR.repeat(size))], 1, STAR.repeat(size), chopped ? [997] : [1, 997]);
    });
    test(`RFC 6455 §5.2 a binary message of ${size} bytes${chopped ? ", chopped" : ""} (Autobahn 1.2.${i + 1})`, () => {
      const payload = new Uint8Array(size).fill(0xfe);
      checkEcho([binary(payload)], 2, payload, chopped ? [997] : [1, 997]);
    });
  }
});

/** Sends frames whole and in chops of these sizes, and asserts that the endpoint sends the same message back. */
function checkEcho(
  frames: readonly Uint8Array[],
  opcode: number,
  payload: Uint8Array | string,
  chops: readonly number[] = [],
): void {
  const input = Buffer.concat(frames);
  for (const chop of [Math.max(input.length, 1), ...chops]) {
    const server = echoServer();
    for (const chunk of inChunks(input, chop)) server.receive(chunk);
    const [echoed, ...others] = readFrames(server.wire.take());
    assert.equal(others.length, 0);
    assert.equal(echoed?.first, 0x80 | opcode);
    assert.equal(Buffer.compare(echoed.payload, Buffer.from(payload)), 0);
    server.receive(BYE);
    assert.deepEqual(sent(server), CLOSED);
  }
}

describe("An Endpoint checks Kuhn's strings, as in Autobahn's section 6:", () => {
  for (const [section, title, ...strings] of KUHN) {
    for (const [i, string] of strings.entries()) {
      const valid = string.startsWith("+");
      test(`RFC 6455 §8.1 ${title}: ${string.slice(1, 40)} is ${valid ? "valid" : "invalid"} (Autobahn ${section}.${i + 1})`, () => {
        const payload = bytes(string.slice(1));
        const gives = valid ? [`text ${Buffer.from(payload)}`.trimEnd(), ...CLOSED] : NOT_UTF8;
        const one = Buffer.concat([text(payload), BYE]);
        for (const chunks of everySplit(one)) {
          assert.deepEqual(
            converse(chunks).map((line) => line.trimEnd()),
            gives,
          );
        }
        for (const pieces of everySplit(payload)) {
          const frames = [...inFragments(pieces), BYE];
          assert.deepEqual(
            converse(frames).map((line) => line.trimEnd()),
            gives,
          );
        }
      });
    }
  }
});

describe("An Endpoint fails before the end of an invalid text, as in Autobahn's section 6.4:", () => {
  // The text is "κόσμε", a code point above U+10FFFF, and "edited". The byte at index 12 is the first invalid byte.
  const payload = Buffer.concat([Buffer.from(KOSME), BEYOND, Buffer.from("edited")]);
  const parts = {
    exactly: [payload.subarray(0, 12), payload.subarray(12, 13), payload.subarray(13)],
  };
  const loosely = [Buffer.from(KOSME), BEYOND, Buffer.from("edited")];

  function checkFailsAtTheSecond(chunks: readonly Uint8Array[]): void {
    const server = echoServer();
    const [first, second, third] = chunks;
    assert.ok(first && second && third);
    server.receive(first);
    assert.deepEqual(sent(server), []);
    server.receive(second);
    assert.deepEqual(sent(server), NOT_UTF8);
    server.receive(third);
    assert.deepEqual(sent(server), ["end"]);
  }

  test("RFC 6455 §8.1 in the second of three fragments (Autobahn 6.4.1)", () => {
    checkFailsAtTheSecond(inFragments(loosely));
  });

  test("RFC 6455 §8.1 in the fragment that has only the invalid byte (Autobahn 6.4.2)", () => {
    checkFailsAtTheSecond(inFragments(parts.exactly));
  });

  test("RFC 6455 §8.1 in the second of three chunks of one frame (Autobahn 6.4.3)", () => {
    const whole = text(payload);
    const start = whole.length - payload.length;
    checkFailsAtTheSecond([
      whole.subarray(0, start + 11),
      whole.subarray(start + 11, start + 15),
      whole.subarray(start + 15),
    ]);
  });

  test("RFC 6455 §8.1 in the chunk that has only the invalid byte (Autobahn 6.4.4)", () => {
    const whole = text(payload);
    const start = whole.length - payload.length;
    checkFailsAtTheSecond([
      whole.subarray(0, start + 12),
      whole.subarray(start + 12, start + 13),
      whole.subarray(start + 13),
    ]);
  });

  test("RFC 6455 §8.1 not at the byte before the invalid byte", () => {
    const whole = text(payload);
    const start = whole.length - payload.length;
    const server = echoServer();
    for (const chunk of inChunks(whole.subarray(0, start + 12), 1)) server.receive(chunk);
    assert.deepEqual(sent(server), []);
    server.receive(whole.subarray(start + 12, start + 13));
    assert.deepEqual(sent(server), NOT_UTF8);
  });
});

describe("An Endpoint closes after a large message, as in Autobahn's section 7.1.6:", () => {
  test("RFC 6455 §5.5.1 256 KiB and the close frame are answered, but not the ping after the close frame (Autobahn 7.1.6)", () => {
    const payload = "BAsd7&jh23".repeat(26214);
    const input = Buffer.concat([text(payload), BYE, ping("too late")]);
    for (const chop of [input.length, 1024, 65536, 262_156]) {
      assert.deepEqual(converse(inChunks(input, chop)), [`text ${payload}`, ...CLOSED]);
    }
  });
});

describe("An Endpoint echoes large messages and many messages, as in Autobahn's section 9:", () => {
  const KIB = 1024;
  const MIB = 1024 * KIB;

  for (const [i, size] of [64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB].entries()) {
    test(`RFC 6455 §5.2 a text of ${size / KIB} KiB (Autobahn 9.1.${i + 1})`, () => {
      const payload = Buffer.alloc(size, "BAsd7&jh23");
      checkEcho([text(payload)], 1, payload, [65536]);
    });
    test(`RFC 6455 §5.2 a binary message of ${size / KIB} KiB (Autobahn 9.2.${i + 1})`, () => {
      const payload = Buffer.alloc(size, bytes("00 fe 23 fa f0"));
      checkEcho([binary(payload)], 2, payload, [65536]);
    });
  }

  for (const [i, size] of [
    64,
    256,
    KIB,
    4 * KIB,
    16 * KIB,
    64 * KIB,
    256 * KIB,
    MIB,
    4 * MIB,
  ].entries()) {
    test(`RFC 6455 §5.4 4 MiB of text in fragments of ${size} bytes (Autobahn 9.3.${i + 1})`, () => {
      const payload = Buffer.alloc(4 * MIB, "BAsd7&jh23");
      checkEcho(inFragments(inChunks(payload, size)), 1, payload, [65536]);
    });
    test(`RFC 6455 §5.4 4 MiB of binary data in fragments of ${size} bytes (Autobahn 9.4.${i + 1})`, () => {
      const payload = Buffer.alloc(4 * MIB, bytes("00 fe 23 fa f0"));
      const frames = inChunks(payload, size).map((piece, n, all) =>
        send(n === 0 ? 2 : 0, piece, { fin: n === all.length - 1 }),
      );
      checkEcho(frames, 2, payload, [65536]);
    });
  }

  for (const [i, chop] of [64, 128, 256, 512, KIB, 2 * KIB].entries()) {
    test(`RFC 6455 §5.2 1 MiB of text in chunks of ${chop} bytes (Autobahn 9.5.${i + 1})`, () => {
      const payload = Buffer.alloc(MIB, "BAsd7&jh23");
      checkEcho([text(payload)], 1, payload, [chop]);
    });
    test(`RFC 6455 §5.2 1 MiB of binary data in chunks of ${chop} bytes (Autobahn 9.6.${i + 1})`, () => {
      const payload = Buffer.alloc(MIB, bytes("00 fe 23 fa f0"));
      checkEcho([binary(payload)], 2, payload, [chop]);
    });
  }

  for (const [i, size] of [0, 16, 64, 256, 1024, 4096].entries()) {
    for (const [section, opcode] of [
      ["9.7", 1],
      ["9.8", 2],
    ] as const) {
      test(`RFC 6455 §6.2 1000 messages of ${size} bytes, each echoed (Autobahn ${section}.${i + 1})`, () => {
        const payload = Buffer.alloc(size, "BAsd7&jh23");
        const message = send(opcode, payload);
        const server = echoServer();
        for (let n = 0; n < 1000; n++) {
          server.receive(message);
          const [echoed, ...others] = readFrames(server.wire.take());
          assert.equal(others.length, 0);
          assert.equal(echoed?.first, 0x80 | opcode);
          assert.equal(Buffer.compare(echoed.payload, payload), 0);
        }
      });
    }
  }
});

describe("An Endpoint echoes a fragmented message, as in Autobahn's section 10:", () => {
  test("RFC 6455 §5.4 64 KiB of text in fragments of 1300 bytes (Autobahn 10.1.1)", () => {
    const payload = STAR.repeat(65536);
    checkEcho(inFragments(inChunks(Buffer.from(payload), 1300)), 1, payload, [1, 1300, 65536]);
  });
});
