// Decodes received bytes into messages and control frames (RFC 6455 §5.4 to §6.2).
//
// A Receiver works like a scanner. The caller passes received bytes to push(), and then calls next() until it
// returns NEED_DATA. Each call of next() reads one complete message or control frame.
//
//   receiver.push(chunk);
//   for (let event = receiver.next(); event !== NEED_DATA; event = receiver.next()) { … }
//
// A message of one frame that is complete in one chunk is not copied. The parts of any other message are immediately
// unmasked, checked, and copied into `#fragments`.

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

/** Returned by Receiver.next() and Endpoint.next() if no complete message or control frame is left. */
export const NEED_DATA = -1;
/** A complete frame was read, but its message is not complete. Only used inside the receiver. */
const NOTHING_YET = -2;
/** Used instead of an opcode between two messages. */
const NO_MESSAGE = -3;

/** Options of a receiver. */
export interface ReceiverOptions {
  /** The end that receives: a server accepts only masked frames, a client only unmasked frames (RFC 6455 §5.1). */
  readonly role: Role;
  /** The largest payload of a message, in bytes, before it is inflated. */
  readonly maxPayload: number;
  /** Whether permessage-deflate was negotiated, so that RSV1 may be set (RFC 7692 §6). */
  readonly deflate: boolean;
}

/** Decodes the bytes of a peer into messages and control frames (RFC 6455 §5.4 to §6.2). */
export class Receiver {
  /**
   * The payload of the last message or control frame that next() returned. Valid until the next call of next(). The
   * payload of an uncompressed text message is valid UTF-8.
   */
  payload: Bytes = EMPTY;
  /** Whether the payload is compressed (RFC 7692 §6.2). The UTF-8 of a compressed payload is not checked. */
  compressed = false;

  readonly #mustBeMasked: boolean;
  readonly #maxPayload: number;
  readonly #mayDeflate: boolean;

  // The received bytes that are not read yet.
  #input: Bytes = EMPTY;
  #offset = 0;

  // The data frame whose payload is being read: its first byte, its masking key, and the number of payload bytes that
  // are not read yet.
  #first = 0;
  #key = 0;
  #remaining = 0;

  // The opcode of the incomplete message (RFC 6455 §5.4), or NO_MESSAGE.
  #opcode: number = NO_MESSAGE;
  #deflated = false;
  #fragments: Fragments | undefined;
  #utf8: Utf8Checker | undefined;

  /**
   * Creates a receiver for a connection after the opening handshake.
   *
   * @param options the end that receives, the largest payload, and whether messages may be compressed
   */
  constructor(options: ReceiverOptions) {
    this.#mustBeMasked = options.role === "server";
    // uint64At() rounds payload lengths above 2^53 - 1. With this limit, every rounded length is rejected.
    this.#maxPayload = Math.min(options.maxPayload, Number.MAX_SAFE_INTEGER);
    this.#mayDeflate = options.deflate;
  }

  /**
   * Adds received bytes. The caller must not use the chunk afterwards, because the receiver unmasks it in place.
   *
   * @param chunk the next bytes of the TCP connection, of any length
   */
  push(chunk: Bytes): void {
    this.#input =
      this.#offset === this.#input.length
        ? chunk
        : concat([this.#input.subarray(this.#offset), chunk]);
    this.#offset = 0;
  }

  /** Releases all memory. Called when nothing more is read from the connection. */
  discard(): void {
    this.payload = EMPTY;
    this.#input = EMPTY;
    this.#offset = 0;
    this.#fragments = undefined;
  }

  /**
   * Reads the next message or control frame and returns its opcode. Returns NEED_DATA if no message or control frame is
   * complete.
   *
   * @throws ProtocolError if the peer has broken a rule (RFC 6455 §7.1.7)
   */
  next(): number {
    for (;;) {
      const event = this.#remaining > 0 ? this.#readMore() : this.#readFrame();
      if (event === NEED_DATA) return this.#rest();
      if (event !== NOTHING_YET) return event;
    }
  }

  /**
   * Reads a frame. Returns the opcode of the completed message or control frame, NOTHING_YET if the message is not
   * complete, or NEED_DATA if the frame is not complete.
   */
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
    // An incomplete control frame stays in the input, because it is short.
    if (!whole && (available < header || isControl(opcode))) return NEED_DATA;
    const key = (second & MASK) === 0 ? 0 : readKey(this.#input, this.#offset + lengthEnd);
    this.#offset += header;

    // The most common case is tested first: a message of one frame that is complete in one chunk. This branch also
    // reads control frames.
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

  /** Reads the received part of the payload of a data frame. Returns the same values as #readFrame(). */
  #readMore(): number {
    const length = Math.min(this.#remaining, this.#input.length - this.#offset);
    const piece = this.#unmask(this.#key, length);
    this.#key = turnKey(this.#key, length);
    this.#remaining -= length;
    // RFC 6455 §8.1: the connection fails at the first invalid byte, even in an incomplete frame (Autobahn 6.4).
    if (this.#opcode === TEXT && !this.#deflated) {
      this.#utf8 ??= new Utf8Checker();
      if (!this.#utf8.push(piece)) throw new ProtocolError("INVALID_UTF8");
    }
    this.#fragments ??= new Fragments();
    this.#fragments.add(piece, this.#remaining);
    if (this.#remaining > 0) return NEED_DATA;
    return (this.#first & FIN) === 0 ? NOTHING_YET : this.#finish(this.#fragments);
  }

  /** Completes a message after its last frame (RFC 6455 §5.4), and returns the opcode of the message. */
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

  /** Checks the first two bytes of a frame (RFC 6455 §5.2, and for control frames RFC 6455 §5.5). */
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

  /** Returns the payload length. RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length". */
  #payloadLength(short: number): number {
    if (short < LENGTH_16) return short;
    const at = this.#offset + 2;
    const length = short === LENGTH_16 ? uint16At(this.#input, at) : uint64At(this.#input, at);
    if (length < (short === LENGTH_16 ? LENGTH_16 : 0x1_0000)) {
      throw new ProtocolError("MINIMAL_LENGTH");
    }
    return length;
  }

  /** Checks the size of the message before any part of the new frame is buffered (RFC 6455 §10.4). */
  #checkSize(length: number): void {
    const held = this.#fragments === undefined ? 0 : this.#fragments.length;
    if (held + length > this.#maxPayload) throw new ProtocolError("MESSAGE_TOO_BIG");
  }

  /** Reads and unmasks the next `length` bytes of the input. */
  #unmask(key: number, length: number): Bytes {
    const start = this.#offset;
    this.#offset = start + length;
    mask(this.#input, key, start, this.#offset);
    return this.#input.subarray(start, this.#offset);
  }

  /**
   * Releases the received chunk, so that an idle connection keeps no chunk in memory. An incomplete header or control
   * frame at the end of the chunk is copied.
   */
  #rest(): typeof NEED_DATA {
    this.payload = EMPTY;
    this.#input =
      this.#offset === this.#input.length ? EMPTY : copy(this.#input.subarray(this.#offset));
    this.#offset = 0;
    return NEED_DATA;
  }
}
