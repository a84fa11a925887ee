// An engine on an HTTP server that serves other things too.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pathAndQuery } from "../request-target.ts";
import { leaveUpgrade, takeUpgrade } from "../unanswered-upgrade.ts";
import { refuseUpgrade } from "../websocket/upgrade.ts";
import { type Recipient, RequestArrival, UpgradeArrival } from "./arrival.ts";

/** Answers the requests and upgrades for the path of an engine. */
export interface EngineHandler {
  onRequest(arrival: RequestArrival): void;
  onUpgrade(arrival: UpgradeArrival): void;
}

export interface AttachOptions {
  /** Where the path begins that is the engine's. Default "/socket.io". */
  readonly path?: string;
  /** The path ends with "/", whether or not it was given so. Default `true`. */
  readonly addTrailingSlash?: boolean;
  /** Refuse upgrade requests for other paths with 404 unless another listener answers them. Default `true`. */
  readonly destroyUpgrade?: boolean;
  /** How long other listeners may take to answer, in milliseconds. Without any, the answer is 404 at once. Default 1,000. */
  readonly destroyUpgradeTimeout?: number;
}

/** The path that requests are compared with, as a prefix. Engine.IO "Request path". */
export function enginePath({
  path = "/socket.io",
  addTrailingSlash = true,
}: AttachOptions): string {
  const bare = path.replace(/\/$/, "");
  return addTrailingSlash ? `${bare}/` : bare;
}

/** A connection, or a session of HTTP/2. */
interface Closable {
  once(event: "close", listener: () => void): unknown;
  destroy(): unknown;
}

/** An HTTP, HTTPS or HTTP/2 server. */
export type NodeServer = Server;

/** An engine's place on an HTTP server. */
export interface Attachment {
  /**
   * Ends connections on which nothing has come yet, as browsers open some in advance. An HTTP
   * server that closes would wait for their first request.
   */
  endSilentConnections(): void;
  /** Ends all connections but those that were upgraded. */
  cutOff(): void;
  /** Gives the server back to its own listeners. */
  detach(): void;
}

/**
 * Has `server` pass the requests and upgrades for the engine's path to `engine`; its own listeners
 * get all others.
 */
export function attach(
  engine: EngineHandler,
  server: NodeServer,
  options: AttachOptions,
): Attachment {
  const path = enginePath(options);
  const isOurs = ({ url = "" }: IncomingMessage): boolean => pathAndQuery(url).startsWith(path);

  const silent = new Set<Socket>();
  /**
   * Whether it is the first request on a connection to this server. Of a later one it is not known, since
   * to remember every connection would take more memory than it saves.
   */
  const onSpeak = (socket: Socket): boolean => {
    const wasSilent = silent.delete(socket);
    if (wasSilent) socket.off("close", onSilentEnd);
    return wasSilent;
  };
  const onSilent = (socket: Socket): void => {
    silent.add(socket);
    socket.once("close", onSilentEnd);
  };
  function onSilentEnd(this: Socket): void {
    silent.delete(this);
  }
  // What only a server of node:tls has, which a server without TLS need not load to tell.
  const isSecure = "addContext" in server;
  const CONNECTION = isSecure ? "secureConnection" : "connection";
  server.on(CONNECTION, onSilent);

  // Those that have not finished the TLS handshake, and HTTP/2's: a server does not know them.
  const unsecured = new Map<string, Socket>();
  const keys = new WeakMap<Socket, string>();
  const sessions = new Set<Closable>();
  // Which TLSSocket belongs to which socket has no public name.
  const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
  function onUnsecuredEnd(this: Socket): void {
    unsecured.delete(keys.get(this) ?? "");
  }
  const onUnsecured = (socket: Socket): void => {
    unsecured.set(keyOf(socket), socket);
    keys.set(socket, keyOf(socket));
    socket.once("close", onUnsecuredEnd);
  };
  const onSecured = (socket: Socket): void => {
    const key = keyOf(socket);
    unsecured.get(key)?.off("close", onUnsecuredEnd);
    unsecured.delete(key);
  };
  const onSession = (session: Closable): void => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  };
  if (isSecure) server.on("connection", onUnsecured).on("secureConnection", onSecured);
  server.on("session", onSession);

  /** Returns who receives a request. What another server passes on is on no connection to this one. */
  const recipientOf = (request: IncomingMessage, event: "request" | "upgrade"): Recipient =>
    onSpeak(request.socket) && server.listenerCount(event) === 1 ? "engine" : "program";

  // Who listens to requests answers every one of them, so those for us must not get there.
  const others = server.listeners("request");
  let attached = true;
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const recipient = recipientOf(request, "request");
    if (attached && isOurs(request))
      engine.onRequest(new RequestArrival(request, response, recipient));
    else for (const listener of others) listener.call(server, request, response);
  };
  server.removeAllListeners("request");
  server.on("request", onRequest);

  const { destroyUpgrade = true, destroyUpgradeTimeout = 1000 } = options;
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    const recipient = recipientOf(request, "upgrade");
    if (isOurs(request)) {
      takeUpgrade(socket);
      engine.onUpgrade(new UpgradeArrival(request, socket, head, recipient));
    } else if (destroyUpgrade) {
      leaveUpgrade(server, socket, destroyUpgradeTimeout, () => refuseUpgrade(socket, 404, ""));
    }
  };
  server.on("upgrade", onUpgrade);

  return {
    endSilentConnections: () => {
      for (const socket of silent) socket.destroy();
    },
    cutOff: () => {
      for (const connection of [...silent, ...unsecured.values(), ...sessions])
        connection.destroy();
      if ("closeAllConnections" in server && typeof server.closeAllConnections === "function") {
        server.closeAllConnections();
      }
    },
    detach: () => {
      server.off(CONNECTION, onSilent);
      server.off("connection", onUnsecured).off("secureConnection", onSecured);
      server.off("session", onSession);
      server.off("upgrade", onUpgrade);
      attached = false;
      // Another engine that came later passes on to this listener, which passes on to those before it.
      if (!server.listeners("request").includes(onRequest)) return;
      server.off("request", onRequest);
      // Those that were there before stand before those that came later.
      const later = server.listeners("request");
      server.removeAllListeners("request");
      for (const listener of [...others, ...later])
        Reflect.apply(server.on, server, ["request", listener]);
    },
  };
}
