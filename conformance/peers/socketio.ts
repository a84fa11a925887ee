// A Socket.IO 5 client by hand, over Engine.IO 4 and a WebSocket: it sends what it is told, right or
// wrong. Pings are answered in the background, so that a case may listen to one client for as long
// as it likes while others wait.

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

/** A packet as it travels: the text without Engine.IO's "4", and the attachments behind it. */
export interface EncodedPacket {
  readonly text: string;
  readonly attachments: readonly Uint8Array[];
}

/** A packet that is sent, right or wrong. */
export interface SentPacket {
  /** Missing: attachments only. */
  readonly text: string | undefined;
  readonly attachments: readonly Uint8Array[];
}

/** Socket.IO "Packet encoding": what stands in a text. */
export interface PacketFields {
  readonly type: number;
  /** How many attachments it announces. */
  readonly count: number;
  readonly namespace: string;
  /** Its digits, so that none is lost. */
  readonly id: string | undefined;
  readonly payload: unknown;
}

/** A placeholder, as JSON has it. */
export function placeholder(num: number | string): string {
  return `{"_placeholder":true,"num":${num}}`;
}

/** An EVENT of the main namespace, without bytes. */
export function encodeEvent(data: readonly unknown[], id?: number): EncodedPacket {
  return { text: `2${id ?? ""}${JSON.stringify(data)}`, attachments: [] };
}

/** The messages of packets, each in one frame (RFC 6455 §5.2). */
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

/** "…only included if it is different from the main namespace". */
export function namespacePart(namespace: string): string {
  return namespace === "/" ? "" : `${namespace},`;
}

/** @throws Failure for what is no packet */
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

/** For people. */
export function describePacket({ text, attachments }: SentPacket): string {
  const packet = text === undefined ? "no packet" : quote(text);
  const bytes = attachments.map(({ length }) => length).join(" and ");
  return packet + (attachments.length === 0 ? "" : ` with attachments of ${bytes} bytes`);
}

/** @throws Failure unless both say the same: in JSON there are several ways to say it. */
export function expectSamePacket(got: EncodedPacket | undefined, expected: EncodedPacket): void {
  if (got === undefined) throw new Failure(describePacket(expected), ENDED);
  const same =
    isDeepStrictEqual(parsePacket(got.text), parsePacket(expected.text)) &&
    got.attachments.length === expected.attachments.length &&
    got.attachments.every((each, i) => Buffer.compare(each, expected.attachments[i] ?? each) === 0);
  expect(same, describePacket(expected), describePacket(got));
}

/** What is in the open packet. Engine.IO "Handshake". */
export interface EngineHandshake {
  readonly sid: string;
  /** Bytes of one message; without it as many as one likes. */
  readonly maxPayload: number;
}

/** @throws Failure for what is no open packet */
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

/** The session id with which a server answers CONNECT. @throws Failure for any other packet */
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

/** What the server was given with CONNECT, as it says in the event "auth". @throws Failure for any other packet */
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

  /** A new connection, in no namespace yet. */
  static async open(context: Context): Promise<SocketioPeer> {
    const path = `${context.target.socketioPath}?EIO=4&transport=websocket`;
    const websocket = await context.websocket({ path });
    const { payload } = await websocket.message();
    const handshake = parseOpenPacket(Buffer.from(payload).toString());
    return new SocketioPeer(websocket, handshake, context.target);
  }

  /** A new connection that has joined the main namespace. */
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

  /** Sends a packet without attachments. @throws Skip where the server lacks what it asks for */
  send(text: string): void {
    needBehaviourOf(this.#target, text);
    this.write([{ text, attachments: [] }]);
  }

  /** Sends packets in one write, whatever the server lacks. */
  write(packets: readonly SentPacket[]): void {
    const bytes = encodePackets(packets, { masked: true });
    this.websocket.sendBytes(bytes, packets.map(describePacket).join(", and "));
  }

  sendEvent(data: readonly unknown[], id?: number): void {
    this.send(encodeEvent(data, id).text);
  }

  /** The next packet; `undefined` at the end of the connection. @throws Failure for what is none */
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

  /** The next packet. @throws Failure at the end of the connection */
  async expectNext(expected: string): Promise<EncodedPacket> {
    const packet = await this.next();
    if (packet === undefined) throw new Failure(expected, ENDED);
    return packet;
  }

  /** Whether a ping of the WebSocket is answered before the connection ends. */
  ping(): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#ponged = resolve;
      this.websocket.send({ opcode: PING, payload: "still there?" });
    });
  }

  /** A packet that has come and was not taken. */
  get waiting(): EncodedPacket | undefined {
    return this.#packets[0];
  }

  /** Takes messages until the end. */
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
        // "close" and "noop" of Engine.IO say nothing here; a probe's packets do not belong here.
        expect(/^[16]/.test(text), "a packet of Engine.IO", quote(text));
      } else if (bytes !== undefined) {
        if (unfinished === undefined) {
          throw new Failure("attachments that were announced", `${bytes.length} bytes`);
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

  /** The next message; `undefined` when the server has closed. */
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
