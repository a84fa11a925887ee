// A Socket.IO 5 client over Engine.IO 4 and a WebSocket, for valid and for invalid packets. It answers pings in the
// background, so that other clients stay connected while a case reads from one client.

import { isDeepStrictEqual } from "node:util";

import { needBehaviourOf } from "../harness/behaviour.ts";
import { expect, Failure } from "../harness/case.ts";
import type { Context } from "../harness/context.ts";
import { quote } from "../harness/conversation.ts";
import type { Target } from "../harness/target.ts";
import { ENDED } from "./tcp.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  encodeFrame,
  PING,
  PONG,
  TEXT,
  type WebSocketPeer,
} from "./websocket.ts";

/** A received packet: the text without Engine.IO's "4", and its attachments. */
export interface EncodedPacket {
  readonly text: string;
  readonly attachments: readonly Uint8Array[];
}

/** A packet to send, valid or invalid. */
export interface SentPacket {
  /** The text of the packet. Missing: attachments only. */
  readonly text: string | undefined;
  readonly attachments: readonly Uint8Array[];
}

/** The parts of a packet's text (Socket.IO "Packet encoding"). */
export interface PacketFields {
  readonly type: number;
  /** The number of attachments that the packet announces. */
  readonly count: number;
  readonly namespace: string;
  /** The digits of the id. The digits are kept as text, because a number could be rounded. */
  readonly id: string | undefined;
  readonly payload: unknown;
}

/** A placeholder of an attachment, as JSON. */
export function placeholder(num: number | string): string {
  return `{"_placeholder":true,"num":${num}}`;
}

/** An EVENT of the main namespace, without attachments. */
export function encodeEvent(data: readonly unknown[], id?: number): EncodedPacket {
  return { text: `2${id ?? ""}${JSON.stringify(data)}`, attachments: [] };
}

/** Encodes the messages of packets, each in one frame (RFC 6455 §5.2). */
export function encodePackets(
  packets: readonly SentPacket[],
  { masked }: { readonly masked: boolean },
): Buffer {
  const frames = packets.flatMap(({ text, attachments }) => [
    ...(text === undefined ? [] : [encodeFrame({ opcode: TEXT, masked, payload: `4${text}` })]),
    ...attachments.map((payload) => encodeFrame({ opcode: BINARY, masked, payload })),
  ]);
  return Buffer.concat(frames);
}

/** Returns the namespace part of a packet: "…only included if it is different from the main namespace". */
export function namespacePart(namespace: string): string {
  return namespace === "/" ? "" : `${namespace},`;
}

/** @throws Failure if the packet is invalid */
export function parsePacket(text: string): PacketFields {
  const match = /^([0-6])(?:(?<=[56])(\d+)-)?(?:(\/[^,]*),)?(\d+)?(.*)$/su.exec(text);
  if (match === null) throw new Failure("a Socket.IO packet", quote(text));
  const [, type = "", count = "0", namespace = "/", id, payload = ""] = match;
  return { type: Number(type), count: Number(count), namespace, id, payload: parseJson(payload) };
}

function parseJson(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure("JSON as the payload of a Socket.IO packet", quote(text));
  }
}

/** Formats a packet for people. */
export function describePacket({ text, attachments }: SentPacket): string {
  const packet = text === undefined ? "no packet" : quote(text);
  const bytes = attachments.map(({ length }) => length).join(" and ");
  return packet + (attachments.length === 0 ? "" : ` with attachments of ${bytes} bytes`);
}

/** @throws Failure unless both packets are equal, with their payloads compared as JSON */
export function expectSamePacket(got: EncodedPacket | undefined, expected: EncodedPacket): void {
  if (got === undefined) throw new Failure(describePacket(expected), ENDED);
  const same =
    isDeepStrictEqual(parsePacket(got.text), parsePacket(expected.text)) &&
    got.attachments.length === expected.attachments.length &&
    got.attachments.every((each, i) => Buffer.compare(each, expected.attachments[i] ?? each) === 0);
  expect(same, describePacket(expected), describePacket(got));
}

/** The fields of the open packet (Engine.IO "Handshake"). */
export interface EngineHandshake {
  readonly sid: string;
  /** Largest message, in bytes. `Infinity` if the server announces no limit. */
  readonly maxPayload: number;
}

/** @throws Failure unless the packet is an open packet */
export function parseOpenPacket(text: string): EngineHandshake {
  const data: unknown = text.startsWith("0") ? parseJson(text.slice(1)) : undefined;
  if (typeof data !== "object" || data === null) throw new Failure("an open packet", quote(text));
  const sid = "sid" in data && typeof data.sid === "string" ? data.sid : "";
  const maxPayload =
    "maxPayload" in data && typeof data.maxPayload === "number"
      ? data.maxPayload
      : Number.POSITIVE_INFINITY;
  expect(sid !== "", "an open packet with a session id", quote(text));
  return { sid, maxPayload };
}

/** Returns the session id with which a server answers CONNECT. @throws Failure for any other packet */
export function sidOf(packet: EncodedPacket, namespace: string): string {
  const { payload } = parsePacket(packet.text);
  const sid =
    typeof payload === "object" && payload !== null && "sid" in payload ? payload.sid : undefined;
  expect(
    packet.text.startsWith(`0${namespacePart(namespace)}{`) &&
      typeof sid === "string" &&
      sid !== "",
    `CONNECT of "${namespace}" with a session id`,
    describePacket(packet),
  );
  return sid;
}

/**
 * Returns the payload of the client's CONNECT, which the server returns in the event "auth". @throws Failure for any
 * other packet
 */
export function authOf(packet: EncodedPacket, namespace: string): unknown {
  const { type, namespace: where, payload } = parsePacket(packet.text);
  const [event, auth] = Array.isArray(payload) ? payload : [];
  const isAuth = type === 2 && where === namespace && event === "auth";
  expect(isAuth, `the event "auth" in "${namespace}"`, describePacket(packet));
  return auth;
}

export class SocketioPeer {
  readonly websocket: WebSocketPeer;
  readonly handshake: EngineHandshake;
  readonly #target: Target;
  readonly #packets: EncodedPacket[] = [];
  #ended = false;
  #error: unknown;
  #ponged: (before: boolean) => void = () => {};
  #wake: () => void = () => {};

  constructor(websocket: WebSocketPeer, handshake: EngineHandshake, target: Target) {
    this.#target = target;
    this.websocket = websocket;
    this.handshake = handshake;
    this.#read()
      .catch((error: unknown) => {
        this.#error = error;
      })
      .finally(() => {
        this.#ended = true;
        this.#wake();
        this.#ponged(false);
      });
  }

  /** Opens a new connection, in no namespace yet. */
  static async open(context: Context): Promise<SocketioPeer> {
    const path = `${context.target.socketioPath}?EIO=4&transport=websocket`;
    const websocket = await context.websocket({ path });
    const { payload } = await websocket.message();
    const handshake = parseOpenPacket(Buffer.from(payload).toString());
    return new SocketioPeer(websocket, handshake, context.target);
  }

  /** Opens a new connection and joins the main namespace. */
  static async connected(context: Context): Promise<SocketioPeer> {
    const peer = await SocketioPeer.open(context);
    peer.sendConnect();
    sidOf(await peer.expectNext("CONNECT"), "/");
    if (context.target.lacks?.has("auth") !== true) {
      authOf(await peer.expectNext('the event "auth"'), "/");
    }
    return peer;
  }

  sendConnect(namespace = "/"): void {
    this.send(`0${namespacePart(namespace)}`);
  }

  /** Sends a packet without attachments. @throws Skip if the server lacks a behaviour that the packet needs */
  send(text: string): void {
    needBehaviourOf(this.#target, text);
    this.write([{ text, attachments: [] }]);
  }

  /** Sends packets in one write. Does not check whether the server lacks a behaviour that they need. */
  write(packets: readonly SentPacket[]): void {
    const bytes = encodePackets(packets, { masked: true });
    this.websocket.sendBytes(bytes, packets.map(describePacket).join(", and "));
  }

  sendEvent(data: readonly unknown[], id?: number): void {
    this.send(encodeEvent(data, id).text);
  }

  /** Returns the next packet, or `undefined` at the end of the connection. @throws Failure if it is invalid */
  async next(): Promise<EncodedPacket | undefined> {
    for (;;) {
      const packet = this.#packets.shift();
      if (packet !== undefined) return packet;
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Returns the next packet. @throws Failure at the end of the connection */
  async expectNext(expected: string): Promise<EncodedPacket> {
    const packet = await this.next();
    if (packet === undefined) throw new Failure(expected, ENDED);
    return packet;
  }

  /** Sends a WebSocket ping. Returns whether the server answers before the connection ends. */
  ping(): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#ponged = resolve;
      this.websocket.send({ opcode: PING, payload: "still there?" });
    });
  }

  /** The first received packet that next() has not returned yet, if there is one. */
  get waiting(): EncodedPacket | undefined {
    return this.#packets[0];
  }

  /** Reads messages until the end of the connection. */
  async #read(): Promise<void> {
    let unfinished: { readonly text: string; readonly attachments: Uint8Array[] } | undefined;
    for (let message = await this.#message(); message; message = await this.#message()) {
      const { text, bytes } = message;
      if (text?.startsWith("2")) {
        this.websocket.sendText(`3${text.slice(1)}`);
      } else if (text?.startsWith("4")) {
        const packet = { text: text.slice(1), attachments: [] };
        const { count } = parsePacket(packet.text);
        if (unfinished !== undefined) throw new Failure("an attachment", describePacket(packet));
        if (count === 0) this.#add(packet);
        else unfinished = packet;
      } else if (text !== undefined) {
        // The packets "close" and "noop" of Engine.IO have no effect here, and probes do not occur.
        expect(/^[16]/.test(text), "a packet of Engine.IO", quote(text));
      } else if (bytes !== undefined) {
        if (unfinished === undefined) {
          throw new Failure("only attachments that were announced", `${bytes.length} bytes`);
        }
        const { count } = parsePacket(unfinished.text);
        if (unfinished.attachments.push(bytes) < count) continue;
        this.#add(unfinished);
        unfinished = undefined;
      }
    }
  }

  #add(packet: EncodedPacket): void {
    this.#packets.push(packet);
    this.#wake();
  }

  /** Returns the next message, or `undefined` when the server has closed the connection. */
  async #message(): Promise<{ text?: string; bytes?: Uint8Array } | undefined> {
    const payloads: Uint8Array[] = [];
    let opcode = CONTINUATION;
    for (;;) {
      const frame = await this.websocket.next();
      if (frame === undefined) return undefined;
      if (frame.opcode === PING) {
        this.websocket.send({ opcode: PONG, payload: frame.payload });
      } else if (frame.opcode === PONG) {
        this.#ponged(true);
      } else if (frame.opcode === CLOSE) {
        this.websocket.send({ opcode: CLOSE, payload: frame.payload.subarray(0, 2) });
        return undefined;
      } else if (frame.opcode < CLOSE) {
        if (payloads.length === 0) opcode = frame.opcode;
        payloads.push(frame.payload);
        if (!frame.fin) continue;
        const bytes = Buffer.concat(payloads);
        return opcode === TEXT ? { text: bytes.toString() } : { bytes };
      }
    }
  }
}
