// One client, over whichever transport it has: its state, what waits to be sent, its heartbeat.
// Engine.IO "Handshake" to "Upgrade"; the states are those of protocol/engineio/session.ts.

import type { IncomingMessage } from "node:http";

import type { Bytes } from "../../protocol/bytes.ts";
import type { Revision } from "../../protocol/engineio/handshake.ts";
import {
  CLOSE,
  decodePacket,
  encodePacket,
  MESSAGE,
  PACKET_NAMES,
  type Packet,
  type PacketType,
  PING,
  PONG,
} from "../../protocol/engineio/packet.ts";
import {
  type CloseReason,
  nextSessionState,
  type SessionEvent,
  type SessionState,
} from "../../protocol/engineio/session.ts";
import { NodeEmitter } from "../events.ts";
import type { ClientHeartbeat, Heartbeat, Heartbeating } from "./heartbeat.ts";
import { KeptRequest } from "./kept-request.ts";
import { NOOP_PACKET, Outgoing, PING_PACKET, PONG_PACKET } from "./outgoing.ts";
import type { Transport, TransportSink } from "./transport.ts";
import type { Upgrade } from "./upgrade.ts";
import type { WebSocketTransport } from "./websocket.ts";

export type { CloseReason };

/** The layer above: what a session delivers to, synchronously and in order. */
export interface SessionSink {
  onText(text: string): void;
  onBinary(bytes: Bytes): void;
  /**
   * The session has ended; nothing follows.
   *
   * @param detail what exactly happened, where more is known than the reason
   */
  onClose(reason: CloseReason, detail?: Error): void;
}

/** A packet as listeners see it, its type by name. */
export interface PacketDetails {
  readonly type: (typeof PACKET_NAMES)[PacketType];
  /** Text, or the bytes of a message. */
  readonly data: string | Bytes;
}

/** What a session tells of itself to whoever listens; what it carries goes to its sink. */
export interface SessionEvents {
  /** A packet has come. */
  packet: (packet: PacketDetails) => void;
  /** A packet is sent. */
  packetCreate: (packet: PacketDetails) => void;
  /** A message has come. */
  message: (data: string | Bytes) => void;
  /** The same as "message". */
  data: (data: string | Bytes) => void;
  /** A ping or a pong has come in time. */
  heartbeat: () => void;
  /** Another transport was proved to reach it. */
  upgrading: (transport: Transport) => void;
  /** It has changed to another transport. */
  upgrade: (transport: Transport) => void;
  /** What waited has been handed over. */
  drain: () => void;
  /** It has ended. */
  close: (reason: CloseReason, description?: Error) => void;
}

/** What all sessions of an engine have in common that speak the same revision of the protocol. */
export interface SessionHost {
  readonly protocol: Revision;
  readonly heartbeat: Heartbeat | ClientHeartbeat;
  /** Bytes that may wait for one client. */
  readonly maxBackpressure: number;
  /** A session has ended; its sink is told next. */
  onClosed(session: Session): void;
}

export class Session extends NodeEmitter<SessionEvents> implements TransportSink, Heartbeating {
  /** The session's id, "sid" on the wire. */
  readonly id: string;
  /** The IP address from which the client came. */
  readonly remoteAddress: string;
  readonly #host: SessionHost;
  #request: IncomingMessage | KeptRequest;
  #state: SessionState;
  #transport: Transport;
  #sink: SessionSink | undefined;
  #upgrade: Upgrade | undefined;
  // What waits for the transport to be writable, in order, and how much memory that takes; most
  // sessions have nothing that waits.
  #queue: Outgoing[] | undefined;
  #queueLength = 0;

  /**
   * @param request the HTTP request with which it begins
   * @param alone nobody else has seen the request, so that another one may stand for it
   */
  constructor(
    id: string,
    request: IncomingMessage,
    alone: boolean,
    transport: Transport,
    host: SessionHost,
  ) {
    super();
    this.id = id;
    this.#request = alone ? KeptRequest.of(request) : request;
    // Known while the connection is open only.
    this.remoteAddress = request.socket.remoteAddress ?? "";
    this.#transport = transport;
    this.#state = transport.name;
    this.#host = host;
  }

  /** The HTTP request with which it began. */
  get request(): IncomingMessage {
    const request = this.#request;
    if (!(request instanceof KeptRequest)) return request;
    const restored = request.restore();
    this.#request = restored;
    return restored;
  }

  /** Programs for other servers set it to `null` to save memory, which there is no need for here. */
  set request(request: IncomingMessage | null) {
    if (request !== null) this.#request = request;
  }

  /** The revision of the protocol that its client speaks. */
  get protocol(): Revision {
    return this.#host.protocol;
  }

  /** Begins to deliver. The transport must have been given this session as its sink, or be given it now. */
  open(sink: SessionSink | undefined): void {
    this.#sink = sink;
    this.#host.heartbeat.begin(this);
  }

  get state(): SessionState {
    return this.#state;
  }

  /** Whether it is open, as other servers name it. */
  get readyState(): "open" | "closing" | "closed" {
    return this.#isOpen() ? "open" : this.#state === "closed" ? "closed" : "closing";
  }

  /** What carries its packets now. */
  get transport(): Transport {
    return this.#transport;
  }

  /** Packets leave now; otherwise they wait (and volatile ones are dropped). */
  get writable(): boolean {
    return this.#queue === undefined && this.#transport.writable && this.#isOpen();
  }

  /** Sends when the transport can. What is sent on a session that is closing or closed is dropped. */
  send(message: Outgoing): void {
    if (this.listenerCount("packetCreate") > 0 && this.#isOpen()) this.#tellSent(message);
    if (this.writable) this.#transport.send(message);
    else if (this.#isOpen()) this.#wait(message);
  }

  /** Ends the session when all that was sent has left; a client that polls is told with its next request. */
  close(): void {
    if (!this.#isOpen()) return;
    this.#advance("close");
    if (this.#queue === undefined) this.#transport.close();
  }

  /** Ends the session at once and tells a client that can hear it; what waits to be sent is dropped. */
  shutDown(): void {
    this.#clear();
    this.close();
    this.discard("forced close");
  }

  /** Ends the session at once, for a fault; what waits to be sent is dropped. */
  discard(reason: CloseReason, detail?: Error): void {
    if (this.#state === "closed") return;
    this.#transport.discard();
    this.onLost(reason, detail);
  }

  // The upgrade. Engine.IO "Upgrade".

  /** A WebSocket for this session may be tried: none is being tried, and there is something to upgrade. */
  get mayUpgrade(): boolean {
    return this.#state === "polling" && this.#upgrade === undefined;
  }

  /** A WebSocket for this session was opened. */
  beginUpgrade(upgrade: Upgrade): void {
    this.#upgrade = upgrade;
  }

  /** The WebSocket was proved to reach this session. */
  onProbe(transport: Transport): void {
    if (this.#state !== "polling") return;
    this.#advance("probe");
    this.dispatch("upgrading", [transport]);
    if (this.#transport.writable) this.onWritable();
  }

  /** The client has changed to the WebSocket: what waits leaves there. */
  onUpgrade(transport: WebSocketTransport): void {
    this.#advance("upgrade");
    this.#upgrade = undefined;
    const polling = this.#transport;
    this.#transport = transport;
    transport.deliverTo(this);
    polling.release();
    this.dispatch("upgrade", [transport]);
    this.onWritable();
  }

  /** The WebSocket came to nothing. */
  onAbandon(): void {
    this.#upgrade = undefined;
    if (this.#state === "probing") this.#advance("abandon");
  }

  // The transport's sink.

  onPacket(packet: Packet): void {
    // Who is being sent away is not heard any more, but for its own end.
    if (!this.#isOpen() && (this.#state === "closed" || packet.type !== CLOSE)) return;
    if (this.listens) this.#tellReceived(packet);
    // The common case first.
    if (packet.type === MESSAGE) {
      this.#host.heartbeat.onOtherPacket(this);
      if (typeof packet.data === "string") this.#sink?.onText(packet.data);
      else this.#sink?.onBinary(packet.data);
    } else if (packet.type === CLOSE) {
      this.#transport.release();
      this.onLost("transport close");
    } else if (packet.type === PING || packet.type === PONG) {
      this.#onHeartbeat(packet.type, packet.data);
    }
  }

  /** "the server sends ping, the client pong"; in revision 3 the other way round. */
  #onHeartbeat(type: typeof PING | typeof PONG, data: string): void {
    if (type !== (this.protocol === 4 ? PONG : PING)) {
      this.discard("transport error", new Error("invalid heartbeat direction"));
      return;
    }
    this.dispatch("heartbeat", []);
    if (type === PONG) {
      this.#host.heartbeat.onPong(this);
    } else {
      this.#host.heartbeat.onOtherPacket(this);
      // Engine.IO 3 "Packet": "a pong packet containing the same data".
      const pong = data === "" ? PONG_PACKET : new Outgoing([encodePacket(PONG, data)], false);
      this.send(pong);
    }
  }

  onWritable(): void {
    const queue = this.#queue;
    if (queue === undefined) {
      // The client finishes its requests before it changes to the WebSocket, so none is kept waiting.
      if (this.#state === "probing" && this.#transport.writable) this.#transport.send(NOOP_PACKET);
      return;
    }
    let sent = 0;
    for (const message of queue) {
      if (!this.#transport.writable) break;
      this.#transport.send(message);
      this.#queueLength -= message.length;
      sent++;
    }
    this.#queue = sent === queue.length ? undefined : queue.slice(sent);
    if (this.#queue === undefined) this.dispatch("drain", []);
    if (this.#state === "closing" && this.#queue === undefined) this.#transport.close();
  }

  onLost(reason: CloseReason, detail?: Error): void {
    if (this.#state === "closed") return;
    this.#advance("lost");
    this.#host.heartbeat.end(this);
    this.#clear();
    const upgrade = this.#upgrade;
    this.#upgrade = undefined;
    upgrade?.abandon();
    this.#host.onClosed(this);
    this.#sink?.onClose(reason, detail);
    this.dispatch("close", detail === undefined ? [reason] : [reason, detail]);
  }

  // The heartbeat's calls.

  onPingDue(): void {
    this.send(PING_PACKET);
  }

  onPingTimeout(): void {
    this.discard("ping timeout");
  }

  #tellReceived({ type, data }: Packet): void {
    this.dispatch("packet", [{ type: PACKET_NAMES[type], data }]);
    if (type !== MESSAGE) return;
    this.dispatch("data", [data]);
    this.dispatch("message", [data]);
  }

  #tellSent({ packets }: Outgoing): void {
    for (const encoded of packets) {
      const { type, data }: Packet =
        typeof encoded === "string" ? decodePacket(encoded) : { type: MESSAGE, data: encoded };
      this.dispatch("packetCreate", [{ type: PACKET_NAMES[type], data }]);
    }
  }

  /** Keeps a message until the client takes it; a client that takes nothing is not waited for for ever. */
  #wait(message: Outgoing): void {
    this.#queueLength += message.length;
    // However large it is, one message may wait.
    if (this.#queue !== undefined && this.#queueLength > this.#host.maxBackpressure) {
      this.discard("transport error", new Error("too much waits for the client"));
    } else {
      this.#queue ??= [];
      this.#queue.push(message);
    }
  }

  #clear(): void {
    this.#queue = undefined;
    this.#queueLength = 0;
  }

  #isOpen(): boolean {
    return this.#state !== "closing" && this.#state !== "closed";
  }

  #advance(event: SessionEvent): void {
    const next = nextSessionState(this.#state, event);
    if (next === undefined) throw new Error(`"${event}" cannot happen in "${this.#state}"`);
    this.#state = next;
  }
}
