// From bytes to messages: RFC 6455 §5.4 to §6.2.
//
// A Receiver is read like a scanner: push() what the network gave, then call next() until it
// returns NEED_DATA. Each call stands on one whole message or control frame.
//
//   receiver.push(chunk);
//   for (let event = receiver.next(); event !== NEED_DATA; event = receiver.next()) { … }
//
// A message that lies whole in one chunk is not copied. What has come of any other is taken out of
// its chunk at once, unmasked, checked and put into `#fragments`.

import {
  type Bytes,
  byteAt,
  concat,
  copy,
  EMPTY,
  isValidUtf8,
  uint16At,
  uint64At,
} from "../bytes.ts";
import { Fragments } from "../fragments.ts";
import {
  CONTINUATION,
  FIN,
  isControl,
  isReserved,
  LENGTH,
  LENGTH_16,
  LENGTH_64,
  MASK,
  MAX_CONTROL_PAYLOAD,
  OPCODE,
  type Role,
  RSV1,
  RSV2_RSV3,
  TEXT,
} from "./frame.ts";
import { mask, readKey, turnKey } from "./mask.ts";
import { ProtocolError } from "./rules.ts";
import { Utf8Checker } from "./utf8.ts";

/** next() has read everything that was pushed. */
export const NEED_DATA = -1;
/** A frame was read whole that neither is nor completes a message. Seen inside the receiver only. */
const NOTHING_YET = -2;
/** Stands in place of an opcode between two messages. */
const NO_MESSAGE = -3;

export interface ReceiverOptions {
  /** Which end this is: a server demands masked frames, a client unmasked ones (RFC 6455 §5.1). */
  readonly role: Role;
  /** Bytes of payload in one message. */
  readonly maxPayload: number;
  /** permessage-deflate was negotiated, so RSV1 may be set (RFC 7692 §6). */
  readonly deflate: boolean;
}

export class Receiver {
  /** The payload next() stands on. Borrowed: good until next() is called again. The text of a TEXT that is not compressed is valid UTF-8. */
  payload: Bytes = EMPTY;
  /** The payload is compressed (RFC 7692 §6.2), so that its UTF-8 is unchecked. */
  compressed = false;

  readonly #mustBeMasked: boolean;
  readonly #maxPayload: number;
  readonly #mayDeflate: boolean;

  // What was pushed and not read yet.
  #input: Bytes = EMPTY;
  #offset = 0;

  // The data frame whose payload is being read: its first byte, or 0 between frames.
  #first = 0;
  #key = 0;
  #remaining = 0;

  // The opcode of the message being put together (RFC 6455 §5.4), or NO_MESSAGE.
  #opcode: number = NO_MESSAGE;
  #deflated = false;
  #fragments: Fragments | undefined;
  #utf8: Utf8Checker | undefined;

  constructor(options: ReceiverOptions) {
    this.#mustBeMasked = options.role === "server";
    // Above 2^53 - 1 no length is exact.
    this.#maxPayload = Math.min(options.maxPayload, Number.MAX_SAFE_INTEGER);
    this.#mayDeflate = options.deflate;
  }

  /** Takes what the network gave. The chunk is the receiver's from now on: it is unmasked in place. */
  push(chunk: Bytes): void {
    this.#input =
      this.#offset === this.#input.length
        ? chunk
        : concat([this.#input.subarray(this.#offset), chunk]);
    this.#offset = 0;
  }

  /** Lets go of everything, for a connection on which nothing more is read. */
  discard(): void {
    this.payload = EMPTY;
    this.#input = EMPTY;
    this.#offset = 0;
    this.#fragments = undefined;
  }

  /** Moves to the next message or control frame and returns its opcode, or NEED_DATA. Throws ProtocolError. */
  next(): number {
    for (;;) {
      const event = this.#remaining > 0 ? this.#readMore() : this.#readFrame();
      if (event === NEED_DATA) return this.#rest();
      if (event !== NOTHING_YET) return event;
    }
  }

  /** Reads a frame from its header on. Returns the opcode of the message or control frame that it completes, NOTHING_YET, or NEED_DATA. */
  #readFrame(): number {
    const available = this.#input.length - this.#offset;
    if (available < 2) return NEED_DATA;
    const first = byteAt(this.#input, this.#offset);
    const second = byteAt(this.#input, this.#offset + 1);
    this.#checkHeader(first, second);

    const short = second & LENGTH;
    const lengthEnd = 2 + (short === LENGTH_16 ? 2 : short === LENGTH_64 ? 8 : 0);
    if (available < lengthEnd) return NEED_DATA;
    const length = this.#payloadLength(short);
    const opcode = first & OPCODE;
    if (!isControl(opcode)) this.#checkSize(length);

    const header = lengthEnd + ((second & MASK) === 0 ? 0 : 4);
    const whole = available >= header + length;
    // A control frame is short: it waits in the input until it is whole.
    if (!whole && (available < header || isControl(opcode))) return NEED_DATA;
    const key = (second & MASK) === 0 ? 0 : readKey(this.#input, this.#offset + lengthEnd);
    this.#offset += header;

    // The common case first: a message in one frame, in one chunk. A control frame is read here, too.
    if (whole && opcode !== CONTINUATION && (first & FIN) !== 0) {
      this.payload = this.#unmask(key, length);
      this.compressed = (first & RSV1) !== 0;
      if (opcode === TEXT && !this.compressed && !isValidUtf8(this.payload)) {
        throw new ProtocolError("INVALID_UTF8");
      }
      return opcode;
    }

    if (opcode !== CONTINUATION) {
      this.#opcode = opcode;
      this.#deflated = (first & RSV1) !== 0;
    }
    this.#first = first;
    this.#key = key;
    this.#remaining = length;
    return this.#readMore();
  }

  /** Takes what there is of the payload of a frame. Returns as #readFrame() does. */
  #readMore(): number {
    const length = Math.min(this.#remaining, this.#input.length - this.#offset);
    const piece = this.#unmask(this.#key, length);
    this.#key = turnKey(this.#key, length);
    this.#remaining -= length;
    // RFC 6455 §8.1, at the first byte that is wrong (Autobahn 6.4): in an unfinished frame too.
    if (this.#opcode === TEXT && !this.#deflated) {
      this.#utf8 ??= new Utf8Checker();
      if (!this.#utf8.push(piece)) throw new ProtocolError("INVALID_UTF8");
    }
    this.#fragments ??= new Fragments();
    this.#fragments.add(piece, this.#remaining);
    if (this.#remaining > 0) return NEED_DATA;
    return (this.#first & FIN) === 0 ? NOTHING_YET : this.#finish(this.#fragments);
  }

  /** RFC 6455 §5.4: the last frame of a message is read. Returns the message's opcode. */
  #finish(fragments: Fragments): number {
    if (this.#utf8 !== undefined) {
      if (!this.#utf8.complete) throw new ProtocolError("INVALID_UTF8");
      this.#utf8 = undefined;
    }
    const message = this.#opcode;
    this.payload = fragments.take();
    this.compressed = this.#deflated;
    this.#fragments = undefined;
    this.#opcode = NO_MESSAGE;
    return message;
  }

  /** RFC 6455 §5.2, and what RFC 6455 §5.5 asks of control frames. */
  #checkHeader(first: number, second: number): void {
    const opcode = first & OPCODE;
    if (isReserved(opcode)) throw new ProtocolError("RESERVED_OPCODE");
    if ((first & RSV2_RSV3) !== 0) throw new ProtocolError("RESERVED_BITS");
    // RFC 7692 §6.1: only the first frame of a data message may set RSV1.
    const mayCompress = this.#mayDeflate && opcode !== CONTINUATION && !isControl(opcode);
    if ((first & RSV1) !== 0 && !mayCompress) throw new ProtocolError("RESERVED_BITS");

    const masked = (second & MASK) !== 0;
    if (masked !== this.#mustBeMasked) {
      throw new ProtocolError(masked ? "MASK_FORBIDDEN" : "MASK_REQUIRED");
    }

    if (isControl(opcode)) {
      if ((first & FIN) === 0) throw new ProtocolError("CONTROL_FRAGMENTED");
      if ((second & LENGTH) > MAX_CONTROL_PAYLOAD) throw new ProtocolError("CONTROL_TOO_LONG");
    } else if (opcode === CONTINUATION) {
      if (this.#opcode === NO_MESSAGE) throw new ProtocolError("NOTHING_TO_CONTINUE");
    } else if (this.#opcode !== NO_MESSAGE) {
      throw new ProtocolError("MESSAGE_UNFINISHED");
    }
  }

  /** RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length". */
  #payloadLength(short: number): number {
    if (short < LENGTH_16) return short;
    const at = this.#offset + 2;
    const length = short === LENGTH_16 ? uint16At(this.#input, at) : uint64At(this.#input, at);
    if (length < (short === LENGTH_16 ? LENGTH_16 : 0x1_0000)) {
      throw new ProtocolError("MINIMAL_LENGTH");
    }
    return length;
  }

  /** RFC 6455 §10.4: known from the header, before anything is kept. */
  #checkSize(length: number): void {
    const held = this.#fragments === undefined ? 0 : this.#fragments.length;
    if (held + length > this.#maxPayload) throw new ProtocolError("MESSAGE_TOO_BIG");
  }

  /** The next `length` bytes of the input, unmasked. */
  #unmask(key: number, length: number): Bytes {
    const start = this.#offset;
    this.#offset = start + length;
    mask(this.#input, key, start, this.#offset);
    return this.#input.subarray(start, this.#offset);
  }

  /** Lets go of the network's chunk: an idle connection keeps none alive, and of half a header only its bytes. */
  #rest(): typeof NEED_DATA {
    this.payload = EMPTY;
    this.#input =
      this.#offset === this.#input.length ? EMPTY : copy(this.#input.subarray(this.#offset));
    this.#offset = 0;
    return NEED_DATA;
  }
}
