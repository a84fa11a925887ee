// An engine on an HTTP server that serves other things too.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";

import type { Engine } from "./engine.ts";

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

/** The path that requests are compared with, as a prefix. */
export function enginePath({
  path = "/socket.io",
  addTrailingSlash = true,
}: AttachOptions): string {
  const bare = path.replace(/\/$/, "");
  return addTrailingSlash ? `${bare}/` : bare;
}

/** An HTTP, HTTPS or HTTP/2 server. */
export type NodeServer = Server;

/**
 * Has `server` pass the requests and upgrades for the engine's path to `engine`; its own listeners
 * get all others. Returns a function that undoes it.
 */
export function attach(engine: Engine, server: NodeServer, options: AttachOptions): () => void {
  const path = enginePath(options);
  const isOurs = (request: IncomingMessage): boolean => request.url?.startsWith(path) === true;

  // Who listens to requests answers every one of them, so those for us must not get there.
  const others = server.listeners("request");
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    if (isOurs(request)) engine.handleRequest(request, response);
    else for (const listener of others) listener.call(server, request, response);
  };
  server.removeAllListeners("request");
  server.on("request", onRequest);

  const { destroyUpgrade = true, destroyUpgradeTimeout = 1000 } = options;
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    if (isOurs(request)) {
      engine.handleUpgrade(request, socket, head);
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

  return () => {
    server.off("upgrade", onUpgrade);
    server.off("request", onRequest);
    for (const listener of others) server.on("request", (...args) => listener.apply(server, args));
  };
}

function hasWritten(socket: Duplex): boolean {
  return "bytesWritten" in socket && Number(socket.bytesWritten) > 0;
}
