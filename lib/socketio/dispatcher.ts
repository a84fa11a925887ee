// One session split into its namespaces: decodes what comes, and finds the socket it is for.

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

/** A socket as the dispatcher sees it. */
export interface DispatcherSocket {
  readonly connected: boolean;
  onEvent(data: readonly [name: string | number, ...args: readonly unknown[]], id?: number): void;
  onAck(id: number, args: readonly unknown[]): void;
  onError(error: Error): void;
  onClose(reason: DisconnectReason, description?: Error): void;
  disconnect(): unknown;
}

/** A namespace as the dispatcher sees it. */
export interface DispatcherNamespace {
  /**
   * Looks for the session that a client wants to come back to, and calls back, at once or later;
   * with `undefined` for a client that does not want to.
   */
  restore(
    auth: object,
    callback: (session: RestoredSession | RecoveryFailure | undefined) => void,
  ): void;
  /** A client asks to join. */
  add(
    client: Client,
    auth: object,
    session: RestoredSession | RecoveryFailure | undefined,
  ): DispatcherSocket;
  /** The client has gone before it could be added. */
  giveBack(session: RestoredSession | undefined): void;
}

/** How many more namespaces a client may cause to exist. */
export interface Allowance {
  left: number;
}

/** The namespaces of a server as the dispatcher sees them. */
export interface NamespaceFinder {
  /**
   * Finds the namespace with this name, or creates it, and calls back, at once or later; with
   * `undefined` where there is none.
   *
   * @param allowance returns what the client may still create. A namespace uses it up from the moment in which the
   * program is asked about its name until the namespace ends
   */
  find(
    name: string,
    auth: object,
    allowance: () => Allowance,
    callback: (namespace: DispatcherNamespace | undefined) => void,
  ): void;
}

/** What one client may have the server keep. */
export interface ClientLimits {
  /** Namespaces that it causes to exist at the same time. */
  readonly maxCreatedNamespaces: number;
  /** Bytes of its `auth` in all namespaces together. */
  readonly maxAuthSize: number;
  /** Milliseconds that its next attachment may take. */
  readonly attachmentTimeout: number;
}

/** The server as the dispatcher sees it. */
export interface DispatcherHost {
  readonly codec: Codec;
  readonly namespaces: NamespaceFinder;
  readonly limits: ClientLimits;
  /** A packet of a client has begun, or gone on, and is not complete. */
  onIncomplete(dispatcher: Dispatcher): void;
  /** It is complete. */
  onComplete(dispatcher: Dispatcher): void;
  /** A client has joined a namespace. */
  onJoined(dispatcher: Dispatcher): void;
  /** A client has gone. */
  onGone(dispatcher: Dispatcher): void;
}

const NO_AUTH = {};
const INVALID_NAMESPACE: ConnectErrorData = { message: "Invalid namespace" };
/** Sessions of one client that are looked for at the same time. Beyond them it joins as a new one. */
const MAX_RETURNS = 100;
const AUTH_TOO_LARGE: ConnectErrorData = { message: "auth is too large" };

export class Dispatcher implements SessionSink, Client {
  readonly conn: Session;
  readonly issued = Date.now();
  bucketFullAt = 0;
  readonly #host: DispatcherHost;
  readonly #decoder: PacketDecoder;
  // Most clients are in the main namespace and no other: a map for one would take more than the socket.
  #main: DispatcherSocket | undefined;
  #others: Map<string, DispatcherSocket> | undefined;
  // Namespaces that it has asked for and that are still looked for.
  #asked: Set<string> | undefined;
  // Namespaces that the server has sent it out of, which it may not know yet.
  #left: Set<string> | undefined;
  #incomplete = false;
  // Sessions that are looked for.
  #returns = 0;
  #allowance: Allowance | undefined;
  // Bytes of `auth` that are held, and those of each socket that has some.
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

  // The session's sink.

  onText(text: string): void {
    this.#receive(text);
  }

  onBinary(bytes: Bytes): void {
    // A program may keep an attachment, and it may wait to be sent to others. It must not keep alive the large
    // chunk in which it was received, of which only its own bytes are counted.
    const own = bytes.length * 2 < bytes.buffer.byteLength ? copy(bytes) : bytes;
    // What an application is given as bytes is a Buffer, as everywhere in Node.
    this.#receive(Buffer.from(own.buffer, own.byteOffset, own.byteLength));
  }

  onClose(reason: CloseReason, detail?: Error): void {
    this.#host.onGone(this);
    this.#closeSockets(reason, detail);
  }

  // What its sockets call.

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

  /** Its sockets as they are now, in all namespaces. */
  #sockets(): DispatcherSocket[] {
    const others = this.#others === undefined ? [] : [...this.#others.values()];
    return this.#main === undefined ? others : [this.#main, ...others];
  }

  /** It asks for the namespace no more; whether it did. */
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

  // What the server calls.

  /** Ends the connection. Its sockets are told first, with the same reason over every transport. */
  close(): void {
    this.#closeSockets("forced server close");
    this.conn.close();
  }

  /** Ends the connection of a client that has reached a bound. */
  endAt(bound: string, message: string): void {
    this.conn.onBound(bound, message);
    this.close();
  }

  /** Tells its sockets that the server is going, and the client when all that waits for it has left. */
  drain(): void {
    this.#closeSockets("server shutting down");
    this.conn.close();
  }

  /** Tells its sockets that the server is going; the connection is ended with all others. */
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
   * Finds the socket that a packet is for. Socket.IO "Exchange protocol".
   *
   * @param message the last message of the packet; a CONNECT has one
   */
  protected dispatch(packet: Packet, message: string | Bytes): void {
    const socket = this.#socketIn(packet.namespace);
    if (packet.type === CONNECT && !socket?.connected) {
      // "Connection to a namespace": asking again before the answer has come is asking once.
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
      // "Disconnection from a namespace": it has changed its mind before the namespace was found.
    } else if (!(packet.type < CONNECT_ERROR && this.#left?.has(packet.namespace))) {
      // A second CONNECT, a server's packet, or one for a namespace that the client is not in.
      this.close();
    }
  }

  /**
   * The client asks to join a namespace.
   *
   * @param authSize bytes of the packet with `auth`; as objects it may take twenty times as many
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
        // The client may go, or think better of it, meanwhile.
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
