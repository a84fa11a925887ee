// Attaches an engine to an HTTP server that also serves other requests.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pathAndQuery } from "../request-target.ts";
import { leaveUpgrade, takeUpgrade } from "../unanswered-upgrade.ts";
import { refuseUpgrade } from "../websocket/upgrade.ts";
import { PollingRequest, type Recipient, UpgradeRequest } from "./engine-request.ts";

/** Handles the requests and upgrade requests for the path of an engine. */
export interface EngineHandler {
  /** Answers an HTTP request. */
  onRequest(incoming: PollingRequest): void;
  /** Answers an upgrade request. */
  onUpgrade(incoming: UpgradeRequest): void;
}

/** The options that attach an engine to an HTTP server. */
export interface AttachOptions {
  /** The prefix of the paths that the engine handles. The server's other listeners handle other paths. Default: "/socket.io". */
  readonly path?: string;
  /** Add "/" to the end of `path`, unless the path already ends with "/". Default: `true`. */
  readonly addTrailingSlash?: boolean;
  /** Refuse upgrade requests for other paths with 404 unless another listener answers them. Default: `true`. */
  readonly destroyUpgrade?: boolean;
  /**
   * How long the other listeners may take to answer an upgrade request for another path, in milliseconds. If there is no other
   * listener, the answer is 404 at once. Default: 1,000.
   */
  readonly destroyUpgradeTimeout?: number;
}

/** Returns the prefix of the paths that an engine handles. Engine.IO "Request path". */
export function enginePath({
  path = "/socket.io",
  addTrailingSlash = true,
}: AttachOptions): string {
  const bare = path.replace(/\/$/, "");
  return addTrailingSlash ? `${bare}/` : bare;
}

/** A TCP connection, or an HTTP/2 session. */
interface Closable {
  once(event: "close", listener: () => void): unknown;
  destroy(): unknown;
}

/** An HTTP, HTTPS or HTTP/2 server. */
export type NodeServer = Server;

/** An engine that is attached to an HTTP server. */
export interface Attachment {
  /**
   * Ends the connections without a request, such as those that browsers open in advance. Otherwise close() of the HTTP server
   * would wait for their first request.
   */
  endSilentConnections(): void;
  /** Ends all connections that were not upgraded. */
  cutOff(): void;
  /** Removes the engine's listeners from the server, and restores the other listeners. */
  detach(): void;
}

/**
 * Attaches an engine to a server. The engine receives the requests and upgrade requests for its path. The server's other
 * listeners receive the requests for all other paths.
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
   * Returns whether a request is the first one on a connection that this server has accepted. Returns `false` for later
   * requests, and for requests that another server has forwarded. To distinguish these two cases, the server would need a
   * list of all connections. This list would take more memory than is saved when a session keeps only the text of a request
   * (Recipient in engine-request.ts).
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
  // Only a server of node:tls has this method. Unlike `instanceof`, the test does not load node:tls.
  const isSecure = "addContext" in server;
  const CONNECTION = isSecure ? "secureConnection" : "connection";
  server.on(CONNECTION, onSilent);

  // Connections without a finished TLS handshake, and HTTP/2 sessions, are tracked here, because closeAllConnections() does
  // not close them.
  const unsecured = new Map<string, Socket>();
  const keys = new WeakMap<Socket, string>();
  const sessions = new Set<Closable>();
  // A TLSSocket has no public property for its TCP socket, so the two sockets are matched by the address and the port of the
  // client.
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

  /**
   * Returns who may receive the request object: only the engine, or also the program. The program may receive the object if
   * the server has other listeners, or if onSpeak() cannot rule out that another server has forwarded the request.
   */
  const recipientOf = (request: IncomingMessage, event: "request" | "upgrade"): Recipient =>
    onSpeak(request.socket) && server.listenerCount(event) === 1 ? "engine" : "program";

  // Other listeners answer every request that they receive, so they must not receive the requests for the engine.
  const others = server.listeners("request");
  let attached = true;
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const recipient = recipientOf(request, "request");
    if (attached && isOurs(request))
      engine.onRequest(new PollingRequest(request, response, recipient));
    else for (const listener of others) listener.call(server, request, response);
  };
  server.removeAllListeners("request");
  server.on("request", onRequest);

  const { destroyUpgrade = true, destroyUpgradeTimeout = 1000 } = options;
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    const recipient = recipientOf(request, "upgrade");
    if (isOurs(request)) {
      takeUpgrade(socket);
      engine.onUpgrade(new UpgradeRequest(request, socket, head, recipient));
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
      // If onRequest() is no longer a listener, an engine that was attached later has replaced the listeners of the server.
      // That engine still calls onRequest() for other paths.
      if (!server.listeners("request").includes(onRequest)) return;
      server.off("request", onRequest);
      // Listeners that were added before the engine are called before those that were added later, as without an engine.
      const later = server.listeners("request");
      server.removeAllListeners("request");
      for (const listener of [...others, ...later])
        Reflect.apply(server.on, server, ["request", listener]);
    },
  };
}
