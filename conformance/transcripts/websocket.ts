// The lines of a WebSocket: sent frames, and expected messages and frames.

import { expect, Failure } from "../harness/case.ts";
import { hex } from "../harness/conversation.ts";
import { type Agreement, DeflatePeer, openDeflate, readAgreement } from "../peers/deflate.ts";
import { ENDED } from "../peers/tcp.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  closePayload,
  describeFrame,
  encodeFrame,
  type FrameOptions,
  PING,
  PONG,
  TEXT,
  type WebSocketPeer,
} from "../peers/websocket.ts";
import { type Bytes, evaluate, scanBytes, type Variables } from "./bytes.ts";
import type { Action, Play } from "./play.ts";
import type { Scanner } from "./scanner.ts";
import { scanSeverity } from "./severity.ts";

/** The bytes that a line with ">" writes. Lines with ">+" are written together with the line above. */
export interface Written {
  readonly encode: (play: Play, connection: string) => Uint8Array;
  /** A description for the report. */
  readonly meaning: string;
  /** The number of bytes in each TCP segment. `undefined` if the bytes are sent in one write. */
  readonly piece: number | undefined;
}

const OPCODES = {
  text: TEXT,
  binary: BINARY,
  continuation: CONTINUATION,
  close: CLOSE,
  ping: PING,
  pong: PONG,
} as const;

type Kind = keyof typeof OPCODES;

const KINDS: readonly Kind[] = ["text", "binary", "continuation", "close", "ping", "pong"];

/** A frame as written in a line. */
type FrameOf = (play: Play, connection: string) => FrameOptions;

/**
 * Parses how to open a WebSocket:
 *
 *     with Upgrade: WebSocket       with this field in the handshake
 *     with permessage-deflate; server_no_context_takeover
 *
 * The second line offers an extension (RFC 7692). If the server declines the offer, the case is skipped.
 */
export function scanOpening(scanner: Scanner): (play: Play, connection: string) => Promise<void> {
  const extended = scanner.take("with");
  const field = extended ? scanner.match(/[\w-]+(?=:)/) : undefined;
  if (extended && field === undefined) {
    const offer = scanOffer(scanner);
    return async (play, connection) => {
      const deflate = await openDeflate(play.context, offer(play.variables));
      play.websockets.set(connection, deflate.peer);
      play.deflates.set(connection, deflate);
    };
  }
  if (field !== undefined) scanner.need(":");
  const headers = field === undefined ? {} : { [field]: scanner.takeRest() };
  return async ({ context, websockets }, connection) => {
    websockets.set(connection, await context.websocket({ headers }));
  };
}

/** Parses an offer. An offer with tabs or trailing spaces is in quotes. */
function scanOffer(scanner: Scanner): (variables: Variables) => string {
  if (scanner.rest.trimStart().startsWith("'")) {
    const bytes = scanBytes(scanner);
    return (variables) => `${evaluate(bytes, variables)}`;
  }
  if (scanner.done) scanner.fail("expected a field of HTTP, or an offer of permessage-deflate");
  const offer = scanner.takeRest();
  return () => offer;
}

/** @throws Failure if permessage-deflate was not negotiated */
function deflateOf({ deflates, websockets }: Play, connection: string): DeflatePeer {
  const known = deflates.get(connection);
  if (known !== undefined) return known;
  const peer = websockets.get(connection);
  const agreement = readAgreement(peer.header("sec-websocket-extensions"));
  expect(agreement !== undefined, "permessage-deflate", "no extension");
  const deflate = new DeflatePeer(peer, agreement);
  deflates.set(connection, deflate);
  return deflate;
}

/**
 * Parses what the harness writes to a WebSocket:
 *
 *     text 'hello'                  a frame with FIN, masked if the harness is the client
 *     in pieces of 7: text 'hello'  in TCP segments of 7 bytes
 *     first 3 bytes of text 'hello' "rest" sends the remaining bytes
 *     fragments of 64: text 'x' × 1 MiB
 *     text no-fin 'a' + ping        frames that are written together
 *     compressed text 'hello'       with RSV1, if permessage-deflate was negotiated
 *     bytes 81 80
 */
export function scanWritten(scanner: Scanner, isClient: boolean): Written {
  const meaning = scanner.rest.trim();
  let piece: number | undefined;
  if (scanner.take("in pieces of")) {
    piece = scanSize(scanner);
    scanner.need(":");
  }
  const parts = [scanEncode(scanner, isClient)];
  while (scanner.take("+")) parts.push(scanEncode(scanner, isClient));
  const encode: Written["encode"] = (play, connection) =>
    Buffer.concat(parts.map((part) => part(play, connection)));
  return { encode, meaning, piece };
}

/** Parses the size of pieces or fragments. With a size of 0, sending would never end. */
function scanSize(scanner: Scanner): number {
  const size = scanner.number("how many bytes");
  if (size === 0) scanner.fail("expected at least 1 byte");
  return size;
}

/** Returns the action that sends the frames in one write, or in pieces if the first line requires pieces. */
export function sendWritten(
  written: readonly Written[],
  connection: string,
  peerOf: (play: Play) => WebSocketPeer,
): Action {
  const meaning = written.map((each) => each.meaning).join(" + ");
  const piece = written[0]?.piece;
  return async (play) => {
    const peer = peerOf(play);
    const bytes = Buffer.concat(written.map(({ encode }) => encode(play, connection)));
    if (piece === undefined) peer.sendBytes(bytes, meaning);
    else await peer.sendBytesInPieces(bytes, meaning, piece);
  };
}

function scanEncode(scanner: Scanner, isClient: boolean): Written["encode"] {
  if (scanner.take("rest")) return (play, connection) => play.takeRest(connection);
  if (scanner.take("bytes")) {
    const bytes = scanBytes(scanner);
    return ({ variables }) => evaluate(bytes, variables);
  }
  if (scanner.take("fragments of")) {
    const size = scanSize(scanner);
    scanner.need(":");
    const frame = scanFrame(scanner, isClient);
    return (play, connection) => encodeFragments(frame(play, connection), size);
  }
  const count = scanner.take("first") ? scanner.number("how many bytes") : undefined;
  if (count !== undefined) scanner.need("bytes of");
  const frame = scanFrame(scanner, isClient);
  return (play, connection) => {
    const bytes = encodeFrame(frame(play, connection));
    if (count === undefined) return bytes;
    play.keepRest(connection, bytes.subarray(count));
    return bytes.subarray(0, count);
  };
}

/** Parses a frame: opcode, modifiers of the header, close code, payload (RFC 6455 §5.2). */
function scanFrame(scanner: Scanner, isClient: boolean): FrameOf {
  const compressed = scanner.take("compressed");
  const numbered = scanner.take("opcode");
  const opcode = numbered
    ? Number.parseInt(scanner.expect(/[0-9a-f](?!\w)/, "a hex digit"), 16)
    : OPCODES[scanner.oneOf(KINDS)];
  let fin = true;
  // RFC 6455 §5.1
  let masked = isClient;
  let rsv = 0;
  let lengthBytes: 0 | 2 | 8 | undefined;
  let length: bigint | undefined;
  let key: Bytes | undefined;
  for (;;) {
    if (scanner.take("no-fin")) fin = false;
    else if (scanner.take("unmasked")) masked = false;
    else if (scanner.take("masked")) masked = true;
    else if (scanner.take("rsv")) rsv = Number.parseInt(scanner.expect(/[01]{3}/, "three bits"), 2);
    else if (scanner.take("7-bit")) lengthBytes = 0;
    else if (scanner.take("16-bit")) lengthBytes = 2;
    else if (scanner.take("64-bit")) lengthBytes = 8;
    else if (scanner.take("length")) length = scanLength(scanner);
    else if (scanner.take("mask")) key = scanKey(scanner);
    else break;
  }
  const code = opcode === CLOSE && !numbered ? scanner.match(/\d+(?= |$)/) : undefined;
  const bytes = scanBytes(scanner);
  return (play, connection) => {
    const { variables } = play;
    const plain = evaluate(bytes, variables);
    const payload = compressed ? deflateOf(play, connection).compress(plain) : plain;
    return {
      ...{ fin, rsv: compressed ? rsv | 4 : rsv, opcode, masked },
      payload: code === undefined ? payload : closePayload(Number(code), payload),
      ...(lengthBytes !== undefined && { lengthBytes }),
      ...(length !== undefined && { length }),
      ...(key !== undefined && { key: evaluate(key, variables) }),
    };
  };
}

/** Parses the length in the header: 1000, 16 MiB, 2^63, 2^63-1. */
function scanLength(scanner: Scanner): bigint {
  const power = scanner.match(/2\^\d+/);
  if (power === undefined) return BigInt(scanner.number());
  const more = scanner.match(/[+-]\d+/) ?? "0";
  return 2n ** BigInt(power.slice(2)) + BigInt(more.replace("+", ""));
}

/** Parses a masking key of four bytes (§5.3). */
function scanKey(scanner: Scanner): Bytes {
  const digits = scanner.expect(/(?:[0-9a-f]{2} ?){4}/, "four bytes");
  return [{ kind: "bytes", bytes: Buffer.from(digits.replaceAll(" ", ""), "hex") }];
}

/** Splits a message into frames of so many bytes (§5.4). */
function encodeFragments(frame: FrameOptions, size: number): Uint8Array {
  const payload = Buffer.from(frame.payload ?? "");
  const frames: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += size) {
    const fin = at + size >= payload.length;
    // RFC 7692 §6.1: only the first frame of a message has RSV1.
    const first = at === 0 ? frame : { ...frame, opcode: CONTINUATION, rsv: 0 };
    frames.push(encodeFrame({ ...first, fin, payload: payload.subarray(at, at + size) }));
  }
  return Buffer.concat(frames);
}

/** What a line expects. The line stands alone, or in a block whose lines may be fulfilled in any order. */
export interface Awaited {
  readonly action: Action;
  /** The opcode and the payload of the expected message or frame. */
  readonly item?: { readonly opcode: number; readonly payload: (play: Play) => Uint8Array };
  /** Whether the input that the line reads cannot be read again by another alternative. Default: `false`. */
  readonly isReadOnce?: boolean;
}

/**
 * Parses what the harness expects over a WebSocket:
 *
 *     text 'hello'             the next message; control frames before it are ignored
 *     pong 'hello'             the next frame; a line without bytes accepts any payload
 *     close 1000 or 1001       the next frame; a line without codes accepts any code
 *     closed 1000              the same, and then the end of the connection
 *     fail 1002 (INFO)         the connection fails (§7.1.7), with this code or without a close frame
 *     alive                    a ping is answered, with nothing before the pong
 *     agreed server_max_window_bits at most 10
 *     FIN                      the end of the connection, with nothing before it
 */
export function scanAwaited(scanner: Scanner, connection: string): Awaited {
  const peerOf = (play: Play): WebSocketPeer => play.websockets.get(connection);
  if (scanner.take("alive")) return { action: (play) => peerOf(play).expectAlive() };
  if (scanner.take("FIN")) return { action: (play) => peerOf(play).expectEnd() };
  if (scanner.take("agreed")) return { action: scanAgreed(scanner, connection) };
  if (scanner.take("not agreed")) return { action: scanNotAgreed(scanner, connection) };
  if (scanner.take("fail")) {
    const codes = scanCodes(scanner);
    if (codes.length === 0) scanner.fail("expected a code");
    const severity = scanSeverity(scanner) ?? "SHOULD";
    return { action: (play) => peerOf(play).expectFailed(codes, severity) };
  }
  if (scanner.take("close")) {
    const codes = scanCodes(scanner);
    return { action: (play) => peerOf(play).expectCloseFrame(codes) };
  }
  if (scanner.take("closed")) {
    const codes = scanCodes(scanner);
    return { action: (play) => peerOf(play).expectClosed(codes) };
  }
  const kind = scanner.oneOf(["text", "binary", "ping", "pong"]);
  const opcode = OPCODES[kind];
  const anyPayload = awaitsAny(scanner);
  if (opcode < CLOSE && anyPayload) scanner.fail("expected bytes, '' for none");
  const bytes = scanBytes(scanner);
  const payload = ({ variables }: Play): Uint8Array => evaluate(bytes, variables);
  if (opcode === TEXT || opcode === BINARY) {
    const action = async (play: Play): Promise<void> => {
      const message = opcode === TEXT ? `${payload(play)}` : payload(play);
      const deflate = play.deflates.get(connection);
      await (deflate ?? peerOf(play)).expectMessage(message);
    };
    return { action, item: { opcode, payload } };
  }
  const action = async (play: Play): Promise<void> => {
    await peerOf(play).expectFrame(opcode, anyPayload ? undefined : payload(play));
  };
  return { action, item: { opcode, payload } };
}

/**
 * The parameters of permessage-deflate (RFC 7692 §7.1) that have no value. Each function returns whether the parameter
 * was negotiated.
 */
const FLAGS = {
  server_no_context_takeover: (agreement: Agreement) => agreement.serverNoContextTakeover,
  client_no_context_takeover: (agreement: Agreement) => agreement.clientNoContextTakeover,
} as const;

/** The parameters whose value is a number. Each function returns the negotiated number. */
const WINDOWS = {
  server_max_window_bits: (agreement: Agreement) => agreement.serverMaxWindowBits,
  client_max_window_bits: (agreement: Agreement) => agreement.clientMaxWindowBits,
} as const;

const PARAMETERS = [
  "server_no_context_takeover",
  "client_no_context_takeover",
  "server_max_window_bits",
  "client_max_window_bits",
] as const;

/**
 * Parses what follows "agreed" in one of these lines:
 *
 *     agreed permessage-deflate
 *     agreed server_no_context_takeover
 *     agreed client_max_window_bits at most 10 or none
 */
function scanAgreed(scanner: Scanner, connection: string): Action {
  if (scanner.take("permessage-deflate")) {
    return (play) => {
      deflateOf(play, connection);
    };
  }
  const name = scanner.oneOf(PARAMETERS);
  if (name === "server_no_context_takeover" || name === "client_no_context_takeover") {
    return (play) => expect(FLAGS[name](deflateOf(play, connection).agreement), name, "none");
  }
  scanner.need("at most");
  const most = scanner.number("how many bits");
  const optional = scanner.take("or none");
  return (play) => {
    const got = WINDOWS[name](deflateOf(play, connection).agreement);
    const right = got === undefined ? optional : got <= most;
    expect(right, `${name}, at most ${most}`, `${got}`);
  };
}

/** Parses a line such as `not agreed client_max_window_bits`. */
function scanNotAgreed(scanner: Scanner, connection: string): Action {
  const name = scanner.oneOf(PARAMETERS);
  const get = { ...FLAGS, ...WINDOWS }[name];
  return (play) => {
    const got = get(deflateOf(play, connection).agreement);
    expect(got === undefined || got === false, `no ${name}`, `${got}`);
  };
}

/** Returns whether a line names no codes or bytes, so that its end, a limit or a severity is next. */
function awaitsAny(scanner: Scanner): boolean {
  return scanner.match(/(?=$|(?:after|within)\b|\()/) !== undefined;
}

/** Parses close codes: 1000 or 1001. */
function scanCodes(scanner: Scanner): number[] {
  const codes: number[] = [];
  if (awaitsAny(scanner)) return codes;
  do codes.push(scanner.number("a code"));
  while (scanner.take("or"));
  return codes;
}

/** Expects messages and frames, each once, in any order. */
export async function expectInAnyOrder(
  play: Play,
  connection: string,
  awaited: readonly Awaited[],
): Promise<void> {
  const peer = play.websockets.get(connection);
  const rest = awaited.flatMap(({ item }) =>
    item === undefined ? [] : [{ opcode: item.opcode, payload: item.payload(play) }],
  );
  if (rest.some(({ opcode }) => opcode < CLOSE)) peer.need("websocket-echo");
  let opcode = CONTINUATION;
  const fragments: Uint8Array[] = [];
  while (rest.length > 0) {
    const frame = await peer.next();
    if (frame === undefined) throw new Failure(`${rest.length} more`, ENDED);
    let got = { opcode: frame.opcode, payload: frame.payload };
    if (frame.opcode < CLOSE) {
      if (frame.opcode !== CONTINUATION) opcode = frame.opcode;
      fragments.push(frame.payload);
      if (!frame.fin) continue;
      got = { opcode, payload: Buffer.concat(fragments.splice(0)) };
    }
    const at = rest.findIndex(
      (each) => each.opcode === got.opcode && Buffer.compare(each.payload, got.payload) === 0,
    );
    const wanted = rest.map(({ payload }) => hex(payload, 16)).join(" or ");
    expect(at !== -1, wanted, describeFrame(frame));
    rest.splice(at, 1);
  }
}
