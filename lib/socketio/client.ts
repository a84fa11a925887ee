// One connected client, over one session: what its sockets in several namespaces share.

import type { IncomingMessage } from "node:http";
import type { ConnectErrorData } from "../../protocol/socketio/packet.ts";
import type { Outgoing } from "../engineio/outgoing.ts";
import type { Session } from "../engineio/session.ts";
import type { Untyped } from "../events/emitter.ts";

/** The connection as a socket sees it: a way out, and a way to end. */
export interface Client {
  /** The id of the Engine.IO session that carries it. */
  readonly id: string;
  /** The Engine.IO session that carries it. */
  readonly conn: Session;
  /** The HTTP request with which it came. */
  readonly request: IncomingMessage;
  /** The IP address from which it came. */
  readonly address: string;
  /** When it came, in milliseconds since 1970. */
  readonly issued: number;
  /** What the program keeps for this client and a namespace, as long as the connection is there. */
  readonly sessions: Map<string, Untyped>;
  /** Sends. A volatile message is dropped if it cannot leave now. */
  send(message: Outgoing, volatile: boolean): void;
  /** The id for a socket of this client in a namespace. */
  socketId(namespace: string): string;
  /** Tells the client that it is in a namespace. */
  sendConnected(namespace: string, data: { readonly sid: string; readonly pid?: string }): void;
  /** Tells the client that it may not come into a namespace. */
  sendRefused(namespace: string, data: ConnectErrorData): void;
  /**
   * When the fullest that a bucket of its next sockets may be is full: none is fuller than those of the sockets that it
   * has left, so that to leave and join again earns no events. `rateLimit`.
   */
  bucketFullAt: number;
  /** It may come back to what it was. */
  readonly recoverable: boolean;
  /** A socket of this client is connected. */
  onJoined(): void;
  /** The socket of this namespace has gone. */
  leave(namespace: string): void;
  /** Disconnects every socket and ends the connection. */
  disconnectAll(): void;
}
