// Both codecs against those of socket.io, in this process: a text event and one with bytes, from the
// program's values to what goes over the wire, and back.

import { decodePacket as decodeTheirs, encodePacket as encodeTheirs } from "engine.io-parser";
import { Decoder as TheirDecoder, Encoder as TheirEncoder } from "socket.io-parser";

import { decodePacket, encodePacket, MESSAGE } from "../protocol/engineio.ts";
import { Decoder, EVENT, encode, type Packet } from "../protocol/socketio.ts";
import type { Single } from "./singles.ts";
import { median } from "./table.ts";

const TEXT = ["chat", "hello, world", { room: "lobby", at: 1234567890, tags: ["a", "b"] }] as const;
const BYTES = ["image", { name: "a.png", bytes: Buffer.alloc(1024, 7) }] as const;

let sink: unknown;

function oursThere(data: typeof TEXT | typeof BYTES): void {
  const packet: Packet = { type: EVENT, namespace: "/", data };
  const { text, attachments } = encode(packet);
  encodePacket(MESSAGE, text);
  sink = attachments;
}

const decoder = new Decoder({ maxAttachments: 10 });

function oursBack(text: string, attachments: readonly Buffer[]): void {
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

function theirsThere(type: number, data: typeof TEXT | typeof BYTES): void {
  for (const data_ of theirEncoder.encode({ type, nsp: "/", data })) {
    encodeTheirs({ type: "message", data: data_ }, true, (encoded) => {
      sink = encoded;
    });
  }
}

function theirsBack(text: string, attachments: readonly Buffer[]): void {
  theirDecoder.add(decodeTheirs(text, "nodebuffer").data);
  for (const attachment of attachments) {
    theirDecoder.add(decodeTheirs(attachment, "nodebuffer").data);
  }
}

/** Nanoseconds for one call. */
function time(work: () => void, count = 100_000): number {
  const begin = process.hrtime.bigint();
  for (let n = 0; n < count; n++) work();
  return Number(process.hrtime.bigint() - begin) / count;
}

export function measureCodecs(rounds: number): Single[] {
  const attachments = [BYTES[1].bytes];
  const text = `42${JSON.stringify(TEXT)}`;
  const binary = '451-["image",{"name":"a.png","bytes":{"_placeholder":true,"num":0}}]';
  const cases = [
    ["text event, encoded", 0.5, () => oursThere(TEXT), () => theirsThere(EVENT, TEXT)],
    ["text event, decoded", 0.5, () => oursBack(text, []), () => theirsBack(text, [])],
    ["binary event, encoded", 0.67, () => oursThere(BYTES), () => theirsThere(EVENT, BYTES)],
    [
      "binary event, decoded",
      0.67,
      () => oursBack(binary, attachments),
      () => theirsBack(binary, attachments),
    ],
  ] as const;
  const results = cases.map(([title, limit, ours, theirs]) => {
    const figures: [number[], number[]] = [[], []];
    time(ours);
    time(theirs);
    for (let n = 0; n < rounds * 3; n++) {
      figures[0].push(time(ours));
      figures[1].push(time(theirs));
    }
    const [we, they] = [median(figures[0]), median(figures[1])];
    const measured = `${we.toFixed(0)} ns, oracles ${they.toFixed(0)} ns`;
    return { name: "codecs", title, measured, is: we / they, limit };
  });
  if (sink === undefined) throw new Error("nothing was done");
  return results;
}
