// A client in the same process, for tests of programs: no port, and nothing of HTTP, but the real
// session, the real codec both ways, and the real dispatch.
//
//   const client = await io.testClient({ auth: { token: "…" } });
//   assert.equal(await client.emit("sum", 1, 2), 3);      // what the handler acknowledged
//   const [text] = await client.waitFor("chat");

import { IncomingMessage } from "node:http";
import { Socket as NetSocket } from "node:net";
import {
  ACK,
  CONNECT,
  CONNECT_ERROR,
  type ConnectErrorData,
  DISCONNECT,
  EVENT,
  type Packet,
} from "../../protocol/socketio/packet.ts";
import type { MemoryTransport } from "../engineio/memory-transport.ts";
import { Acknowledgements, ackPromise } from "../events/acknowledgements.ts";
import {
  callListener,
  type DefaultEventsMap,
  type EventArguments,
  type EventNames,
  type Listener,
  type Untyped,
} from "../events/emitter.ts";
import { DisconnectedError } from "../events/errors.ts";
import { headerFields, type OptionTable, object, string } from "../events/options.ts";
import type { PacketDecoder } from "../events/parser.ts";
import type { Codec } from "./codec.ts";

/** With what a test client comes. */
export interface TestClientOptions {
  /** The namespace that it joins. Default "/". */
  readonly namespace?: string;
  /** What the server finds in `socket.handshake.auth`. */
  readonly auth?: object;
  /** The query of its request. */
  readonly query?: Readonly<Record<string, string>>;
  /** The header fields of its request. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What each option must be. */
export const TEST_CLIENT_OPTIONS: OptionTable<TestClientOptions> = {
  auth: object,
  headers: headerFields,
  namespace: string,
  query: object,
};

/** An event that the server has sent. */
export interface ReceivedEvent {
  readonly event: string;
  readonly args: readonly Untyped[];
}

/** The arguments of an event, but for the callback of an acknowledgement. */
type WithoutCallback<Arguments extends readonly unknown[]> = Arguments extends [
  ...infer Others,
  (...args: never[]) => unknown,
]
  ? Others
  : Arguments;

/** The request with which a test client comes. */
export function createTestRequest({
  query = {},
  headers = {},
}: TestClientOptions): IncomingMessage {
  const request = new IncomingMessage(new NetSocket());
  const search = new URLSearchParams({ EIO: "4", transport: "websocket", ...query });
  request.method = "GET";
  request.url = `/socket.io/?${search}`;
  for (const [name, value] of Object.entries(headers)) request.headers[name.toLowerCase()] = value;
  return request;
}

export class TestClient<ListenEvents = DefaultEventsMap> {
  readonly #transport: MemoryTransport;
  readonly #codec: Codec;
  readonly #decoder: PacketDecoder;
  readonly #namespace: string;
  readonly #acks = new Acknowledgements();
  readonly #listeners = new Map<string, Listener>();
  #received: ReceivedEvent[] = [];
  #waiting: {
    event: string;
    resolve(args: readonly Untyped[]): void;
    reject(error: Error): void;
  }[] = [];
  #ackId = 0;
  #id: string | undefined;
  #refusal: ConnectErrorData | undefined;
  #onAnswer: (() => void) | undefined;

  /** @internal */
  constructor(transport: MemoryTransport, codec: Codec, namespace: string) {
    this.#transport = transport;
    this.#codec = codec;
    this.#decoder = codec.createDecoder();
    this.#namespace = namespace;
    transport.deliverTo({
      onMessage: (data) => this.#onPacket(this.#decoder.add(data)),
      onEnd: () => this.#onEnd(),
    });
  }

  /** Joins the namespace; resolves when the server has answered. @internal */
  async join(auth: object | undefined): Promise<this> {
    const answered = new Promise<void>((resolve) => {
      this.#onAnswer = resolve;
    });
    this.#send({ type: CONNECT, namespace: this.#namespace, data: auth });
    await answered;
    return this;
  }

  /** It is in the namespace: neither refused nor sent away, and has not gone. */
  get connected(): boolean {
    return this.#id !== undefined;
  }

  /** The id of its socket, while it is connected. */
  get id(): string | undefined {
    return this.#id;
  }

  /** With what it was refused. */
  get refusal(): ConnectErrorData | undefined {
    return this.#refusal;
  }

  /**
   * Sends an event; resolves to what the server acknowledges it with. Rejects with
   * DisconnectedError when the end comes first. Need not be awaited.
   */
  emit<Event extends EventNames<ListenEvents>>(
    event: Event,
    ...args: WithoutCallback<EventArguments<ListenEvents, Event>>
  ): Promise<Untyped> {
    const acknowledged = new Promise((resolve, reject) => {
      if (!this.connected) {
        reject(new DisconnectedError());
        return;
      }
      const id = this.#ackId++;
      this.#acks.await(id, ackPromise(resolve, reject));
      this.#send({ type: EVENT, namespace: this.#namespace, data: [event, ...args], id });
    });
    // Whoever does not await it does not care.
    acknowledged.catch(() => {});
    return acknowledged;
  }

  /** Calls `listener` for an event of the server, with the callback of an acknowledgement at the end if the server awaits one. */
  on(event: string, listener: Listener): this {
    this.#listeners.set(event, listener);
    return this;
  }

  /** The events that have come since the last call, of one name or all; those that waitFor() gave are not among them. */
  received(event?: string): ReceivedEvent[] {
    const matching = this.#received.filter((each) => event === undefined || each.event === event);
    this.#received = this.#received.filter((each) => !matching.includes(each));
    return matching;
  }

  /** Resolves to the arguments of the next event of that name, which may have come already. Rejects with DisconnectedError when the end comes first. */
  waitFor(event: string): Promise<readonly Untyped[]> {
    const at = this.#received.findIndex((each) => each.event === event);
    const [come] = at === -1 ? [] : this.#received.splice(at, 1);
    if (come !== undefined) return Promise.resolve(come.args);
    return new Promise((resolve, reject) => {
      if (this.connected) this.#waiting.push({ event, resolve, reject });
      else reject(new DisconnectedError());
    });
  }

  /** Leaves the namespace and ends the connection; resolves when the server knows. */
  async disconnect(): Promise<void> {
    if (this.connected) this.#send({ type: DISCONNECT, namespace: this.#namespace });
    this.#leave();
    await new Promise<void>((resolve) => process.nextTick(() => process.nextTick(resolve)));
    this.#transport.lose();
  }

  #send(packet: Packet): void {
    this.#transport.receive(this.#codec.encode(packet, false));
  }

  #onPacket(packet: Packet | undefined): void {
    switch (packet?.type) {
      case CONNECT:
        this.#id = sidOf(packet.data);
        this.#onAnswer?.();
        break;
      case CONNECT_ERROR:
        this.#refusal = packet.data;
        this.#onAnswer?.();
        break;
      case DISCONNECT:
        this.#leave();
        break;
      case ACK:
        this.#acks.receive(packet.id, packet.data);
        break;
      case EVENT:
        this.#onEvent(packet.data, packet.id);
    }
  }

  #onEvent(
    [name, ...args]: readonly [string | number, ...unknown[]],
    id: number | undefined,
  ): void {
    const event = `${name}`;
    const listener = this.#listeners.get(event);
    if (listener !== undefined) {
      const acknowledge: Listener = (...data) => {
        if (id !== undefined) this.#send({ type: ACK, namespace: this.#namespace, data, id });
      };
      callListener(this, listener, id === undefined ? args : [...args, acknowledge]);
    }
    const at = this.#waiting.findIndex((each) => each.event === event);
    const [waiting] = at === -1 ? [] : this.#waiting.splice(at, 1);
    if (waiting === undefined) this.#received.push({ event, args });
    else waiting.resolve(args);
  }

  #onEnd(): void {
    this.#leave();
    this.#onAnswer?.();
  }

  #leave(): void {
    this.#id = undefined;
    this.#acks.disconnect();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(new DisconnectedError());
  }
}

function sidOf(data: object | undefined): string {
  return data !== undefined && "sid" in data ? `${data.sid}` : "";
}
