// One client, over whichever transport it has: its state, what waits to be sent, its heartbeat.
// Engine.IO "Handshake" to "Upgrade"; the states are those of protocol/engineio/session.ts.

import type { IncomingMessage, ServerResponse } from "node:http";

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
import type { Backlog, Debtor } from "../backlog.ts";
import { BoundExceededError } from "../bound-exceeded.ts";
import { addressGroup } from "../client-address.ts";
import { NodeEmitter } from "../events/node-emitter.ts";
import type { ClientHeartbeat, Heartbeat, Heartbeating } from "./heartbeat.ts";
import type { Monitor } from "./monitor.ts";
import { NOOP_PACKET, Outgoing, PING_PACKET, PONG_PACKET } from "./outgoing.ts";
import { addQuery } from "./query.ts";
import { SessionRequest } from "./session-request.ts";
import type { Transport, TransportSink } from "./transport.ts";
import { type BackpressurePolicy, WaitingMessages } from "./waiting-messages.ts";

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

/** A packet that is sent. */
export interface SentPacketDetails extends PacketDetails {
  /** Whether it may be compressed, where the transport can. */
  readonly options: { readonly compress: boolean };
}

/** What a session tells of itself to whoever listens; what it carries goes to its sink. */
export interface SessionEvents {
  /** A packet has come. */
  packet: (packet: PacketDetails) => void;
  /** A packet is sent. */
  packetCreate: (packet: SentPacketDetails) => void;
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
  readonly backpressurePolicy: BackpressurePolicy;
  readonly backlog: Backlog;
  readonly monitor: Monitor;
  /** A session has ended; its sink is told next. */
  onClosed(session: Session): void;
}

/** An attempt to change a session to a WebSocket. */
export interface UpgradeAttempt {
  /** Ends the attempt. The session continues over polling. */
  abandon(): void;
}

export class Session
  extends NodeEmitter<SessionEvents>
  implements TransportSink, Heartbeating, Debtor
{
  /** The session's id, "sid" on the wire. */
  readonly id: string;
  /** The IP address of the connection with which the client came: its own, or that of a proxy. */
  readonly remoteAddress: string;
  /** The client's IP address, also behind proxies that are in `trustedProxies`. */
  readonly clientAddress: string;
  /** What stands for the address where clients are counted: of IPv6, the first 64 bits. */
  readonly addressGroup: string;
  private readonly host: SessionHost;
  private sessionRequest: IncomingMessage | SessionRequest;
  private sessionState: SessionState;
  private currentTransport: Transport;
  private sink: SessionSink | undefined;
  private upgradeAttempt: UpgradeAttempt | undefined;
  // What waits for the transport to be writable; most sessions have nothing that waits.
  private queue: WaitingMessages | undefined;
  // Those who wait for the client to take what was sent.
  private onDrained: (() => void)[] | undefined;

  /**
   * @param request the HTTP request with which it begins
   * @param clientAddress the IP address of the client
   */
  constructor(
    id: string,
    request: IncomingMessage | SessionRequest,
    transport: Transport,
    host: SessionHost,
    clientAddress: string,
  ) {
    super();
    this.id = id;
    this.sessionRequest = request;
    // Known only while the connection is open.
    this.remoteAddress = request.socket.remoteAddress ?? "";
    this.clientAddress = clientAddress;
    this.addressGroup = addressGroup(clientAddress);
    this.currentTransport = transport;
    // A session in memory is never upgraded, like one that begins over WebSocket.
    this.sessionState = transport.name === "polling" ? "polling" : "websocket";
    this.host = host;
  }

  /** The HTTP request with which it began. */
  get request(): IncomingMessage {
    const request = this.sessionRequest;
    if (!(request instanceof SessionRequest)) return addQuery(request);
    const restored = request.restore();
    this.sessionRequest = restored;
    return addQuery(restored);
  }

  /** Programs for other servers set it to `null` to save memory, which there is no need for here. */
  set request(request: IncomingMessage | null) {
    if (request !== null) this.sessionRequest = request;
  }

  /** The revision of the protocol that its client speaks. */
  get protocol(): Revision {
    return this.host.protocol;
  }

  /** Begins to deliver. The transport must have been given this session as its sink, or be given it now. */
  open(sink: SessionSink | undefined): void {
    this.sink = sink;
    this.host.heartbeat.begin(this);
  }

  get state(): SessionState {
    return this.sessionState;
  }

  /** Whether it is open, as other servers name it. */
  get readyState(): "open" | "closing" | "closed" {
    switch (this.sessionState) {
      case "closed":
        return "closed";
      case "closing":
      case "closingProbing":
        return "closing";
      default:
        return "open";
    }
  }

  /** What carries its packets now. */
  get transport(): Transport {
    return this.currentTransport;
  }

  /** Packets leave now; otherwise they wait (and volatile ones are dropped, but for `backpressurePolicy` "drop-volatile"). */
  get writable(): boolean {
    return this.queue === undefined && this.currentTransport.writable && this.isOpen();
  }

  /** Bytes that wait for the client to take them, about, beyond what the operating system holds. */
  get bufferedAmount(): number {
    return (this.queue?.length ?? 0) + this.currentTransport.bufferedAmount;
  }

  /** Resolves when the client can be sent more: at once, if nothing waits. Resolves when the session ends, too. */
  drained(): Promise<void> {
    if (!this.waits()) return Promise.resolve();
    return new Promise((resolve) => {
      this.onDrained ??= [];
      this.onDrained.push(resolve);
    });
  }

  /** Handles a polling request for this session. admit() refuses such requests for other transports. */
  onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.currentTransport.name === "polling")
      this.currentTransport.onRequest(request, response);
  }

  /**
   * Sends when the transport can. What is sent on a session that is closing or closed is dropped.
   *
   * @param volatile it is dropped if it cannot leave now and `backpressurePolicy` does not have it wait
   */
  send(message: Outgoing, volatile = false): void {
    if (!this.isOpen()) return;
    if (volatile && !this.writable && this.host.backpressurePolicy !== "drop-volatile") return;
    if (this.listens && this.listenerCount("packetCreate") > 0) this.tellSent(message);
    this.host.monitor.onSent(this, message);
    if (this.writable) this.currentTransport.send(message);
    else if (this.isOpen()) this.wait(message, volatile);
  }

  /** Ends the session when all that was sent has left; a client that polls is told with its next request. */
  close(): void {
    if (!this.isOpen()) return;
    this.advance("close");
    if (this.queue === undefined) this.currentTransport.close();
  }

  /** Ends the session at once if nothing waits to be sent; otherwise ends it as close() does. */
  shutDown(): void {
    this.close();
    if (this.queue === undefined) this.discard("forced close");
  }

  /** Ends the session at once, for a fault; what waits to be sent is dropped. */
  discard(reason: CloseReason, detail?: Error): void {
    if (this.sessionState === "closed") return;
    const waiting = this.bufferedAmount;
    this.currentTransport.discard();
    this.onLost(reason, detail, waiting);
  }

  /**
   * Counts and logs that the client has reached a bound of a layer above.
   *
   * @param isNew it is logged. Default: `true`
   * @internal
   */
  onBound(bound: string, message: string, isNew = true): void {
    this.host.monitor.onBound(this, bound, message, isNew);
  }

  /** Counts and logs that the client has broken a rule of a layer above. @internal */
  onBreach(rule: string, message: string): void {
    this.host.monitor.onBreach(this, rule, message);
  }

  // The upgrade. Engine.IO "Upgrade".

  /** A WebSocket for this session may be tried: none is being tried, and there is something to upgrade. */
  get mayUpgrade(): boolean {
    return this.sessionState === "polling" && this.upgradeAttempt === undefined;
  }

  /** A WebSocket for this session was opened. */
  beginUpgrade(upgrade: UpgradeAttempt): void {
    this.upgradeAttempt = upgrade;
  }

  /** The session is between the probe and the upgrade. */
  get probing(): boolean {
    return this.sessionState === "probing" || this.sessionState === "closingProbing";
  }

  /** The WebSocket was proved to reach this session. */
  onProbe(transport: Transport): void {
    if (this.probing) return;
    this.advance("probe");
    this.dispatch("upgrading", [transport]);
    if (this.currentTransport.writable) this.onWritable();
  }

  /** The client has changed to the WebSocket, which delivers to this session. What waits leaves there. */
  onUpgrade(transport: Transport): void {
    this.advance("upgrade");
    this.upgradeAttempt = undefined;
    const polling = this.currentTransport;
    this.currentTransport = transport;
    polling.release();
    this.host.monitor.onUpgrade(this, polling);
    this.dispatch("upgrade", [transport]);
    this.onWritable();
  }

  /** The WebSocket came to nothing. */
  onAbandon(): void {
    this.upgradeAttempt = undefined;
    if (this.probing) this.advance("abandon");
  }

  // The transport's sink.

  onPacket(packet: Packet): void {
    // Who is being sent away is not heard any more, but for its own end.
    if (!this.isOpen() && (this.sessionState === "closed" || packet.type !== CLOSE)) return;
    this.host.monitor.onReceived(this, packet);
    if (this.listens) this.tellReceived(packet);
    // The common case first.
    if (packet.type === MESSAGE) {
      this.host.heartbeat.onOtherPacket(this);
      if (typeof packet.data === "string") this.sink?.onText(packet.data);
      else this.sink?.onBinary(packet.data);
    } else if (packet.type === CLOSE) {
      this.currentTransport.release();
      this.onLost("transport close");
    } else if (packet.type === PING || packet.type === PONG) {
      this.onHeartbeat(packet.type, packet.data);
    }
  }

  /** "the server sends ping, the client pong"; in revision 3 the other way round. */
  private onHeartbeat(type: typeof PING | typeof PONG, data: string): void {
    if (type !== (this.protocol === 4 ? PONG : PING)) {
      this.discard("transport error", new Error("invalid heartbeat direction"));
      return;
    }
    this.dispatch("heartbeat", []);
    if (type === PONG) {
      this.host.heartbeat.onPong(this);
    } else {
      this.host.heartbeat.onOtherPacket(this);
      // Engine.IO 3 "Packet": "a pong packet containing the same data".
      const pong = data === "" ? PONG_PACKET : new Outgoing([encodePacket(PONG, data)], false);
      this.send(pong);
    }
  }

  onWritable(): void {
    const queue = this.queue;
    if (queue !== undefined) {
      this.flush(queue);
    } else if (this.sessionState === "probing" && this.currentTransport.writable) {
      // The client finishes its requests before it changes to the WebSocket, so none is kept waiting.
      this.currentTransport.send(NOOP_PACKET);
    }
    if (!this.isOpen() && this.sessionState !== "closed" && this.queue === undefined) {
      this.currentTransport.close();
    }
    if (this.onDrained !== undefined && !this.waits()) this.tellDrained();
  }

  /** A client that polls takes what is sent with each of its requests. */
  private waits(): boolean {
    if (this.sessionState === "closed") return false;
    const { name, writable } = this.currentTransport;
    return this.queue !== undefined || (name === "websocket" && !writable);
  }

  private tellDrained(): void {
    const waiting = this.onDrained ?? [];
    this.onDrained = undefined;
    for (const resolve of waiting) resolve();
  }

  /** Sends as much of the queue as the transport takes. */
  private flush(queue: WaitingMessages): void {
    while (this.currentTransport.writable) {
      const message = queue.take();
      if (message === undefined) break;
      this.currentTransport.send(message);
    }
    if (queue.isEmpty) this.queue = undefined;
    this.countBacklog();
    if (this.queue === undefined) this.dispatch("drain", []);
  }

  /** @param waiting bytes that waited for the client */
  onLost(reason: CloseReason, detail?: Error, waiting = this.bufferedAmount): void {
    if (this.sessionState === "closed") return;
    this.advance("lost");
    this.host.heartbeat.end(this);
    this.clear();
    this.tellDrained();
    const upgrade = this.upgradeAttempt;
    this.upgradeAttempt = undefined;
    upgrade?.abandon();
    this.host.onClosed(this);
    this.host.monitor.onClose(this, waiting, reason, detail);
    this.sink?.onClose(reason, detail);
    this.dispatch("close", detail === undefined ? [reason] : [reason, detail]);
  }

  // The heartbeat's calls.

  onPingDue(): void {
    this.send(PING_PACKET);
  }

  onPingTimeout(): void {
    this.discard("ping timeout");
  }

  private tellReceived({ type, data }: Packet): void {
    this.dispatch("packet", [{ type: PACKET_NAMES[type], data }]);
    if (type !== MESSAGE) return;
    this.dispatch("data", [data]);
    this.dispatch("message", [data]);
  }

  private tellSent({ packets, compress }: Outgoing): void {
    for (const encoded of packets) {
      const { type, data }: Packet =
        typeof encoded === "string" ? decodePacket(encoded) : { type: MESSAGE, data: encoded };
      this.dispatch("packetCreate", [{ type: PACKET_NAMES[type], data, options: { compress } }]);
    }
  }

  /** Keeps a message until the client takes it; a client that takes nothing is not waited for for ever. */
  private wait(message: Outgoing, volatile: boolean): void {
    const { maxBackpressure, backpressurePolicy, monitor } = this.host;
    this.queue ??= new WaitingMessages(maxBackpressure, backpressurePolicy);
    const { queue } = this;
    const droppedBefore = queue.dropped;
    if (!queue.add(message, volatile)) {
      this.discard(
        "transport error",
        new BoundExceededError("maxBackpressure", "too many bytes wait for the client"),
      );
      return;
    }
    const dropped = queue.dropped - droppedBefore;
    if (dropped > 0) monitor.onDropped(this, dropped, droppedBefore === 0);
    this.countBacklog();
  }

  /** Nothing of a client for which nothing has to wait is counted. */
  private countBacklog(): void {
    const held = this.bufferedAmount + this.currentTransport.unreadBytes;
    this.host.backlog.set(this, this.queue === undefined ? 0 : held);
  }

  /** @internal */
  onBacklogFull(): void {
    this.discard(
      "transport error",
      new BoundExceededError("maxTotalBackpressure", "too many bytes wait for all clients"),
    );
  }

  private clear(): void {
    this.queue = undefined;
    this.countBacklog();
  }

  private isOpen(): boolean {
    return this.readyState === "open";
  }

  private advance(event: SessionEvent): void {
    const next = nextSessionState(this.sessionState, event);
    if (next === undefined) throw new Error(`"${event}" cannot happen in "${this.sessionState}"`);
    this.sessionState = next;
  }
}
