// The Engine.IO sessions of a transcript, over HTTP long-polling and over a WebSocket.

import { randomBytes } from "node:crypto";

import { needBehaviour } from "../harness/behaviour.ts";
import { expect, Failure, Skip } from "../harness/case.ts";
import { type Context, wait } from "../harness/context.ts";
import { hex } from "../harness/conversation.ts";
import {
  checkIntervals,
  decodeBase64,
  describePacket,
  expectPackets,
  isMessage,
  type OpenPacket,
  type Packet,
  type PollingSession,
  parseObject,
  pathWith,
  type Revision,
  type WebSocketSession,
  within,
} from "../peers/engineio.ts";
import type { HttpAnswer } from "../peers/http.ts";
import { ENDED } from "../peers/tcp.ts";
import { BINARY, describeFrame, encodeFrame, PONG, TEXT } from "../peers/websocket.ts";
import type { Answer } from "./http.ts";

/** Time limit for the response to a request, and for the end of a session, in milliseconds. */
const A_SECOND = 1000;

/** The operations that both transports have. */
export interface Session {
  readonly revision: Revision;
  readonly open: OpenPacket;
  /** Sends packets in one write or one payload. */
  send(packets: readonly Packet[]): Promise<void>;
  /** Expects these packets next. */
  expect(packets: readonly Packet[]): Promise<void>;
  /** Expects no message for so many milliseconds. */
  expectNoMessage(milliseconds: number): Promise<void>;
  expectClosed(limit?: number): Promise<void>;
}

/**
 * Decides which received packets a line of the transcript ignores. Pings of revision 4 are answered, and noops are
 * ignored, unless the line expects a ping or a noop. After the first line that expects a ping, the transcript sends the
 * pongs itself.
 */
class Heartbeat {
  readonly #revision: Revision;
  #answers = true;

  constructor(revision: Revision) {
    this.#revision = revision;
  }

  /** @throws Skip if the line expects a ping, and the heartbeat interval is too long to wait for the ping */
  await(packets: readonly Packet[], open: OpenPacket): void {
    if (this.#revision === 3 || !packets.includes("2")) return;
    checkIntervals(open);
    this.#answers = false;
  }

  isPing(packet: Packet | undefined): boolean {
    return this.#revision === 4 && packet === "2";
  }

  /** Returns whether the line ignores this packet. Answers the packet if it is a ping. */
  async passes(
    packet: Packet | undefined,
    wanted: Packet | undefined,
    session: Pick<Session, "send">,
  ): Promise<boolean> {
    if (packet === wanted) return false;
    if (packet === "6") return true;
    if (!this.isPing(packet)) return false;
    if (this.#answers) await session.send(["3"]);
    return true;
  }
}

export class OverPolling implements Session {
  readonly revision: Revision;
  readonly session: PollingSession;
  readonly #context: Context;
  readonly #heartbeat: Heartbeat;
  /** The GETs whose responses were not yet searched for packets. */
  #waiting: Promise<HttpAnswer>[] = [];
  /** The last request that a line sent explicitly. */
  #request: Promise<HttpAnswer> | undefined;
  #packets: Packet[];

  constructor(context: Context, session: PollingSession, revision: Revision) {
    this.#context = context;
    this.session = session;
    this.revision = revision;
    this.#heartbeat = new Heartbeat(revision);
    this.#packets = [...session.behindOpen];
  }

  get open(): OpenPacket {
    return this.session.open;
  }

  get(): void {
    this.#request = this.session.get();
    this.#waiting.push(this.#request);
  }

  /** Sends a request with this method. Any response is accepted, and the response may be missing. */
  async request(method: string, body: Uint8Array): Promise<void> {
    this.#request = this.session.post(body, { "Content-Type": this.session.type }, method);
    await within(A_SECOND, Promise.allSettled([this.#request]));
  }

  async answer(): Promise<Answer> {
    if (this.#request === undefined)
      throw new Error("a line expects a response, but no earlier line has sent a request");
    const { status, headers, body } = await this.#request;
    const fields = Object.entries(headers).map(([name, value]) => [name, `${value}`] as const);
    return { line: `HTTP/1.1 ${status}`, headers: new Map(fields), body: async () => body };
  }

  send(packets: readonly Packet[]): Promise<void> {
    return this.session.send(...packets);
  }

  async expect(wanted: readonly Packet[]): Promise<void> {
    if (wanted.some(isMessage)) needBehaviour(this.#context.target, "engineio-echo");
    this.#heartbeat.await(wanted, this.open);
    const got: Packet[] = [];
    for (;;) {
      for (const packet of this.#packets.splice(0)) {
        if (await this.#heartbeat.passes(packet, wanted[got.length], this)) continue;
        got.push(packet);
      }
      if (got.length >= wanted.length) break;
      expectPackets(got, wanted.slice(0, got.length));
      this.#packets = this.session.packetsOf(await this.#nextAnswer());
    }
    expectPackets(got, wanted);
  }

  /** Expects no response to the pending GET for so many milliseconds. Responses with only pings do not count. */
  async expectNoAnswer(milliseconds: number): Promise<void> {
    await this.#watch(milliseconds, ({ status }, packets) => {
      const got = `status ${status}: ${packets.map(describePacket).join(", ")}`;
      expect(packets.length === 0 && status === 200, "a pending GET", got);
    });
  }

  async expectNoMessage(milliseconds: number): Promise<void> {
    await this.#watch(milliseconds, (_answer, packets) => {
      const message = packets.find(isMessage);
      expect(message === undefined, "no message", describePacket(message ?? ""));
    });
  }

  async expectClosed(): Promise<void> {
    for (const waiting of this.#waiting.splice(0)) {
      // The response may have any status: the case checks that the session ends. A ping would show that the session
      // continues.
      const [answer] = (await within(A_SECOND, Promise.allSettled([waiting]))) ?? [];
      expect(answer !== undefined, "a session that has ended", "a pending GET");
      if (answer.status === "rejected" || answer.value.status !== 200) continue;
      const pinged = this.session
        .packetsOf(answer.value)
        .some((each) => this.#heartbeat.isPing(each));
      expect(!pinged, "a session that has ended", "a ping");
    }
    await this.session.expectClosed();
  }

  /**
   * Calls `look` with each response and its packets other than pings, for so many milliseconds, or until a GET is
   * refused.
   */
  async #watch(
    milliseconds: number,
    look: (answer: HttpAnswer, packets: readonly Packet[]) => void,
  ): Promise<void> {
    const end = performance.now() + milliseconds;
    for (;;) {
      const waiting = this.#waiting[0] ?? this.session.get();
      this.#waiting[0] = waiting;
      const answer = await within(Math.max(0, end - performance.now()), waiting);
      if (answer === undefined) return;
      this.#waiting.shift();
      const packets = answer.status === 200 ? this.session.packetsOf(answer) : [];
      const others: Packet[] = [];
      for (const packet of packets) {
        if (!this.#heartbeat.isPing(packet)) others.push(packet);
        else await this.#heartbeat.passes(packet, undefined, this);
      }
      if (packets.length === 0 || others.length > 0) look(answer, others);
      if (answer.status !== 200) return;
    }
  }

  #nextAnswer(): Promise<HttpAnswer> {
    return this.#waiting.shift() ?? this.session.get();
  }
}

export class OverWebSocket implements Session {
  readonly revision: Revision;
  readonly open: OpenPacket;
  readonly session: WebSocketSession;
  readonly #heartbeat: Heartbeat;

  constructor(session: WebSocketSession, open: OpenPacket, revision: Revision) {
    this.session = session;
    this.open = open;
    this.revision = revision;
    this.#heartbeat = new Heartbeat(revision);
  }

  async send(packets: readonly Packet[]): Promise<void> {
    const frames = packets.map((packet) => {
      if (typeof packet === "string") return encodeFrame({ opcode: TEXT, payload: packet });
      const payload = this.revision === 4 ? packet : Buffer.from([4, ...packet]);
      return encodeFrame({ opcode: BINARY, payload });
    });
    const meaning = packets.map(describePacket).join(", ");
    this.session.peer.sendBytes(Buffer.concat(frames), meaning);
  }

  async expect(packets: readonly Packet[]): Promise<void> {
    if (packets.some(isMessage)) this.session.peer.need("engineio-echo");
    this.#heartbeat.await(packets, this.open);
    for (const wanted of packets) {
      const got = await this.#next(wanted);
      if (got === undefined) throw new Failure(describePacket(wanted), "the end of the session");
      // In revision 3, the server may send a binary message as bytes or in base64.
      const isBase64 = typeof wanted !== "string" && typeof got === "string" && /^b4/.test(got);
      expectPackets([isBase64 ? decodeBase64(got.slice(2)) : got], [wanted]);
    }
  }

  async expectPong(payload: Uint8Array): Promise<void> {
    let frame = await this.session.peer.next();
    // Skips text frames before the pong frame, because they may contain heartbeat packets of Engine.IO.
    while (frame?.opcode === TEXT) frame = await this.session.peer.next();
    if (frame === undefined) throw new Failure("a pong frame", ENDED);
    const same = frame.opcode === PONG && Buffer.compare(frame.payload, payload) === 0;
    expect(same, `a pong frame with ${hex(payload, 32)}`, describeFrame(frame));
  }

  async expectNoMessage(milliseconds: number): Promise<void> {
    const packet = await within(milliseconds, this.#next());
    expect(packet === undefined, "no message", describePacket(packet ?? ""));
  }

  /** The server may send a close packet before it closes the connection. */
  async expectClosed(limit = A_SECOND): Promise<void> {
    const end = async (): Promise<{ packet: Packet | undefined }> => {
      let packet = await this.#next();
      if (packet === "1") packet = await this.#next();
      return { packet };
    };
    const ended = await within(limit, end());
    if (ended === undefined) throw new Failure("the end of the WebSocket", "an open WebSocket");
    const { packet } = ended;
    expect(packet === undefined, "the end of the WebSocket", describePacket(packet ?? ""));
  }

  async #next(wanted?: Packet): Promise<Packet | undefined> {
    for (;;) {
      const packet = await this.session.next(true);
      if (!(await this.#heartbeat.passes(packet, wanted, this))) return packet;
    }
  }
}

/** Expects the echo of a message, with no packet before it. */
export async function expectAlive(session: Session): Promise<void> {
  const message = `4alive ${randomBytes(6).toString("hex")}`;
  await session.send([message]);
  await session.expect([message]);
}

/**
 * Expects the session to end within a second: the server no longer knows its id. @throws Skip if the server's refusals
 * contain no error code
 */
export async function expectForgotten(
  context: Context,
  { revision, open }: Session,
): Promise<void> {
  const query = { EIO: `${revision}`, transport: "polling", sid: open.sid };
  for (let turn = 0; turn < 20; turn++) {
    const { body } = await context.http({ path: pathWith(context.target, query) });
    const code = parseObject(body)?.code;
    if (code === undefined) throw new Skip("the refusals of the server have no code");
    if (code === 1) return;
    await wait(A_SECOND / 20);
  }
  throw new Failure("an unknown id", "a known id");
}
