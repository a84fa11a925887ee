// Fuzzes Socket.IO packets, as JSON with attachments and as MessagePack.

import assert from "node:assert/strict";

import fc from "fast-check";

import type { Bytes } from "../../protocol/bytes.ts";
import { SERVER_LIMITS } from "../../protocol/socketio/check.ts";
import { Decoder } from "../../protocol/socketio/decoder.ts";
import { encode } from "../../protocol/socketio/encoder.ts";
import * as messagepack from "../../protocol/socketio/messagepack.ts";
import {
  Decoder as PackDecoder,
  Encoder as PackEncoder,
} from "../../protocol/socketio/msgpack-parser.ts";
import { CONNECT_ERROR, EVENT, type Packet } from "../../protocol/socketio/packet.ts";
import type { ParserPacket } from "../../protocol/socketio/parser.ts";
import { ProtocolError, RULES } from "../../protocol/socketio/rules.ts";
import { bytes } from "../support/split.ts";
import { BREACHES, MAX_ATTACHMENTS, PACKETS, TOLERATED } from "../vectors/socketio.ts";
import { edited } from "./engineio.ts";
import { hex, type Layer, Outcomes, pureLayer, showing } from "./layer.ts";

type Message = string | Bytes;

/** Keys and values that are known to break parsers. */
const key = fc.constantFrom(
  "__proto__",
  "constructor",
  "toString",
  "_placeholder",
  "num",
  "length",
  "toJSON",
  "then",
  "",
  "a",
);
const { json } = fc.letrec<{ json: unknown; leaf: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.string({ unit: "binary", maxLength: 12 }),
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom<unknown>(null, "__proto__", 2 ** 53, -0, Number.POSITIVE_INFINITY),
    fc.nat(12).map((num) => ({ _placeholder: true, num })),
  ),
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("json"), { maxLength: 4 }),
    // Object.fromEntries() builds the object, so that "__proto__" is an ordinary property.
    fc
      .array(fc.tuple(key, tie("json")), { maxLength: 4 })
      .map((fields) => Object.fromEntries(fields)),
  ),
}));

/** Nested arrays and objects, with depths around the limits of the client and the server. */
const deep = fc
  .tuple(
    fc.oneof(fc.constantFrom(498, 499, 500, 501, 998, 999, 1000, 1001), fc.nat(1200)),
    fc.constantFrom<readonly [string, string]>(["[", "]"], ['{"a":', "}"]),
  )
  .map(([depth, [open, close]]) => `${open.repeat(depth)}0${close.repeat(depth)}`);

const eventName = fc.constantFrom("echo", "room", "connect", "disconnect", "", "__proto__");
const payload = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(eventName, fc.array(json, { maxLength: 4 }))
      .map(([name, args]) => JSON.stringify([name, ...args])),
  },
  { weight: 2, arbitrary: json.map((each) => JSON.stringify(each) ?? "") },
  { weight: 1, arbitrary: deep.map((each) => `["echo",${each}]`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", '["echo",', "{}", "[]", '{"sid":"a"}', '{"message":"no"}'),
  },
);

/** Generates the text of a packet from random parts. Some parts are invalid. */
export const packetText: fc.Arbitrary<string> = fc
  .tuple(
    fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(..."0123456") },
      fc.constantFrom("7", "", "a"),
    ),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant("") },
      { weight: 4, arbitrary: fc.nat(11).map((count) => `${count}-`) },
      fc.constantFrom("-", "01-", "1e1-", "99999999999999999999-"),
    ),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant("") },
      fc.constantFrom("/,", "/admin,", "/admin?a=b,", "/__proto__,", "/a", "/\n,"),
    ),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant("") },
      { weight: 2, arbitrary: fc.nat(20).map(String) },
      fc.constantFrom("9007199254740993", "01", "1e3"),
    ),
    payload,
  )
  .map((parts) => parts.join(""));

const CORPUS: readonly (readonly Message[])[] = [
  ...[...PACKETS, ...TOLERATED].map(({ text, attachments = [] }) => [
    text,
    ...attachments.map(bytes),
  ]),
  ...Object.values(BREACHES).flatMap((breaches) =>
    breaches.map((breach) => (typeof breach === "string" ? [breach] : breach)),
  ),
].filter((messages) => messages.length < 20);

const conversation: fc.Arbitrary<readonly Message[]> = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: edited(packetText).map((text) => [text]) },
      {
        weight: 3,
        arbitrary: fc
          .tuple(edited(packetText), fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 4 }))
          .map(([text, all]) => [text, ...all]),
      },
      { weight: 2, arbitrary: fc.constantFrom(...CORPUS) },
      { weight: 1, arbitrary: deep.map((each) => [`2["echo",${each}]`]) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 8 }).map((each) => [each]) },
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((all) => all.flat());

const outcomes = new Outcomes();

/** Adds each message to one decoder. After an error the decoder must store nothing. */
function decodeAll(messages: readonly Message[], onPacket: (packet: Packet) => void): string[] {
  const decoder = new Decoder({ maxAttachments: MAX_ATTACHMENTS });
  return messages.map((message) => {
    try {
      const packet = decoder.add(message);
      assert.ok(decoder.pending <= MAX_ATTACHMENTS);
      if (packet === undefined) return "(more)";
      outcomes.add("(packet)");
      assert.equal(decoder.pending, 0);
      onPacket(packet);
      return JSON.stringify(packet);
    } catch (error) {
      if (!(error instanceof ProtocolError && Object.hasOwn(RULES, error.rule))) throw error;
      assert.equal(decoder.pending, 0);
      outcomes.add(error.rule);
      return error.rule;
    }
  });
}

/**
 * Asserts that a server can put the data of an accepted packet into another array and encode it, and that clients
 * accept the result. Otherwise a client whose packets the server relays could disconnect the other clients.
 */
function relay(packet: Packet): void {
  if (packet.type !== EVENT) return;
  const { namespace } = packet;
  const messages = encode({
    type: EVENT,
    namespace,
    data: ["relayed", packet.data],
    id: undefined,
  });
  const decoder = new Decoder({ maxAttachments: 1000, limits: SERVER_LIMITS });
  let relayed: Packet | undefined;
  for (const message of [messages.text, ...messages.attachments]) relayed = decoder.add(message);
  assert.equal(relayed?.type, EVENT);
}

function isPlaceholderText(messages: readonly Message[]): boolean {
  return messages.some((each) => typeof each === "string" && each.includes("_placeholder"));
}

export const packets: Layer = pureLayer(
  "JSON packets",
  2000,
  fc.property(conversation, (messages) =>
    showing(
      () => JSON.stringify(messages.map((each) => (typeof each === "string" ? each : hex(each)))),
      () => {
        // A packet with an object that looks like a placeholder is not relayed: if the packet also has attachments, a
        // decoder cannot distinguish the object from a placeholder.
        const relayable = !isPlaceholderText(messages);
        const first = decodeAll(messages, relayable ? relay : () => {});
        assert.deepEqual(
          decodeAll(messages, () => {}),
          first,
        );
      },
    ),
  ),
  outcomes,
);

// MessagePack: values in any valid encoding, and invalid bytes.

/**
 * One MessagePack item: a head, which contains the type and the length, and the content. The head does not always match
 * the content.
 */
const { item } = fc.letrec<{ item: readonly number[] }>((tie) => ({
  item: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.nat(255).map((byte) => [byte]),
    fc.string({ maxLength: 10 }).map((each) => [0xa0 | each.length, ...Buffer.from(each)]),
    fc.uint8Array({ maxLength: 6 }).map((each) => [0xc4, each.length, ...each]),
    fc
      .tuple(fc.nat(255), fc.uint8Array({ maxLength: 16 }))
      .map(([kind, each]) => [0xc7, each.length, kind, ...each]),
    fc
      .tuple(
        fc.constantFrom(
          0xca,
          0xcb,
          0xcc,
          0xcd,
          0xce,
          0xcf,
          0xd0,
          0xd1,
          0xd2,
          0xd3,
          0xd4,
          0xd5,
          0xd6,
          0xd7,
          0xd8,
        ),
        fc.uint8Array({ minLength: 1, maxLength: 17 }),
      )
      .map(([head, each]) => [head, ...each]),
    fc
      .tuple(
        fc.constantFrom(0xdc, 0xdd, 0xde, 0xdf, 0xd9, 0xda, 0xdb, 0xc5, 0xc6, 0xc8, 0xc9),
        fc.uint8Array({ minLength: 1, maxLength: 5 }),
      )
      .map(([head, each]) => [head, ...each]),
    fc.array(tie("item"), { maxLength: 4 }).map((all) => [0x90 | all.length, ...all.flat()]),
    fc
      .array(fc.tuple(tie("item"), tie("item")), { maxLength: 3 })
      .map((all) => [0x80 | all.length, ...all.flat(2)]),
    fc
      .constantFrom(495, 499, 500, 999, 1001, 1100)
      .map((depth) => [...Array<number>(depth).fill(0x91), 0xc0]),
  ),
}));

const text = (each: string): readonly number[] => [0xa0 | each.length, ...Buffer.from(each)];
const eventData = fc
  .array(item, { maxLength: 3 })
  .map((all) => [0x91 + all.length, ...text("echo"), ...all.flat()]);

/** A MessagePack map with the fields of a packet, or random items and bytes. */
const packed: fc.Arbitrary<Uint8Array> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.oneof({ weight: 5, arbitrary: fc.nat(6).map((each) => [each]) }, item),
        fc.oneof({ weight: 5, arbitrary: fc.constantFrom("/", "/admin", "x").map(text) }, item),
        fc.oneof({ weight: 3, arbitrary: eventData }, item),
        fc.oneof(
          { weight: 3, arbitrary: fc.constant([0xc0]) },
          fc.nat(127).map((each) => [each]),
          item,
        ),
      )
      .map(([type, nsp, data, id]) =>
        Uint8Array.from([
          0x84,
          ...text("type"),
          ...type,
          ...text("nsp"),
          ...nsp,
          ...text("data"),
          ...data,
          ...text("id"),
          ...id,
        ]),
      ),
  },
  { weight: 2, arbitrary: item.map((each) => Uint8Array.from(each)) },
  {
    weight: 2,
    arbitrary: fc.array(json, { maxLength: 3 }).map((args) => {
      const [message] = new PackEncoder().encode({
        type: EVENT,
        nsp: "/",
        data: ["echo", ...args],
      });
      return new Uint8Array(message ?? []);
    }),
  },
);
const changed = fc
  .tuple(
    packed,
    fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 2 }),
    ),
  )
  .map(([whole, changes]) => {
    const copy = new Uint8Array(whole);
    for (const [at, byte] of changes) if (at < copy.length) copy[at] = byte;
    return copy;
  });

const packOutcomes = new Outcomes();

function examinePacked(whole: Uint8Array): void {
  const read = (): ParserPacket | string => {
    let packet: ParserPacket | undefined;
    try {
      new PackDecoder()
        .on("decoded", (each) => {
          packet = each;
        })
        .add(new Uint8Array(whole));
    } catch (error) {
      if (!(error instanceof ProtocolError && Object.hasOwn(RULES, error.rule))) throw error;
      return error.rule;
    }
    assert.ok(packet !== undefined);
    return packet;
  };
  const first = read();
  packOutcomes.add(typeof first === "string" ? first : "(packet)");
  if (typeof first === "string") {
    assert.equal(read(), first);
    return;
  }
  // A decoded packet can be encoded again with the same meaning. CONNECT_ERROR is an exception: the decoder puts a
  // payload without a message inside another object.
  if (first.type === CONNECT_ERROR) return;
  const [again = new Uint8Array()] = new PackEncoder().encode(first);
  const { type, nsp, data, id } = first;
  assert.deepEqual(
    messagepack.decode(again),
    messagepack.decode(messagepack.encode({ type, nsp, data, id })),
  );
  new PackDecoder().add(again);
}

export const messagePack: Layer = pureLayer(
  "MessagePack packets",
  2000,
  fc.property(changed, (whole) =>
    showing(
      () => hex(whole),
      () => examinePacked(whole),
    ),
  ),
  packOutcomes,
);
