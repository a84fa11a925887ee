// Adapters of several nodes in one process: an in-memory bus, and fake sockets that consist of an id.

import { ClusterAdapter, type ClusterOptions } from "../../lib/adapters/cluster-adapter.ts";
import type {
  ClusterAnswer,
  ClusterMessage,
  NodeId,
  Received,
} from "../../lib/adapters/cluster-messages.ts";
import type { AckCallback } from "../../lib/events/acknowledgements.ts";
import type { Adapter, AdapterHost, Member, ServerSideEvent } from "../../lib/socketio/adapter.ts";
import { encodePacket } from "../../lib/socketio/codec.ts";
import type { Handshake } from "../../lib/socketio/handshake.ts";
import type { Packet } from "../../protocol/socketio/packet.ts";

export const HANDSHAKE: Handshake = {
  headers: {},
  time: "now",
  issued: 0,
  address: "127.0.0.1",
  xdomain: false,
  secure: false,
  url: "/",
  query: {},
  auth: {},
};

/** A namespace with fake sockets, and the events that these sockets received. */
export class Host implements AdapterHost {
  readonly name: string;
  readonly sockets = new Map<string, Member>();
  /** The received events as the socket id and the event's data, including events that request an acknowledgement. */
  readonly received: (readonly [id: string, ...data: unknown[]])[] = [];
  readonly awaited = new Map<string, AckCallback>();
  readonly serverSide: ServerSideEvent[] = [];
  readonly maxDisconnectionDuration = undefined;
  /** The number of packets that were encoded for clients. */
  encodings = 0;
  onEvent: ((event: ServerSideEvent) => void) | undefined;
  private adapter: Adapter | undefined;
  private ackId = 0;

  constructor(name = "/") {
    this.name = name;
  }

  use(adapter: Adapter): void {
    this.adapter = adapter;
  }

  /** Adds a socket. Like a real socket, it is in the room named after its id. */
  add(id: string, rooms: readonly string[] = []): void | Promise<void> {
    const host = this;
    this.sockets.set(id, {
      id,
      handshake: HANDSHAKE,
      get rooms() {
        return host.adapter?.socketRooms(id) ?? new Set();
      },
      data: { name: id },
      deliver: () => {},
      notifyOutgoingListeners: (packet) => {
        if ("data" in packet && Array.isArray(packet.data))
          this.received.push([id, ...packet.data]);
      },
      awaitAck: (_id, callback) => {
        this.awaited.set(id, callback);
      },
      forgetAck: () => {
        this.awaited.delete(id);
      },
      join: (rooms) => this.adapter?.addAll(id, new Set([rooms].flat())),
      leave: (room) => this.adapter?.del(id, room),
      disconnect: () => {
        this.adapter?.delAll(id);
        this.sockets.delete(id);
      },
    });
    return this.adapter?.addAll(id, new Set([id, ...rooms]));
  }

  encode(packet: Packet, compress: boolean): ReturnType<typeof encodePacket> {
    this.encodings++;
    return encodePacket(packet, compress);
  }

  nextAckId(): number {
    return this.ackId++;
  }

  onServerSideEmit(event: ServerSideEvent): void {
    this.serverSide.push(event);
    this.onEvent?.(event);
  }
}

/** Delivers each message to all nodes in order, including its sender. A test can disconnect a node. */
export class Bus {
  readonly nodes = new Set<BusAdapter>();
  readonly log: string[] = [];
  readonly silenced = new Set<NodeId>();

  carry(from: NodeId, message: Received, to?: NodeId): void {
    this.log.push(message.type);
    if (this.silenced.has(from)) return;
    const copy = structuredClone(message);
    setImmediate(() => {
      for (const node of this.nodes) {
        if (this.silenced.has(node.id)) continue;
        if (to === undefined || to === node.id) node.take(copy, from);
      }
    });
  }
}

export class BusAdapter extends ClusterAdapter {
  private readonly bus: Bus;
  readonly host: Host;

  constructor(bus: Bus, options: ClusterOptions = {}, host = new Host()) {
    super(host, options);
    this.bus = bus;
    this.host = host;
    host.use(this);
    bus.nodes.add(this);
  }

  take(message: Received, sender: NodeId): void {
    this.receive(message, sender);
  }

  protected override publish(message: ClusterMessage): void {
    this.bus.carry(this.id, message);
  }

  protected override respond(to: NodeId, answer: ClusterAnswer): void {
    this.bus.carry(this.id, answerWithData(answer), to);
  }
}

/** Replaces the sockets of an answer with their data, because sockets have methods and cannot be cloned. */
function answerWithData(answer: ClusterAnswer): ClusterAnswer {
  if (answer.type !== "fetched") return answer;
  const sockets = answer.sockets.map(({ id, handshake, rooms, data }) => ({
    id,
    handshake,
    rooms: new Set(rooms),
    data,
  }));
  return { ...answer, sockets };
}
