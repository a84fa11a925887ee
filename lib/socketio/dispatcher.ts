// Splits one session into namespaces: decodes incoming packets, and passes each packet to the
// socket of its namespace.

import type { IncomingMessage } from "node:http";

import { type Bytes, copy, utf8Length } from "../../protocol/bytes.ts";
import {
  ACK,
  CONNECT,
  CONNECT_ERROR,
  type ConnectErrorData,
  DISCONNECT,
  EVENT,
  MAIN_NAMESPACE,
  type Packet,
} from "../../protocol/socketio/packet.ts";
import { ProtocolError } from "../../protocol/socketio/rules.ts";
import { debugSocketio } from "../debug.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type { CloseReason, Session, SessionSink } from "../engineio/session.ts";
import type { Untyped } from "../events/emitter.ts";
import { type PacketDecoder, ParserError } from "../events/parser.ts";
import { generateId } from "../generate-id.ts";
import type { RecoveryFailure, RestoredSession } from "./adapter.ts";
import type { Client } from "./client.ts";
import type { Codec } from "./codec.ts";
import type { DisconnectReason } from "./socket.ts";

/** The part of a socket that the dispatcher uses. */
export interface DispatcherSocket {
  readonly connected: boolean;
  onEvent(data: readonly [name: string | number, ...args: readonly unknown[]], id?: number): void;
  onAck(id: number, args: readonly unknown[]): void;
  onError(error: Error): void;
  onClose(reason: DisconnectReason, description?: Error): void;
  disconnect(): unknown;
}

/** The part of a namespace that the dispatcher uses. */
export interface DispatcherNamespace {
  /**
   * Looks up the session that a client wants to recover. Calls `callback` immediately or later,
   * with `undefined` if the client does not request a recovery.
   */
  restore(
    auth: object,
    callback: (session: RestoredSession | RecoveryFailure | undefined) => void,
  ): void;
  /** Creates the socket of a client that asked to join the namespace. */
  add(
    client: Client,
    auth: object,
    session: RestoredSession | RecoveryFailure | undefined,
  ): DispatcherSocket;
  /** Stores a restored session again, because the client has left before its socket was created. */
  giveBack(session: RestoredSession | undefined): void;
}

/** How many more namespaces a client may cause to be created. */
export interface Allowance {
  left: number;
}

/** Finds the namespaces of a server by name. */
export interface NamespaceFinder {
  /**
   * Finds the namespace with this name, or creates it. Calls `callback` immediately or later, with
   * `undefined` if the namespace does not exist and must not be created.
   *
   * @param allowance returns the client's allowance. A namespace counts against the allowance from
   * the moment the application is asked about its name until the namespace is removed
   */
  find(
    name: string,
    auth: object,
    allowance: () => Allowance,
    callback: (namespace: DispatcherNamespace | undefined) => void,
  ): void;
}

/** Limits on what the server stores for one client. */
export interface ClientLimits {
  /** Largest number of namespaces that exist at the same time because of the client. */
  readonly maxCreatedNamespaces: number;
  /** Largest total size of the packets that contain `auth`, for all namespaces, in bytes. */
  readonly maxAuthSize: number;
  /** How long the client may take to send the next attachment, in milliseconds. */
  readonly attachmentTimeout: number;
}

/** The part of the server that the dispatcher uses. */
export interface DispatcherHost {
  readonly codec: Codec;
  readonly namespaces: NamespaceFinder;
  readonly limits: ClientLimits;
  /** Called for each message of a client after which a packet is still incomplete. */
  onIncomplete(dispatcher: Dispatcher): void;
  /** Called when an incomplete packet has been completed. */
  onComplete(dispatcher: Dispatcher): void;
  /** Called when a client has joined a namespace. */
  onJoined(dispatcher: Dispatcher): void;
  /** Called when a client has disconnected. */
  onGone(dispatcher: Dispatcher): void;
}

const NO_AUTH = {};
const INVALID_NAMESPACE: ConnectErrorData = { message: "Invalid namespace" };
/**
 * Largest number of session lookups of one client that run at the same time. While this many
 * lookups run, further sockets of the client receive new sessions, without a lookup.
 */
const MAX_RETURNS = 100;
const AUTH_TOO_LARGE: ConnectErrorData = { message: "auth is too large" };

export class Dispatcher implements SessionSink, Client {
  readonly conn: Session;
  readonly issued = Date.now();
  bucketFullAt = 0;
  readonly #host: DispatcherHost;
  readonly #decoder: PacketDecoder;
  // Most clients join only the main namespace. Its socket is not stored in the map, because a map
  // with a single entry would use more memory than the socket.
  #main: DispatcherSocket | undefined;
  #others: Map<string, DispatcherSocket> | undefined;
  // Namespaces that the client has asked to join and that are still being looked up.
  #asked: Set<string> | undefined;
  // Namespaces that the server disconnected the client from. The client may not know this yet, and
  // may send more packets to these namespaces.
  #left: Set<string> | undefined;
  #incomplete = false;
  // Number of session lookups in progress.
  #returns = 0;
  #allowance: Allowance | undefined;
  // Size of the packets that contain `auth`, in bytes: in total, and by namespace.
  #authSize = 0;
  #authSizes: Map<string, number> | undefined;
  #sessions: Map<string, Untyped> | undefined;

  constructor(session: Session, host: DispatcherHost) {
    this.conn = session;
    this.#host = host;
    this.#decoder = host.codec.createDecoder();
  }

  get id(): string {
    return this.conn.id;
  }

  get request(): IncomingMessage {
    return this.conn.request;
  }

  get address(): string {
    return this.conn.remoteAddress;
  }

  get sessions(): Map<string, Untyped> {
    this.#sessions ??= new Map();
    return this.#sessions;
  }

  // The methods that the session calls.

  onText(text: string): void {
    this.#receive(text);
  }

  onBinary(bytes: Bytes): void {
    // A program may keep an attachment, or the attachment may be queued for other clients. A small
    // attachment is copied. Without the copy, the attachment would keep the whole received chunk in
    // memory, although the limits count only the attachment's own bytes.
    const own = bytes.length * 2 < bytes.buffer.byteLength ? copy(bytes) : bytes;
    // Programs receive binary data as a Buffer, as usual in Node.
    this.#receive(Buffer.from(own.buffer, own.byteOffset, own.byteLength));
  }

  onClose(reason: CloseReason, detail?: Error): void {
    this.#host.onGone(this);
    this.#closeSockets(reason, detail);
  }

  // The methods that the sockets call.

  send(message: Outgoing, volatile: boolean): void {
    this.conn.send(message, volatile);
  }

  socketId(_namespace: string): string {
    return generateId();
  }

  get recoverable(): boolean {
    return true;
  }

  sendConnected(namespace: string, data: { readonly sid: string; readonly pid?: string }): void {
    this.sendPacket({ type: CONNECT, namespace, data });
  }

  sendRefused(namespace: string, data: ConnectErrorData): void {
    this.sendPacket({ type: CONNECT_ERROR, namespace, data });
  }

  protected sendPacket(packet: Packet): void {
    this.send(this.#host.codec.encode(packet, true), false);
  }

  leave(namespace: string): void {
    if (this.#socketIn(namespace) === undefined) return;
    this.#authSize -= this.#authSizes?.get(namespace) ?? 0;
    this.#authSizes?.delete(namespace);
    if (namespace === MAIN_NAMESPACE) this.#main = undefined;
    else this.#others?.delete(namespace);
    this.#left ??= new Set();
    this.#left.add(namespace);
  }

  #socketIn(namespace: string): DispatcherSocket | undefined {
    return namespace === MAIN_NAMESPACE ? this.#main : this.#others?.get(namespace);
  }

  /** Returns a snapshot of the client's sockets in all namespaces. */
  #sockets(): DispatcherSocket[] {
    const others = this.#others === undefined ? [] : [...this.#others.values()];
    return this.#main === undefined ? others : [this.#main, ...others];
  }

  /** Ends the client's request to join a namespace. Returns whether there was such a request. */
  #answer(namespace: string): boolean {
    const asked = this.#asked?.delete(namespace) === true;
    if (this.#asked?.size === 0) this.#asked = undefined;
    return asked;
  }

  onJoined(): void {
    this.#host.onJoined(this);
  }

  disconnectAll(): void {
    for (const socket of this.#sockets()) socket.disconnect();
    this.conn.close();
  }

  // The methods that the server calls.

  /**
   * Closes the connection. The sockets are disconnected first, so that their "disconnect" events
   * report the same reason with every transport.
   */
  close(): void {
    this.#closeSockets("forced server close");
    this.conn.close();
  }

  /** Closes the connection of a client that has reached a limit. */
  endAt(bound: string, message: string): void {
    this.conn.onBound(bound, message);
    this.close();
  }

  /**
   * Disconnects the sockets because the server shuts down. Closes the connection after all
   * packets that are queued for the client were sent.
   */
  drain(): void {
    this.#closeSockets("server shutting down");
    this.conn.close();
  }

  /**
   * Disconnects the sockets because the server shuts down. The engine closes this connection
   * together with all other connections.
   */
  shutDown(): void {
    this.#closeSockets("server shutting down");
  }

  #closeSockets(reason: DisconnectReason, detail?: Error): void {
    this.#asked = undefined;
    for (const socket of this.#sockets()) socket.onClose(reason, detail);
  }

  #receive(message: string | Bytes): void {
    let packet: Packet | undefined;
    try {
      packet = this.#decoder.add(message);
    } catch (error) {
      if (!(error instanceof ProtocolError || error instanceof ParserError)) throw error;
      this.#fail(error);
      return;
    }
    if (packet === undefined) {
      this.#incomplete = true;
      this.#host.onIncomplete(this);
      return;
    }
    if (this.#incomplete) {
      this.#incomplete = false;
      this.#host.onComplete(this);
    }
    this.dispatch(packet, message);
  }

  /**
   * Passes a packet to the socket of its namespace. Socket.IO "Exchange protocol".
   *
   * @param message the last message of the packet. A CONNECT packet has only one message
   */
  protected dispatch(packet: Packet, message: string | Bytes): void {
    const socket = this.#socketIn(packet.namespace);
    if (packet.type === CONNECT && !socket?.connected) {
      // "Connection to a namespace": a repeated CONNECT before the server's answer is ignored.
      if (socket !== undefined) return;
      const size = typeof message === "string" ? utf8Length(message) : message.length;
      this.join(packet.namespace, packet.data ?? NO_AUTH, packet.data === undefined ? 0 : size);
    } else if (packet.type === EVENT && socket?.connected) {
      socket.onEvent(packet.data, packet.id);
    } else if (packet.type === ACK && socket !== undefined) {
      socket.onAck(packet.id, packet.data);
    } else if (packet.type === DISCONNECT && socket !== undefined) {
      socket.onClose("client namespace disconnect");
      this.#left?.delete(packet.namespace);
    } else if (packet.type === DISCONNECT && this.#answer(packet.namespace)) {
      // "Disconnection from a namespace": the client withdraws its request before the namespace is
      // found.
    } else if (!(packet.type < CONNECT_ERROR && this.#left?.has(packet.namespace))) {
      // The client violated the protocol. It sent a second CONNECT, a packet that only servers
      // send, or a packet for a namespace that it has not joined.
      this.close();
    }
  }

  /**
   * Handles a client's request to join a namespace.
   *
   * @param authSize size of the packet that contains `auth`, in bytes. The parsed object may take
   * twenty times as much memory
   */
  protected join(name: string, auth: object, authSize: number): void {
    if (this.#asked?.has(name)) return;
    const { maxAuthSize, maxCreatedNamespaces } = this.#host.limits;
    if (this.#authSize + authSize > maxAuthSize) {
      this.conn.onBound("maxAuthSize", AUTH_TOO_LARGE.message);
      this.#refuse(name, AUTH_TOO_LARGE);
      return;
    }
    this.#authSize += authSize;
    this.#asked ??= new Set();
    this.#asked.add(name);
    this.#left?.delete(name);
    const allowance = (): Allowance => {
      this.#allowance ??= { left: maxCreatedNamespaces };
      if (this.#allowance.left < 1) {
        this.conn.onBound(
          "maxCreatedNamespaces",
          "the client has caused too many namespaces to exist",
        );
      }
      return this.#allowance;
    };
    this.#host.namespaces.find(name, auth, allowance, (namespace) => {
      if (namespace === undefined) {
        this.#authSize -= authSize;
        if (this.#answer(name)) this.#refuse(name, INVALID_NAMESPACE);
        return;
      }
      const mayReturn = this.recoverable && this.#returns < MAX_RETURNS;
      this.#returns++;
      namespace.restore(mayReturn ? auth : NO_AUTH, (session) => {
        this.#returns--;
        // The client may have disconnected or left the namespace during the lookup.
        if (this.#answer(name)) {
          const socket = namespace.add(this, auth, session);
          this.#others ??= name === MAIN_NAMESPACE ? undefined : new Map();
          if (name === MAIN_NAMESPACE) this.#main = socket;
          else this.#others?.set(name, socket);
          if (authSize === 0) return;
          this.#authSizes ??= new Map();
          this.#authSizes.set(name, authSize);
        } else {
          this.#authSize -= authSize;
          namespace.giveBack(typeof session === "object" ? session : undefined);
        }
      });
    });
  }

  #refuse(namespace: string, data: ConnectErrorData): void {
    if (debugSocketio.enabled)
      debugSocketio("%s is refused from %s: %s", this.id, namespace, data.message);
    this.sendRefused(namespace, data);
  }

  #fail(error: ProtocolError | ParserError): void {
    if (debugSocketio.enabled) debugSocketio("%s breaks a rule: %s", this.id, error.message);
    this.conn.onBreach(error instanceof ProtocolError ? error.rule : error.name, error.message);
    for (const socket of this.#sockets()) socket.onError(error);
    this.close();
  }
}
