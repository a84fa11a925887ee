// Distinguishes servers of node:http, node:https and node:http2 from other values that the user passes.

import type { Server } from "node:net";

import { ArgumentTypeError } from "./events/errors.ts";
import { port } from "./node-options.ts";

/** Returns whether `value` has the methods of an HTTP server. */
export function isServer(value: unknown): value is Server {
  return (
    typeof value === "object" &&
    value !== null &&
    ["listen", "close", "on", "off", "listeners", "removeAllListeners"].every(
      (name) => typeof Reflect.get(value, name) === "function",
    )
  );
}

/**
 * Checks that the user has passed a server or a port.
 *
 * @throws ArgumentTypeError if the value is neither a server nor a port
 * @throws ArgumentRangeError if the port is invalid
 */
export function checkServer(given: unknown): void {
  if (typeof given === "function") {
    throw new ArgumentTypeError(
      "You are trying to attach socket.io to an express request handler function. Please pass a http.Server instance.",
    );
  }
  if (isServer(given)) return;
  const isPort = typeof given === "number" || (typeof given === "string" && /^\d+$/.test(given));
  if (!isPort || Number.isNaN(given)) {
    throw new ArgumentTypeError("the server must be an HTTP server or a port");
  }
  port(Number(given), "the port");
}
