// Compares our codecs with those of socket.io, in this process. Each codec encodes an event as Engine.IO packets (a
// string and bytes), and decodes these packets. All codecs use V8's JSON, so the time of JSON alone is measured too. No
// codec can be faster than JSON alone.

import { decodePacket as decodeTheirs, encodePacket as encodeTheirs } from "engine.io-parser";
import { Decoder as TheirDecoder, Encoder as TheirEncoder } from "socket.io-parser";

import { decodePacket, encodePacket, MESSAGE } from "../protocol/engineio.ts";
import { Decoder, EVENT, type EventData, encode, type Packet } from "../protocol/socketio.ts";
import type { Single } from "./singles.ts";
import { median } from "./table.ts";

interface Event {
  readonly what: string;
  readonly data: EventData;
  /** The goal: the largest acceptable ratio to the time of socket.io's codecs. */
  readonly limit: number;
}

const MESSAGES = Array.from({ length: 20 }, (_, id) => ({
  id,
  from: "alice",
  text: "Hello! Is this the room where it is discussed?",
  at: 1732569600000 + id,
}));

const EVENTS: readonly Event[] = [
  {
    what: "text event",
    data: ["chat", "hello, world", { room: "lobby", at: 1234567890, tags: ["a", "b"] }],
    limit: 0.5,
  },
  { what: "echo of 32 bytes", data: ["echo", "x".repeat(32)], limit: 0.5 },
  { what: "chat message", data: ["chat message", MESSAGES[0]], limit: 0.5 },
  { what: "history of 20 messages", data: ["history", MESSAGES], limit: 0.5 },
  {
    what: "binary event",
    data: ["image", { name: "a.png", bytes: Buffer.alloc(1024, 7) }],
    limit: 0.67,
  },
  { what: "bytes alone", data: ["frame", Buffer.alloc(1024, 7)], limit: 0.67 },
];

let sink: unknown;

function oursThere(data: EventData): void {
  const packet: Packet = { type: EVENT, namespace: "/", data };
  const { text, attachments } = encode(packet);
  sink = encodePacket(MESSAGE, text);
  for (const attachment of attachments) sink = attachment;
}

const decoder = new Decoder({ maxAttachments: 10 });

function oursBack(text: string, attachments: readonly Uint8Array[]): void {
  const packet = decodePacket(text);
  if (typeof packet.data !== "string") return;
  sink = decoder.add(packet.data);
  for (const attachment of attachments) sink = decoder.add(attachment);
}

const theirEncoder = new TheirEncoder();
const theirDecoder = new TheirDecoder();
theirDecoder.on("decoded", (packet) => {
  sink = packet;
});

function keep(encoded: unknown): void {
  sink = encoded;
}

function theirsThere(data: EventData): void {
  for (const message of theirEncoder.encode({ type: EVENT, nsp: "/", data })) {
    encodeTheirs({ type: "message", data: message }, true, keep);
  }
}

function theirsBack(text: string, attachments: readonly Uint8Array[]): void {
  theirDecoder.add(decodeTheirs(text, "nodebuffer").data);
  for (const attachment of attachments) {
    theirDecoder.add(decodeTheirs(attachment, "nodebuffer").data);
  }
}

/** Returns how long one call of `work` takes, in nanoseconds. */
function time(work: () => void, count: number): number {
  const begin = process.hrtime.bigint();
  for (let n = 0; n < count; n++) work();
  return Number(process.hrtime.bigint() - begin) / count;
}

/** Encodes or decodes one event in three ways: with our codec, with socket.io's codec, and with JSON alone. */
interface Work {
  readonly title: string;
  readonly limit: number;
  readonly ways: readonly [ours: () => void, theirs: () => void, json: () => void];
}

function worksOf({ what, data, limit }: Event): Work[] {
  const { text, attachments } = encode({ type: EVENT, namespace: "/", data });
  const json = text.slice(text.indexOf("["));
  const encoded = encodePacket(MESSAGE, text);
  const withoutBytes: unknown = attachments.length === 0 ? data : JSON.parse(json);
  const stringify = (): void => {
    sink = JSON.stringify(withoutBytes);
  };
  const parse = (): void => {
    sink = JSON.parse(json);
  };
  return [
    {
      title: `${what}, encoded`,
      limit,
      ways: [() => oursThere(data), () => theirsThere(data), stringify],
    },
    {
      title: `${what}, decoded`,
      limit,
      ways: [() => oursBack(encoded, attachments), () => theirsBack(encoded, attachments), parse],
    },
  ];
}

/**
 * How long one measurement of the slowest codec takes, in nanoseconds. The measurements are short and alternate, so that
 * other work of the machine affects all three codecs equally.
 */
const SLICE = 4_000_000;

function compare({ title, limit, ways }: Work, rounds: number): Single {
  const count = Math.ceil(SLICE / Math.max(...ways.map((way) => time(way, 2000))));
  const figures: number[][] = ways.map(() => []);
  for (let round = 0; round < rounds * 20; round++) {
    for (const [i, way] of ways.entries()) figures[i]?.push(time(way, count));
  }
  const [ours = 0, theirs = 0, json = 0] = figures.map(median);
  const floor = `JSON alone ${json.toFixed(0)} ns (${(json / theirs).toFixed(2)})`;
  const measured = `${ours.toFixed(0)} ns, oracles ${theirs.toFixed(0)} ns, ${floor}`;
  return { name: "codecs", title, measured, is: ours / theirs, limit };
}

export function measureCodecs(rounds: number): Single[] {
  const works = EVENTS.flatMap(worksOf);
  // Every case runs once before the measurement, so that V8 has seen objects of all shapes, as in a real server.
  // Otherwise V8 would optimize the code for the objects of the first case only, and this case would have an advantage.
  for (let n = 0; n < 20; n++) {
    for (const { ways } of works) for (const way of ways) time(way, 1000);
  }
  const results = works.map((work) => compare(work, rounds));
  if (sink === undefined) throw new Error("the codecs have produced nothing");
  return results;
}
