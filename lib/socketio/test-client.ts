// A client in the same process, for tests of applications. It needs no port and no HTTP, but uses the
// real session, codec and dispatcher.
//
//   const client = await io.testClient({ auth: { token: "…" } });
//   assert.equal(await client.emit("sum", 1, 2), 3);      // the acknowledgement of the handler
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

/** The options of a test client. */
export interface TestClientOptions {
  /** The namespace to join. Default: "/". */
  readonly namespace?: string;
  /** The value of `socket.handshake.auth`. Default: an empty object. */
  readonly auth?: object;
  /** Query parameters of the request. Default: none. */
  readonly query?: Readonly<Record<string, string>>;
  /** Headers of the request. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The checks of the options. */
export const TEST_CLIENT_OPTIONS: OptionTable<TestClientOptions> = {
  auth: object,
  headers: headerFields,
  namespace: string,
  query: object,
};

/** An event that the server sent. */
export interface ReceivedEvent {
  /** The name of the event. */
  readonly event: string;
  /** The arguments of the event. */
  readonly args: readonly Untyped[];
}

/** The arguments of an event without the acknowledgement callback. */
export type WithoutCallback<Arguments extends readonly unknown[]> = Arguments extends [
  ...infer Others,
  (...args: never[]) => unknown,
]
  ? Others
  : Arguments;

/** Creates the request of a test client. */
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

/**
 * A client in the same process, for tests. Created by Server.testClient().
 *
 * @example
 * ```ts
 * const client = await io.testClient({ auth: { token: "secret" } });
 * const sum = await client.emit("sum", 1, 2);
 * const [text] = await client.waitFor("chat");
 * await client.disconnect();
 * ```
 */
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

  /** Creates a client. Use Server.testClient() instead. @internal */
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

  /**
   * Joins the namespace. Resolves after the server has accepted or refused the client. @internal
   */
  async join(auth: object | undefined): Promise<this> {
    const answered = new Promise<void>((resolve) => {
      this.#onAnswer = resolve;
    });
    this.#send({ type: CONNECT, namespace: this.#namespace, data: auth });
    await answered;
    return this;
  }

  /** Whether the client is in the namespace: accepted, and not disconnected since. */
  get connected(): boolean {
    return this.#id !== undefined;
  }

  /** The id of the client's socket. `undefined` if the client is not connected. */
  get id(): string | undefined {
    return this.#id;
  }

  /**
   * The message and the data with which the server refused the client. `undefined` if the server
   * did not refuse it.
   */
  get refusal(): ConnectErrorData | undefined {
    return this.#refusal;
  }

  /**
   * Sends an event and resolves to the server's acknowledgement. Rejects with a DisconnectedError
   * if the client is disconnected first. The caller may ignore the promise.
   *
   * @param event the name of the event
   * @param args the arguments of the event
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
    // Prevents an unhandled rejection if the caller ignores the promise.
    acknowledged.catch(() => {});
    return acknowledged;
  }

  /**
   * Sets the listener for an event that the server sends. If the server expects an acknowledgement,
   * the last argument of the listener is a function that sends the acknowledgement.
   *
   * @param event the name of the event
   * @param listener replaces the current listener for the event
   */
  on(event: string, listener: Listener): this {
    this.#listeners.set(event, listener);
    return this;
  }

  /**
   * Returns the events received since the last call, and forgets them. Events that waitFor()
   * returned are not included.
   *
   * @param event the name of the events to return. Default: all events
   */
  received(event?: string): ReceivedEvent[] {
    const matching = this.#received.filter((each) => event === undefined || each.event === event);
    this.#received = this.#received.filter((each) => !matching.includes(each));
    return matching;
  }

  /**
   * Resolves to the arguments of the next event with this name, which may have been received
   * already. Rejects with a DisconnectedError if the client is disconnected first.
   *
   * @param event the name of the event
   */
  waitFor(event: string): Promise<readonly Untyped[]> {
    const at = this.#received.findIndex((each) => each.event === event);
    const [come] = at === -1 ? [] : this.#received.splice(at, 1);
    if (come !== undefined) return Promise.resolve(come.args);
    return new Promise((resolve, reject) => {
      if (this.connected) this.#waiting.push({ event, resolve, reject });
      else reject(new DisconnectedError());
    });
  }

  /**
   * Leaves the namespace and closes the connection. Resolves after the server has handled the
   * disconnection.
   */
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
