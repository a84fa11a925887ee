// A connected client on one Engine.IO session: the state that its sockets in several namespaces
// share.

import type { IncomingMessage } from "node:http";
import type { ConnectErrorData } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type { Session } from "../engineio/session.ts";
import type { Untyped } from "../events/emitter.ts";

/** The part of the connection that a socket uses. Sends messages and closes the connection. */
export interface Client {
  /** The id of the Engine.IO session. */
  readonly id: string;
  /** The Engine.IO session. */
  readonly conn: Session;
  /** The HTTP request that opened the connection. */
  readonly request: IncomingMessage;
  /** The IP address of the client. */
  readonly address: string;
  /** When the connection was opened, in milliseconds since 1970. */
  readonly issued: number;
  /**
   * The values that the application stored with Socket.session(), by namespace. The values are kept
   * until the connection closes.
   */
  readonly sessions: Map<string, Untyped>;
  /** Sends a message. A volatile message is dropped if the connection cannot send now. @internal */
  send(message: Outgoing, volatile: boolean): void;
  /** Returns the id for a socket of this client in a namespace. @internal */
  socketId(namespace: string): string;
  /** Informs the client that it has joined a namespace. @internal */
  sendConnected(namespace: string, data: { readonly sid: string; readonly pid?: string }): void;
  /** Informs the client that a namespace has refused it. @internal */
  sendRefused(namespace: string, data: ConnectErrorData): void;
  /**
   * The time at which the rate limit bucket of the client's next socket is full, as a value of
   * performance.now(). The bucket of a new socket is never fuller than the buckets of the client's
   * disconnected sockets. So a client cannot send more events by leaving and rejoining a namespace.
   * See `rateLimit`.
   *
   * @internal
   */
  bucketFullAt: number;
  /** Whether the client can recover its session after a reconnection. @internal */
  readonly recoverable: boolean;
  /** Called when a socket of this client is connected. @internal */
  onJoined(): void;
  /** Called when the client's socket in this namespace has disconnected. @internal */
  leave(namespace: string): void;
  /** Disconnects every socket and closes the connection. @internal */
  disconnectAll(): void;
}
