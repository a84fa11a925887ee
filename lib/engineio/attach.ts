// An engine on an HTTP server that serves other things too.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Who answers the requests and upgrades for the path of an engine. */
export interface EngineHandler {
  /** @param alone no other listener has the request */
  handleRequest(request: IncomingMessage, response: ServerResponse, alone: boolean): void;
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Uint8Array, alone: boolean): void;
}

export interface AttachOptions {
  /** Where the path begins that is the engine's. Default "/socket.io". */
  readonly path?: string;
  /** The path ends with "/", whether or not it was given so. Default `true`. */
  readonly addTrailingSlash?: boolean;
  /** Upgrade requests that nobody has answered in time are closed. Default `true`. */
  readonly destroyUpgrade?: boolean;
  /** Milliseconds until then. Default 1,000. */
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

/** An HTTP, HTTPS or HTTP/2 server. */
export type NodeServer = Server;

/** An engine's place on an HTTP server. */
export interface Attachment {
  /**
   * Ends connections on which nothing has come yet, as browsers open some in advance. An HTTP
   * server that closes would wait for their first request.
   */
  endSilentConnections(): void;
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
  const isOurs = (request: IncomingMessage): boolean => request.url?.startsWith(path) === true;

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
  const CONNECTION = "addContext" in server ? "secureConnection" : "connection";
  server.on(CONNECTION, onSilent);

  /** No other listener has such requests. What another server passes on is on no connection to this one. */
  const isAlone = (event: "request" | "upgrade"): boolean => server.listenerCount(event) === 1;

  // Who listens to requests answers every one of them, so those for us must not get there.
  const others = server.listeners("request");
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const isFirst = onSpeak(request.socket);
    if (isOurs(request)) {
      engine.handleRequest(request, response, isFirst && isAlone("request"));
    } else for (const listener of others) listener.call(server, request, response);
  };
  server.removeAllListeners("request");
  server.on("request", onRequest);

  const { destroyUpgrade = true, destroyUpgradeTimeout = 1000 } = options;
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    const isFirst = onSpeak(request.socket);
    if (isOurs(request)) {
      engine.handleUpgrade(request, socket, head, isFirst && isAlone("upgrade"));
    } else if (destroyUpgrade) {
      // Another listener may answer it. Until then nobody hears the socket's errors.
      socket.on("error", () => socket.destroy());
      const timer = setTimeout(() => {
        // Nobody reads it, so the client's end would never be seen.
        if (socket.writable && !hasWritten(socket)) socket.end(() => socket.destroy());
      }, destroyUpgradeTimeout);
      socket.once("close", () => clearTimeout(timer));
    }
  };
  server.on("upgrade", onUpgrade);

  return {
    endSilentConnections: () => {
      for (const socket of silent) socket.destroy();
    },
    detach: () => {
      server.off(CONNECTION, onSilent);
      server.off("upgrade", onUpgrade);
      server.off("request", onRequest);
      // Those that were there before stand before those that came later.
      const later = server.listeners("request");
      server.removeAllListeners("request");
      for (const listener of [...others, ...later])
        Reflect.apply(server.on, server, ["request", listener]);
    },
  };
}

function hasWritten(socket: Duplex): boolean {
  return "bytesWritten" in socket && Number(socket.bytesWritten) > 0;
}
