// Fuzzes a Receiver, an Endpoint and the opening handshake with bytes and frames. RFC 6455 §4, §5, §7.

import assert from "node:assert/strict";
import { deflateRawSync } from "node:zlib";

import fc from "fast-check";

import type { DeflatePreferences } from "../../protocol/websocket/deflate-negotiation.ts";
import {
  decideHandshake,
  HANDSHAKE_RULES,
  judgeHandshake,
} from "../../protocol/websocket/handshake.ts";
import { RULES } from "../../protocol/websocket/rules.ts";
import { receive, Station } from "../support/endpoint.ts";
import { bytes, inChunks } from "../support/split.ts";
import { BREACHES, FRAMES, PROFILES, type Profile } from "../vectors/frames.ts";
import { hex, type Layer, Outcomes, pureLayer, showing } from "./layer.ts";

/** A frame with any header bits, any form of the length, and a length that may not match the payload. */
interface Frame {
  readonly fin: boolean;
  readonly rsv: number;
  readonly opcode: number;
  readonly key: Uint8Array | undefined;
  /** The number of bytes of the extended length. 0 stands for the shortest form. */
  readonly form: 0 | 2 | 8;
  /** By how many bytes the length exceeds the payload. */
  readonly beyond: number;
  readonly payload: Uint8Array;
}

const deflated = fc
  .uint8Array({ maxLength: 80 })
  .map((data) => new Uint8Array(deflateRawSync(data).subarray(0, -1)));
const text = fc
  .string({ unit: "binary", maxLength: 60 })
  .map((each) => new Uint8Array(Buffer.from(each)));
const closing = fc
  .tuple(fc.oneof(fc.integer({ min: 990, max: 1020 }), fc.nat(0xffff)), text)
  .map(([code, reason]) => Uint8Array.of(code >> 8, code & 0xff, ...reason));

export const payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: text },
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 140 }) },
  { weight: 2, arbitrary: closing },
  { weight: 2, arbitrary: deflated },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 120, max: 1100 }).map((size) => new Uint8Array(size).fill(0x61)),
  },
);

function frameArbitrary(masked: fc.Arbitrary<boolean>): fc.Arbitrary<Uint8Array> {
  const frame: fc.Arbitrary<Frame> = fc.record({
    fin: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.boolean()),
    rsv: fc.oneof(
      { weight: 6, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.constant(4) },
      fc.nat(7),
    ),
    opcode: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(0, 1, 2, 8, 9, 10) }, fc.nat(15)),
    key: fc
      .tuple(masked, fc.uint8Array({ minLength: 4, maxLength: 4 }))
      .map(([is, key]) => (is ? key : undefined)),
    form: fc.oneof(
      { weight: 12, arbitrary: fc.constant(0 as const) },
      fc.constantFrom(2 as const, 8 as const),
    ),
    beyond: fc.oneof(
      { weight: 12, arbitrary: fc.constant(0) },
      fc.integer({ min: -3, max: 70_000 }),
    ),
    payload,
  });
  return frame.map(encode);
}

function encode({ fin, rsv, opcode, key, form, beyond, payload: data }: Frame): Uint8Array {
  const length = Math.max(0, data.length + beyond);
  const shortest = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const size = Math.max(form, shortest);
  const head = Buffer.alloc(2 + size);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (key === undefined ? 0 : 0x80) | (size === 0 ? length : size === 2 ? 126 : 127);
  if (size === 2) head.writeUInt16BE(length, 2);
  if (size === 8) head.writeBigUInt64BE(BigInt(length), 2);
  const body = Buffer.from(data);
  if (key === undefined) return new Uint8Array(Buffer.concat([head, body]));
  for (let i = 0; i < body.length; i++) body[i] = (body[i] ?? 0) ^ (key[i % 4] ?? 0);
  return new Uint8Array(Buffer.concat([head, key, body]));
}

const VECTORS: readonly Uint8Array[] = [
  ...FRAMES.map(({ input }) => bytes(input)),
  ...Object.values(BREACHES)
    .flat()
    .map((breach) => bytes(typeof breach === "string" ? breach : breach[1])),
].filter((vector) => vector.length < 400);

/** Bytes of frames. `masked` decides which generated frames are masked. Some bytes are changed or missing. */
export function frames(masked: fc.Arbitrary<boolean>): fc.Arbitrary<Uint8Array> {
  const part = fc.oneof(
    { weight: 6, arbitrary: frameArbitrary(masked) },
    { weight: 2, arbitrary: fc.constantFrom(...VECTORS) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  );
  const flip = fc.tuple(fc.nat(2000), fc.integer({ min: 1, max: 255 }));
  const flips = fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.array(flip, { maxLength: 3 }),
  );
  const cut = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(30));
  return fc
    .tuple(fc.array(part, { minLength: 1, maxLength: 6 }), flips, cut)
    .map(([parts, changes, end]) => {
      const whole = new Uint8Array(Buffer.concat(parts));
      for (const [at, by] of changes) {
        if (at < whole.length) whole[at] = (whole[at] ?? 0) ^ by;
      }
      return whole.subarray(0, Math.max(0, whole.length - end));
    });
}

/** Positions at which to split an input, in thousandths of its length. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.array(fc.nat(1000), { maxLength: 5 });

/** Splits the input at these positions. */
export function cutAt(whole: Uint8Array, shares: readonly number[]): readonly Uint8Array[] {
  const places = shares.map((share) => Math.floor((share / 1000) * whole.length));
  const sorted = [0, ...places.sort((one, other) => one - other), whole.length];
  return sorted.slice(1).map((end, i) => whole.subarray(sorted[i], end));
}

const outcomes = new Outcomes();

function examineReceiver(profile: Profile, whole: Uint8Array, shares: readonly number[]): void {
  const options = PROFILES[profile];
  const log = receive([whole], options);
  assert.deepEqual(receive(cutAt(whole, shares), options), log);
  if (whole.length < 300) assert.deepEqual(receive(inChunks(whole, 1), options), log);
  const [kind = "", rule = ""] = log.at(-1)?.split(" ") ?? [];
  if (kind === "fail") assert.ok(Object.hasOwn(RULES, rule), rule);
}

function examineEndpoint(profile: Profile, whole: Uint8Array, shares: readonly number[]): void {
  const options = PROFILES[profile];
  const station = (): Station =>
    new Station(
      options.role === "client" ? { ...options, randomFill: (key) => key.fill(1) } : options,
    );
  const [one, other] = [station(), station()];
  one.receive(whole);
  for (const chunk of cutAt(whole, shares)) other.receive(chunk);
  const outcome = one.outcome();
  assert.deepEqual(other.outcome(), outcome);
  one.endpoint.receiveEnd();
  assert.equal(one.endpoint.state, "closed");
  outcomes.add(one.endpoint.failure?.rule ?? (outcome.length === 0 ? "(nothing)" : "(read)"));
}

const profiles = fc.constantFrom<Profile>("client", "server", "deflate", "unlimited");
const input = profiles.chain((profile) => {
  const right = PROFILES[profile].role === "server";
  const masked = fc.oneof({ weight: 9, arbitrary: fc.constant(right) }, fc.constant(!right));
  return fc.tuple(fc.constant(profile), frames(masked), cuts);
});

export const websocket: Layer = pureLayer(
  "frames",
  2000,
  fc.property(input, ([profile, whole, shares]) => {
    showing(
      () => `${profile}: ${hex(whole)}`,
      () => {
        examineReceiver(profile, whole, shares);
        examineEndpoint(profile, whole, shares);
      },
    );
  }),
  outcomes,
);

const token = fc.constantFrom(
  "permessage-deflate",
  "client_max_window_bits",
  "server_max_window_bits",
  "client_no_context_takeover",
  "server_no_context_takeover",
  "foo",
  "x-webkit-deflate-frame",
  "chat",
  "websocket",
  "Upgrade",
  "keep-alive",
);
const piece = fc.oneof(
  { weight: 4, arbitrary: token },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ";",
      ",",
      "=",
      " ",
      "; ",
      ", ",
      '"',
      "\\",
      "\t",
      "=10",
      '="15"',
      "=8",
      "=16",
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 4 }) },
);
const value = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));

function orElse(usual: string): fc.Arbitrary<string | undefined> {
  return fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: value },
  );
}

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const headers = fc.record({
  host: orElse("a"),
  upgrade: orElse("websocket"),
  connection: orElse("Upgrade"),
  "sec-websocket-key": orElse(KEY),
  "sec-websocket-version": orElse("13"),
  "sec-websocket-protocol": orElse("chat, superchat"),
  "sec-websocket-extensions": fc.oneof(orElse("permessage-deflate"), value),
  "sec-websocket-accept": orElse("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
});
const preferences = fc.record(
  {
    serverMaxWindowBits: fc.integer({ min: 9, max: 15 }),
    clientMaxWindowBits: fc.integer({ min: 9, max: 15 }),
  },
  { requiredKeys: [] },
);

const handshakes = new Outcomes();

const answer = fc.record({
  "sec-websocket-protocol": orElse("chat"),
  "sec-websocket-extensions": orElse("permessage-deflate"),
});

export const handshake: Layer = pureLayer(
  "opening handshake",
  5000,
  fc.property(
    headers,
    answer,
    preferences,
    fc.constantFrom("GET", "GET", "POST"),
    examineHandshake,
  ),
  handshakes,
);

type Fields = Readonly<Record<string, string | undefined>>;

function examineHandshake(
  given: Fields,
  answered: Fields,
  deflate: DeflatePreferences,
  method: string,
): void {
  const request = { method, httpVersion: "1.1", headers: given };
  const decision = decideHandshake(request, { deflate });
  assert.deepEqual(decideHandshake(request, { deflate }), decision);
  handshakes.add(decision.accepted ? "(server accepts)" : decision.rule);
  if (!decision.accepted) assert.ok(Object.hasOwn(HANDSHAKE_RULES, decision.rule), decision.rule);
  const offer = { key: KEY, protocols: ["chat"], deflate };
  const verdict = judgeHandshake(offer, 101, { ...given, ...answered });
  handshakes.add(verdict.accepted ? "(client accepts)" : "(client refuses)");
  if (!verdict.accepted) assert.ok(verdict.reason.length > 0);
}
