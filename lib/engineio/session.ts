// The Engine.IO session of one client, over polling or WebSocket: its state, its queue and its heartbeat. Engine.IO "Handshake" to
// "Upgrade". protocol/engineio/session.ts defines the states.

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
import { BoundExceededError } from "../bound-exceeded.ts";
import { addressGroup } from "../client-address.ts";
import { NodeEmitter } from "../events/node-emitter.ts";
import type { Debtor, TotalBackpressure } from "../total-backpressure.ts";
import type { ClientHeartbeat, Heartbeat, Heartbeating } from "./heartbeat.ts";
import type { Monitor } from "./monitor.ts";
import { NOOP_PACKET, Outgoing, PING_PACKET, PONG_PACKET } from "./outgoing.ts";
import { addQuery } from "./query.ts";
import { SavedRequest } from "./saved-request.ts";
import type { Transport, TransportSink } from "./transport.ts";
import { type BackpressurePolicy, WaitingMessages } from "./waiting-messages.ts";

export type { CloseReason };

/** The layer above a session. The session calls these methods, in the order in which the packets of the client arrive. */
export interface SessionSink {
  /**
   * A text message was received.
   *
   * @param text the message
   */
  onText(text: string): void;
  /**
   * A binary message was received.
   *
   * @param bytes the message
   */
  onBinary(bytes: Bytes): void;
  /**
   * The session has ended. No further call follows.
   *
   * @param reason why the session has ended
   * @param detail the error that has ended the session, if there was one
   */
  onClose(reason: CloseReason, detail?: Error): void;
}

/** An Engine.IO packet, as listeners of a session receive it. */
export interface PacketDetails {
  /** The name of the packet type, such as "message". */
  readonly type: (typeof PACKET_NAMES)[PacketType];
  /** The payload: a string, or the bytes of a binary message. */
  readonly data: string | Bytes;
}

/** A sent packet, as listeners of a session receive it. */
export interface SentPacketDetails extends PacketDetails {
  /** The options of the packet. */
  readonly options: {
    /** Whether the transport may compress the packet. */
    readonly compress: boolean;
  };
}

/** The events that a session emits. */
export interface SessionEvents {
  /**
   * Emitted when a packet of any type is received.
   *
   * @param packet the packet
   */
  packet: (packet: PacketDetails) => void;
  /**
   * Emitted when a packet of any type is sent or queued.
   *
   * @param packet the packet
   */
  packetCreate: (packet: SentPacketDetails) => void;
  /**
   * Emitted when a message is received.
   *
   * @param data a string, or the bytes of a binary message
   */
  message: (data: string | Bytes) => void;
  /**
   * The same as "message".
   *
   * @param data a string, or the bytes of a binary message
   */
  data: (data: string | Bytes) => void;
  /** Emitted when the client has sent a ping, or has answered a ping in time. */
  heartbeat: () => void;
  /**
   * Emitted when the client has probed another transport.
   *
   * @param transport the new transport
   */
  upgrading: (transport: Transport) => void;
  /**
   * Emitted when the session has changed to another transport.
   *
   * @param transport the new transport
   */
  upgrade: (transport: Transport) => void;
  /** Emitted when all queued packets were passed to the transport. */
  drain: () => void;
  /**
   * Emitted when the session has ended.
   *
   * @param reason why the session has ended
   * @param description the error that has ended the session, if there was one
   */
  close: (reason: CloseReason, description?: Error) => void;
}

/** The data that all sessions with the same revision of the protocol share. */
export interface SessionHost {
  readonly protocol: Revision;
  readonly heartbeat: Heartbeat | ClientHeartbeat;
  /** How many bytes may wait for one client. */
  readonly maxBackpressure: number;
  readonly backpressurePolicy: BackpressurePolicy;
  /** Limits the bytes that wait for all clients together. */
  readonly backlog: TotalBackpressure;
  readonly monitor: Monitor;
  /** A session has ended. Called before the session's sink is called. */
  onClosed(session: Session): void;
}

/** An attempt to upgrade a session to WebSocket. */
export interface UpgradeAttempt {
  /** Ends the attempt. The session continues over polling. */
  abandon(): void;
}

/**
 * The Engine.IO session of one client, over polling or WebSocket. A Socket.IO client has one session for all its sockets.
 * Engine.IO "Handshake" to "Upgrade".
 *
 * @example
 * const io = new Server(3000);
 * io.engine.on("connection", (session) => {
 *   session.on("upgrade", (transport) => console.log(session.id, transport.name));
 * });
 */
export class Session
  extends NodeEmitter<SessionEvents>
  implements TransportSink, Heartbeating, Debtor
{
  /** The id of the session, which the protocol calls "sid". */
  readonly id: string;
  /** The IP address of the peer that opened the session: the client, or a proxy. */
  readonly remoteAddress: string;
  /** The IP address of the client, even if the client connects through a proxy in `trustedProxies`. */
  readonly clientAddress: string;
  /** The key by which limits count clients: the IPv4 address, or the first 64 bits of the IPv6 address. @internal */
  readonly addressGroup: string;
  private readonly host: SessionHost;
  private sessionRequest: IncomingMessage | SavedRequest;
  private sessionState: SessionState;
  private currentTransport: Transport;
  private sink: SessionSink | undefined;
  private upgradeAttempt: UpgradeAttempt | undefined;
  // Messages that wait until the transport is writable. `undefined` while no message waits.
  private queue: WaitingMessages | undefined;
  // The functions that resolve the promises of drained().
  private onDrained: (() => void)[] | undefined;

  /**
   * @param request the HTTP request that opens the session
   * @param clientAddress the IP address of the client
   * @internal
   */
  constructor(
    id: string,
    request: IncomingMessage | SavedRequest,
    transport: Transport,
    host: SessionHost,
    clientAddress: string,
  ) {
    super();
    this.id = id;
    this.sessionRequest = request;
    // The address is only known while the TCP connection is open.
    this.remoteAddress = request.socket.remoteAddress ?? "";
    this.clientAddress = clientAddress;
    this.addressGroup = addressGroup(clientAddress);
    this.currentTransport = transport;
    // A session over the memory transport is never upgraded, so its state is the same as over WebSocket.
    this.sessionState = transport.name === "polling" ? "polling" : "websocket";
    this.host = host;
  }

  /** The HTTP request that opened the session. */
  get request(): IncomingMessage {
    const request = this.sessionRequest;
    if (!(request instanceof SavedRequest)) return addQuery(request);
    const restored = request.restore();
    this.sessionRequest = restored;
    return addQuery(restored);
  }

  /**
   * Replaces the request. `null` is ignored. Programs for socket.io set `null` to save memory, which is not necessary here.
   *
   * @param request the HTTP request
   */
  set request(request: IncomingMessage | null) {
    if (request !== null) this.sessionRequest = request;
  }

  /** The revision of the Engine.IO protocol that the client uses. */
  get protocol(): Revision {
    return this.host.protocol;
  }

  /** Starts to deliver messages to `sink`, and starts the heartbeat. @internal */
  open(sink: SessionSink | undefined): void {
    this.sink = sink;
    this.host.heartbeat.begin(this);
  }

  /** The state of the session. */
  get state(): SessionState {
    return this.sessionState;
  }

  /** The state of the session, with the names that the package engine.io uses. */
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

  /** The current transport. Changes with an upgrade. */
  get transport(): Transport {
    return this.currentTransport;
  }

  /**
   * Whether packets are sent at once. Otherwise packets are queued, but volatile packets are dropped. `backpressurePolicy`
   * "drop-volatile" queues volatile packets as well.
   */
  get writable(): boolean {
    return this.queue === undefined && this.currentTransport.writable && this.isOpen();
  }

  /** The approximate number of bytes that wait in this process for the client. */
  get bufferedAmount(): number {
    return (this.queue?.length ?? 0) + this.currentTransport.bufferedAmount;
  }

  /** Resolves when no packets wait for the client, or when the session has ended. */
  drained(): Promise<void> {
    if (!this.waits()) return Promise.resolve();
    return new Promise((resolve) => {
      this.onDrained ??= [];
      this.onDrained.push(resolve);
    });
  }

  /**
   * Handles a polling request for this session. The engine refuses such requests if the session uses another transport.
   *
   * @internal
   */
  onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.currentTransport.name === "polling")
      this.currentTransport.onRequest(request, response);
  }

  /**
   * Sends a message, or queues the message until the transport is writable. Drops the message if the session is closing or closed.
   *
   * @param volatile whether to drop the message if it cannot be sent at once. With `backpressurePolicy` "drop-volatile", the
   * message is queued nevertheless. Default: `false`
   * @internal
   */
  send(message: Outgoing, volatile = false): void {
    if (!this.isOpen()) return;
    if (volatile && !this.writable && this.host.backpressurePolicy !== "drop-volatile") return;
    if (this.listens && this.listenerCount("packetCreate") > 0) this.tellSent(message);
    this.host.monitor.onSent(this, message);
    if (this.writable) this.currentTransport.send(message);
    else if (this.isOpen()) this.wait(message, volatile);
  }

  /**
   * Ends the session after all queued packets were sent. A polling client receives the close packet in the response to its
   * waiting or its next GET request.
   */
  close(): void {
    if (!this.isOpen()) return;
    this.advance("close");
    if (this.queue === undefined) this.currentTransport.close();
  }

  /** Ends the session at once if no packets are queued. Otherwise ends the session as close() does. @internal */
  shutDown(): void {
    this.close();
    if (this.queue === undefined) this.discard("forced close");
  }

  /** Ends the session at once after a failure. Drops the queued packets. @internal */
  discard(reason: CloseReason, detail?: Error): void {
    if (this.sessionState === "closed") return;
    const waiting = this.bufferedAmount;
    this.currentTransport.discard();
    this.onLost(reason, detail, waiting);
  }

  /**
   * Counts and logs that the client has reached a limit of the layer above the session.
   *
   * @param isNew whether to log the incident. Default: `true`
   * @internal
   */
  onBound(bound: string, message: string, isNew = true): void {
    this.host.monitor.onBound(this, bound, message, isNew);
  }

  /** Counts and logs that the client has violated a rule of the layer above the session. @internal */
  onBreach(rule: string, message: string): void {
    this.host.monitor.onBreach(this, rule, message);
  }

  // The upgrade. Engine.IO "Upgrade".

  /** Whether the session may be upgraded: its transport is polling, and no other upgrade is in progress. @internal */
  get mayUpgrade(): boolean {
    return this.sessionState === "polling" && this.upgradeAttempt === undefined;
  }

  /** Starts an upgrade, after a WebSocket for this session was opened. @internal */
  beginUpgrade(upgrade: UpgradeAttempt): void {
    this.upgradeAttempt = upgrade;
  }

  /** Whether the client has probed the WebSocket, and has neither changed to it nor abandoned it yet. @internal */
  get probing(): boolean {
    return this.sessionState === "probing" || this.sessionState === "closingProbing";
  }

  /** The client has probed the WebSocket. @internal */
  onProbe(transport: Transport): void {
    if (this.probing) return;
    this.advance("probe");
    this.dispatch("upgrading", [transport]);
    if (this.currentTransport.writable) this.onWritable();
  }

  /** The client has changed to the WebSocket. Queued packets are sent over the WebSocket. @internal */
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

  /** The upgrade has failed. @internal */
  onAbandon(): void {
    this.upgradeAttempt = undefined;
    if (this.probing) this.advance("abandon");
  }

  // The methods that the transport calls.

  /** @internal */
  onPacket(packet: Packet): void {
    // While the session is closing, only a close packet of the client is handled.
    if (!this.isOpen() && (this.sessionState === "closed" || packet.type !== CLOSE)) return;
    this.host.monitor.onReceived(this, packet);
    if (this.listens) this.tellReceived(packet);
    // Most packets are messages, so this type is tested first.
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

  /** Handles a ping or a pong. The client sends pongs in revision 4, and pings in revision 3. */
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

  /** @internal */
  onWritable(): void {
    const queue = this.queue;
    if (queue !== undefined) {
      this.flush(queue);
    } else if (this.sessionState === "probing" && this.currentTransport.writable) {
      // The client finishes its requests before it changes to the WebSocket. So the server answers a waiting GET request at
      // once.
      this.currentTransport.send(NOOP_PACKET);
    }
    if (!this.isOpen() && this.sessionState !== "closed" && this.queue === undefined) {
      this.currentTransport.close();
    }
    if (this.onDrained !== undefined && !this.waits()) this.tellDrained();
  }

  /**
   * Whether packets wait for the client. A polling transport is never congested, because the next response contains all packets
   * that were passed to the transport.
   */
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

  /** Sends queued messages while the transport is writable. */
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

  /** Ends the session. @param waiting bytes that waited for the client. @internal */
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

  // The methods that the heartbeat calls.

  /** @internal */
  onPingDue(): void {
    this.send(PING_PACKET);
  }

  /** @internal */
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

  /** Queues a message. Ends the session if the limit on waiting bytes is exceeded and no messages may be dropped. */
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

  /** Reports to `host.backlog` how many bytes wait for this client. The number is 0 while the queue is empty. */
  private countBacklog(): void {
    const held = this.bufferedAmount + this.currentTransport.unreadBytes;
    this.host.backlog.set(this, this.queue === undefined ? 0 : held);
  }

  /**
   * Ends the session. Called if too many bytes wait for all clients together, and more bytes wait for this client than for any
   * other client.
   *
   * @internal
   */
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
    if (next === undefined) {
      throw new Error(`invalid event "${event}" in the state "${this.sessionState}"`);
    }
    this.sessionState = next;
  }
}
