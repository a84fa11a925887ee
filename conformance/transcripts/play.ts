// What a transcript works with while it is played.

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
 * Does what a line says. Throws Failure where the server does it otherwise.
 *
 * @param limit the milliseconds that the line allows, for what has a limit of its own otherwise
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
    if (connection === undefined) throw new Failure(`connection ${name}`, "none with this name");
    return connection;
  }
}

export class Play {
  readonly context: Context;
  /** What {names} stand for. */
  readonly variables: Map<string, string>;
  readonly http = new Connections<HttpExchange>();
  readonly websockets = new Connections<WebSocketPeer>();
  readonly socketio = new Connections<SocketioConnection>();
  /** The session ids that the server has given, of Engine.IO and of Socket.IO. */
  readonly sids = new Set<string>();
  /** The WebSockets on which permessage-deflate is agreed, by their names. */
  readonly deflates = new Map<string, DeflatePeer>();

  readonly #rests = new Map<string, Uint8Array>();
  /**
   * When the last line was said, for lines that must not come before some time: what the harness does counts from its
   * beginning, and what comes from its end.
   */
  lastSaid = performance.now();

  readonly #clients: ClientContext | undefined;

  /** @param clients those that connect, where the harness is the server */
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
    if (this.#clients === undefined) throw new Error("the harness is no server here");
    return this.#clients.request();
  }

  /** Keeps the end of a frame of which only the beginning is sent. */
  keepRest(connection: string, bytes: Uint8Array): void {
    this.#rests.set(connection, bytes);
  }

  /** What keepRest() kept. */
  takeRest(connection: string): Uint8Array {
    const rest = this.#rests.get(connection);
    if (rest === undefined)
      throw new Error(
        "a line sends the rest of a frame, but no line before it has sent only a part of one",
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
