// Texts and attachments to packets. What comes from outside is checked here, and nowhere behind.
// Socket.IO "Packet encoding".
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

export interface DecoderOptions {
  /** Attachments that one packet may have. */
  readonly maxAttachments: number;
  /** Default: CLIENT_LIMITS. */
  readonly limits?: PacketLimits;
}

/** A packet whose attachments have not all come. */
interface Unfinished {
  readonly header: Header;
  readonly payload: string;
  /**
   * The packet with its placeholders, where the payload is SHORT. A longer one is parsed once more:
   * as objects it may take twenty times the memory, for as long as the sender likes.
   */
  readonly packet: Packet | undefined;
  readonly expected: number;
  readonly attachments: Bytes[];
}

/** As objects it takes some 20 kB at most. */
const SHORT = 1024;

export class Decoder {
  readonly #maxAttachments: number;
  readonly #limits: PacketLimits;
  #unfinished: Unfinished | undefined;

  constructor(options: DecoderOptions) {
    this.#maxAttachments = options.maxAttachments;
    this.#limits = options.limits ?? CLIENT_LIMITS;
  }

  /** How many attachments are still to come before there is a packet. */
  get pending(): number {
    const unfinished = this.#unfinished;
    return unfinished === undefined ? 0 : unfinished.expected - unfinished.attachments.length;
  }

  /** Takes the next text or binary message. Returns a packet once it is whole. Throws ProtocolError, and then holds nothing. */
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
    // What can be told to be wrong without the attachments is, before any is kept.
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
  // An array, as check() has seen, so that it is restored in its place.
  const { data }: PacketFields = whole;
  restore(data, attachments);
  return whole;
}

/** The payload of CONNECT_ERROR. Text that is not JSON is a message: the client is refused all the same. */
function refusalOf(payload: string, maxDepth: number): unknown {
  try {
    return parseJson(payload, maxDepth);
  } catch {
    return payload;
  }
}

const ZERO = 0x30;
const NINE = 0x39;

/** Behind the digits that begin at `at`. */
function digitsEnd(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) >= ZERO && text.charCodeAt(end) <= NINE) end++;
  return end;
}

/** The number between, and 0 for no digits: one way to write each, so with leading zeros it is `NaN`. */
function numberAt(text: string, start: number, end: number): number {
  if (end - start > 1 && text[start] === "0") return Number.NaN;
  // No number that is safe has more digits, and a million of them are not worth reading.
  return end - start > 16 ? Number.POSITIVE_INFINITY : Number(text.slice(start, end));
}
