// What a transcript works with while it is played.

import { Failure } from "../kit/case.ts";
import type { Context } from "../kit/context.ts";
import type { DeflatePeer } from "../kit/deflate.ts";
import { addressOf } from "../kit/target.ts";
import type { WebSocketPeer } from "../kit/websocket.ts";
import type { HttpExchange } from "./http.ts";

/** Does what a line says. Throws Failure where the server does it otherwise. */
export type Action = (play: Play) => Promise<void> | void;

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
  /** The WebSockets on which permessage-deflate is agreed, by their names. */
  readonly deflates = new Map<string, DeflatePeer>();

  readonly #rests = new Map<string, Uint8Array>();

  constructor(context: Context) {
    this.context = context;
    const { target } = context;
    this.variables = new Map([
      ["host", addressOf(target)],
      ["websocket", target.websocketPath],
      ["engineio", target.engineioPath],
      ["socketio", target.socketioPath],
    ]);
  }

  /** Keeps the end of a frame of which only the beginning is sent. */
  keepRest(connection: string, bytes: Uint8Array): void {
    this.#rests.set(connection, bytes);
  }

  /** What keepRest() kept. */
  takeRest(connection: string): Uint8Array {
    const rest = this.#rests.get(connection);
    if (rest === undefined) throw new Error("nothing is left of a frame");
    this.#rests.delete(connection);
    return rest;
  }
}

/** The variables that every transcript has. */
export const GIVEN: ReadonlySet<string> = new Set(["host", "websocket", "engineio", "socketio"]);
