// The state of a transcript while it is played.

import { randomBytes } from "node:crypto";

import { Failure } from "../harness/case.ts";
import type { ClientContext, ClientRequest } from "../harness/client-context.ts";
import type { Context } from "../harness/context.ts";
import { addressOf } from "../harness/target.ts";
import type { DeflatePeer } from "../peers/deflate.ts";
import type { WebSocketPeer } from "../peers/websocket.ts";
import type { HttpExchange } from "./http.ts";
import type { SocketioConnection } from "./socketio.ts";

/**
 * Plays a line. Throws a Failure if the server breaks the rule.
 *
 * @param limit the time limit of the line in milliseconds. Missing: the default limit of the operation
 */
export type Action = (play: Play, limit?: number) => Promise<void> | void;

/** Connections of one kind by their names. */
export class Connections<Connection> {
  readonly #byName = new Map<string, Connection>();

  set(name: string, connection: Connection): void {
    this.#byName.set(name, connection);
  }

  get(name: string): Connection {
    const connection = this.#byName.get(name);
    if (connection === undefined)
      throw new Failure(`connection ${name}`, "no connection with this name");
    return connection;
  }
}

export class Play {
  readonly context: Context;
  /** The values of the variables. */
  readonly variables: Map<string, string>;
  readonly http = new Connections<HttpExchange>();
  readonly websockets = new Connections<WebSocketPeer>();
  readonly socketio = new Connections<SocketioConnection>();
  /** The session ids that the server has sent, of Engine.IO and of Socket.IO. */
  readonly sids = new Set<string>();
  /** The WebSockets that have negotiated permessage-deflate, by name. */
  readonly deflates = new Map<string, DeflatePeer>();

  readonly #rests = new Map<string, Uint8Array>();
  /**
   * The time of the last line, for lines that must not be received too early. If the harness has sent the line, this is
   * the time before sending. If the harness has received the line, this is the time after receiving.
   */
  lastSaid = performance.now();

  readonly #clients: ClientContext | undefined;

  /** @param clients the clients that connect, if the harness is the server */
  constructor(context: Context, clients?: ClientContext) {
    this.context = context;
    this.#clients = clients;
    const { target } = context;
    this.variables = new Map([
      ["host", addressOf(target)],
      ["websocket", target.websocketPath],
      ["engineio", target.engineioPath],
      ["socketio", target.socketioPath],
      ["random", randomBytes(8).toString("hex")],
    ]);
  }

  /** Waits for a client. */
  async request(): Promise<ClientRequest> {
    if (this.#clients === undefined)
      throw new Error("this case is for servers, so no client can connect");
    return this.#clients.request();
  }

  /** Stores the rest of a frame whose beginning was sent. */
  keepRest(connection: string, bytes: Uint8Array): void {
    this.#rests.set(connection, bytes);
  }

  /** Returns what keepRest() stored. */
  takeRest(connection: string): Uint8Array {
    const rest = this.#rests.get(connection);
    if (rest === undefined)
      throw new Error(
        "a line sends the rest of a frame, but no earlier line has sent the first part of a frame",
      );
    this.#rests.delete(connection);
    return rest;
  }
}

/** The variables that every transcript has. */
export const GIVEN: ReadonlySet<string> = new Set([
  "host",
  "websocket",
  "engineio",
  "socketio",
  "random",
]);
