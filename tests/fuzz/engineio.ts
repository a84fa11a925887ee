// Fuzzes packets and payloads of Engine.IO revisions 4 and 3, open packets, and query strings.

import assert from "node:assert/strict";

import fc from "fast-check";

import { admit, decodeOpen, parseQuery } from "../../protocol/engineio/handshake.ts";
import {
  decodeBinaryPayload,
  decodeTextPacket,
  encodeBinaryPayload,
  TextPayloads,
} from "../../protocol/engineio/legacy.ts";
import { decodePacket, encodePacket, type Packet } from "../../protocol/engineio/packet.ts";
import { decodePayload, encodePayload, SEPARATOR } from "../../protocol/engineio/payload.ts";
import { ProtocolError, RULES } from "../../protocol/engineio/rules.ts";
import { bytes } from "../support/split.ts";
import { BREACHES, OPENS, PACKETS, PAYLOADS, REQUESTS, SID } from "../vectors/engineio.ts";
import { BINARY_PAYLOADS, BREACHES_3, TEXT_PAYLOADS } from "../vectors/engineio-v3.ts";
import { hex, type Layer, Outcomes, pureLayer, showing } from "./layer.ts";

const outcomes = new Outcomes();

/** Returns the result of `read` as text, or the rule of its ProtocolError. Rethrows all other errors. */
function outcome(read: () => unknown): string {
  try {
    const result = JSON.stringify(read());
    outcomes.add("(read)");
    return result;
  } catch (error) {
    if (!(error instanceof ProtocolError && Object.hasOwn(RULES, error.rule))) throw error;
    outcomes.add(error.rule);
    return error.rule;
  }
}

const letters = fc.oneof(
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.string({
    unit: fc.constantFrom(...'0123456789bAQ+/=-_{}[]",:&%?\\\0\n é€\ufeff', SEPARATOR),
    maxLength: 30,
  }),
);

const packet: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(fc.constantFrom(..."0123456"), letters).map((each) => each.join("")),
  },
  {
    weight: 3,
    arbitrary: fc
      .uint8Array({ maxLength: 20 })
      .map((data) => `b${Buffer.from(data).toString("base64")}`),
  },
  { weight: 1, arbitrary: letters.map((each) => `b${each}`) },
  { weight: 1, arbitrary: letters },
);

const CORPUS: readonly string[] = [
  ...PACKETS.map(({ text }) => text),
  ...PAYLOADS.map(({ body }) => body),
  ...OPENS.map(({ data }) => data),
  ...REQUESTS.map(({ search }) => search),
  ...TEXT_PAYLOADS.map(([body]) => body),
  ...[...Object.values(BREACHES), ...Object.values(BREACHES_3)].flatMap((breaches) =>
    breaches.map(([, input]) => input),
  ),
].filter((text) => text.length < 2000);

/** A packet with a length prefix as in revision 3. Some lengths are wrong. */
const legacyPacket = fc
  .tuple(
    packet,
    fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: -2, max: 3 })),
  )
  .map(([text, off]) => `${text.length + off}:${text}`);

const body: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.array(packet, { maxLength: 6 }).map((all) => all.join(SEPARATOR)) },
  { weight: 4, arbitrary: fc.array(legacyPacket, { maxLength: 6 }).map((all) => all.join("")) },
  { weight: 2, arbitrary: fc.constantFrom(...CORPUS) },
);

/** Generates texts from `texts`, with up to two parts replaced by random letters. */
export function edited(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const edit = fc.tuple(fc.nat(1000), fc.nat(5), letters);
  const edits = fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.array(edit, { maxLength: 2 }),
  );
  return fc.tuple(texts, edits).map(([text, changes]) =>
    changes.reduce((given, [share, removed, put]) => {
      const at = Math.floor((share / 1000) * given.length);
      return given.slice(0, at) + put + given.slice(at + removed);
    }, text),
  );
}

/** Returns packets in their wire format: encoded text, or the bytes of a binary message. */
function encoded(packets: readonly Packet[]): (string | Uint8Array)[] {
  return packets.map(({ type, data }) =>
    typeof data === "string" ? encodePacket(type, data) : data,
  );
}

function examineText(text: string): void {
  const session = { transport: "polling", protocol: 4 } as const;
  const find = (sid: string): typeof session | undefined => (sid === SID ? session : undefined);
  const read = (upgrade: boolean): unknown =>
    admit(
      { method: "GET", query: parseQuery(text), upgrade },
      ["polling", "websocket"],
      [3, 4],
      find,
    );
  const ways: readonly (() => unknown)[] = [
    () => decodePacket(text),
    () => [...decodePayload(text)],
    () => decodeTextPacket(text),
    () => [...new TextPayloads().decode(text)],
    () => decodeOpen(text),
    () => read(false),
    () => read(true),
  ];
  for (const way of ways) assert.equal(outcome(way), outcome(way));
  if (outcome(() => [...decodePayload(text)]) in RULES) return;
  const packets = [...decodePayload(text)];
  assert.deepEqual([...decodePayload(encodePayload(encoded(packets)))], packets);
}

export const payloads: Layer = pureLayer(
  "polling payloads",
  3000,
  fc.property(edited(body), (text) =>
    showing(
      () => JSON.stringify(text),
      () => examineText(text),
    ),
  ),
  outcomes,
);

const item = fc
  .tuple(
    fc.oneof({ weight: 8, arbitrary: fc.constantFrom(0, 1) }, fc.nat(255)),
    fc.oneof(
      { weight: 6, arbitrary: packet.map((text) => new Uint8Array(Buffer.from(text))) },
      fc.uint8Array({ maxLength: 30 }),
    ),
    fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.integer({ min: -2, max: 3 })),
    fc.boolean(),
  )
  .map(([kind, data, off, message]) => {
    const content = kind === 1 && message ? Uint8Array.of(4, ...data) : data;
    const digits = Array.from(`${Math.max(0, content.length + off)}`, Number);
    return Uint8Array.of(kind, ...digits, 0xff, ...content);
  });
const binaryBody = fc
  .tuple(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc
          .array(item, { maxLength: 5 })
          .map((all) => new Uint8Array(Buffer.concat(all))),
      },
      { weight: 1, arbitrary: fc.constantFrom(...BINARY_PAYLOADS.map(([each]) => bytes(each))) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
    ),
    fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 1 }),
  )
  .map(([whole, changes]) => {
    const changed = new Uint8Array(whole);
    for (const [at, byte] of changes) if (at < changed.length) changed[at] = byte;
    return changed;
  });

/** Copies bytes into a plain array, because decoders may return views of different types. */
function plain({ type, data }: Packet): object {
  return { type, data: typeof data === "string" ? data : [...data] };
}

function examineBytes(whole: Uint8Array): void {
  const read = (): string => outcome(() => [...decodeBinaryPayload(new Uint8Array(whole))]);
  const first = read();
  assert.equal(read(), first);
  if (first in RULES) return;
  const packets = [...decodeBinaryPayload(whole)];
  if (packets.length === 0) return;
  const again = [...decodeBinaryPayload(encodeBinaryPayload(encoded(packets)))];
  assert.deepEqual(again.map(plain), packets.map(plain));
}

export const binaryPayloads: Layer = pureLayer(
  "binary payloads of revision 3",
  3000,
  fc.property(binaryBody, (whole) =>
    showing(
      () => hex(whole),
      () => examineBytes(whole),
    ),
  ),
  outcomes,
);
