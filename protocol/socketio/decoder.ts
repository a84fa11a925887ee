// Decodes texts and attachments into packets. The decoder checks all received data. The code that
// uses the packets does not check them again. Socket.IO "Packet encoding".
//
//   packet      = type [ count "-" ] [ namespace "," ] [ id ] [ payload ]
//   type        = "0" to "6"
//   count       = number                  ; of a BINARY_EVENT or BINARY_ACK only
//   namespace   = "/" *( anything but "," and control characters )
//   id          = number
//   payload     = JSON

import type { Bytes } from "../bytes.ts";
import { restore } from "./attachments.ts";
import { CLIENT_LIMITS, check, type Header, isNamespace, type PacketLimits } from "./check.ts";
import { parseJson } from "./json.ts";
import {
  BINARY_ACK,
  BINARY_EVENT,
  CONNECT,
  CONNECT_ERROR,
  MAIN_NAMESPACE,
  type Packet,
  type PacketFields,
} from "./packet.ts";
import { ProtocolError } from "./rules.ts";

/** Options of a decoder. */
export interface DecoderOptions {
  /** The largest number of attachments of a packet. */
  readonly maxAttachments: number;
  /** The limits of a packet. Default: CLIENT_LIMITS (a depth of at most 500, at most 10,000 arguments). */
  readonly limits?: PacketLimits;
}

/** A packet whose attachments have not all been received. */
interface Unfinished {
  readonly header: Header;
  readonly payload: string;
  /**
   * The packet with placeholders, if the payload has at most SHORT characters. A longer payload is kept only as text,
   * and is parsed again after the last attachment. The parsed payload may need twenty times as much memory as the text,
   * and the sender decides how long the decoder waits for the attachments.
   */
  readonly packet: Packet | undefined;
  readonly expected: number;
  readonly attachments: Bytes[];
}

/** The longest payload that is kept in its parsed form, in characters. The parsed form needs at most about 20 kB. */
const SHORT = 1024;

/**
 * Decodes the texts and attachments of a peer into packets ("Packet encoding").
 *
 * @example
 * ```ts
 * const decoder = new Decoder({ maxAttachments: 10 });
 * decoder.add('2["chat","hello"]'); // { type: EVENT, namespace: "/", data: ["chat", "hello"], … }
 * ```
 */
export class Decoder {
  readonly #maxAttachments: number;
  readonly #limits: PacketLimits;
  #unfinished: Unfinished | undefined;

  /**
   * Creates a decoder for the packets of one peer.
   *
   * @param options the limits of a packet
   */
  constructor(options: DecoderOptions) {
    this.#maxAttachments = options.maxAttachments;
    this.#limits = options.limits ?? CLIENT_LIMITS;
  }

  /** The number of attachments that the current packet still lacks. */
  get pending(): number {
    const unfinished = this.#unfinished;
    return unfinished === undefined ? 0 : unfinished.expected - unfinished.attachments.length;
  }

  /**
   * Decodes the next text or binary message. Returns the packet if it is complete, and `undefined` if attachments are
   * missing.
   *
   * @param message a text message, or the bytes of a binary message
   * @throws ProtocolError if the message is invalid. The decoder then discards the incomplete packet.
   */
  add(message: string | Bytes): Packet | undefined {
    const unfinished = this.#unfinished;
    this.#unfinished = undefined;
    if (typeof message === "string") {
      if (unfinished !== undefined) throw new ProtocolError("ATTACHMENT_EXPECTED");
      return this.#addText(message);
    }
    if (unfinished === undefined) throw new ProtocolError("NO_PLACEHOLDER");
    unfinished.attachments.push(message);
    if (unfinished.attachments.length < unfinished.expected) {
      this.#unfinished = unfinished;
      return undefined;
    }
    return finished(unfinished, this.#limits);
  }

  #addText(text: string): Packet | undefined {
    const type = text.charCodeAt(0) - ZERO;
    if (!(type >= CONNECT && type <= BINARY_ACK)) throw new ProtocolError("PACKET_TYPE");
    let at = 1;

    let expected = 0;
    if (type === BINARY_EVENT || type === BINARY_ACK) {
      const end = digitsEnd(text, at);
      expected = numberAt(text, at, end);
      if (!(expected >= 1) || text[end] !== "-") throw new ProtocolError("ATTACHMENT_COUNT");
      if (expected > this.#maxAttachments) throw new ProtocolError("TOO_MANY_ATTACHMENTS");
      at = end + 1;
    }

    let namespace = MAIN_NAMESPACE;
    if (text[at] === "/") {
      const comma = text.indexOf(",", at);
      namespace = comma === -1 ? text.slice(at) : text.slice(at, comma);
      if (!isNamespace(namespace)) throw new ProtocolError("NAMESPACE");
      at = comma === -1 ? text.length : comma + 1;
    }

    let id: number | undefined;
    const end = digitsEnd(text, at);
    if (end > at) {
      id = numberAt(text, at, end);
      if (!Number.isSafeInteger(id)) throw new ProtocolError("PACKET_ID");
      at = end;
    }

    const payload = text.slice(at);
    const header: Header = { type, namespace, id };
    // All checks that need no attachments are made now, before any attachment is stored.
    const { maxDepth } = this.#limits;
    const data =
      type === CONNECT_ERROR ? refusalOf(payload, maxDepth) : parseJson(payload, maxDepth);
    const packet = check(header, data, this.#limits);
    if (expected === 0) return packet;
    this.#unfinished = {
      header,
      payload,
      packet: payload.length <= SHORT ? packet : undefined,
      expected,
      attachments: [],
    };
    return undefined;
  }
}

function finished(
  { header, payload, packet, attachments }: Unfinished,
  limits: PacketLimits,
): Packet {
  const whole = packet ?? check(header, parseJson(payload, limits.maxDepth), limits);
  // The data is an array, as check() has ensured. Therefore restore() changes it in place.
  const { data }: PacketFields = whole;
  restore(data, attachments);
  return whole;
}

/**
 * Parses the payload of CONNECT_ERROR. An invalid payload is returned as a text, which becomes the error message: even
 * with an invalid payload, the packet refuses the client.
 */
function refusalOf(payload: string, maxDepth: number): unknown {
  try {
    return parseJson(payload, maxDepth);
  } catch {
    return payload;
  }
}

const ZERO = 0x30;
const NINE = 0x39;

/** Returns the index after the digits that start at `at`. */
function digitsEnd(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) >= ZERO && text.charCodeAt(end) <= NINE) end++;
  return end;
}

/**
 * Parses the digits from `start` to before `end`. Returns 0 if there are no digits. Returns `NaN` for a number with
 * leading zeros, because each number has only one valid form.
 */
function numberAt(text: string, start: number, end: number): number {
  if (end - start > 1 && text[start] === "0") return Number.NaN;
  // No safe integer has more than 16 digits. Parsing a million digits would waste time.
  return end - start > 16 ? Number.POSITIVE_INFINITY : Number(text.slice(start, end));
}
