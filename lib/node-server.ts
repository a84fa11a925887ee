// Tells servers of node:http, node:https and node:http2 from whatever else a program passes.

import type { Server } from "node:net";

import { ArgumentTypeError } from "./events/errors.ts";
import { port } from "./node-options.ts";

/** Whether requests can be listened to here. */
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
 * Checks that a program passes a server or a port.
 *
 * @throws ArgumentTypeError for any other value, ArgumentRangeError for an invalid port
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
    throw new ArgumentTypeError("neither an HTTP server nor a port was given");
  }
  port(Number(given), "the port");
}
