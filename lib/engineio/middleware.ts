// Express-style middleware in front of the engine: what is written for HTTP requests stands before
// upgrades too, where it gets a response that is sent if it ends it, and whose header fields go into
// the 101 otherwise.

import { type IncomingMessage, ServerResponse } from "node:http";
import { once } from "../events/once.ts";
import { isThenable } from "../events/thenable.ts";
import type { UpgradeArrival } from "./arrival.ts";

/**
 * Lets a request on with `next()`, refuses it with `next(error)`, or answers it.
 *
 * Middleware for Express declares the request and the response of Express. It can be passed because it is declared as a method
 * here, whose parameters TypeScript compares in both directions. Parameters without a type are those of node:http.
 */
export type EngineMiddleware = {
  use(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): unknown;
}["use"];

/**
 * Has a request pass `middleware`, one after the other; what one throws or rejects with is what it
 * gives to next().
 *
 * @param done called when all have passed, or with the first error; never where one has answered
 */
export function passMiddleware(
  middleware: readonly EngineMiddleware[],
  request: IncomingMessage,
  response: ServerResponse,
  done: (error?: unknown) => void,
): void {
  const pass = (index: number): void => {
    const current = middleware[index];
    if (current === undefined) {
      done();
      return;
    }
    const next = once((error?: unknown) => {
      if (response.headersSent || response.writableEnded || response.destroyed) return;
      if (error) done(error);
      else pass(index + 1);
    });
    const fail = (error: unknown): void => next(error || new Error("the middleware has failed"));
    try {
      const result = current(request, response, next);
      if (isThenable(result)) Promise.resolve(result).then(undefined, fail);
    } catch (error) {
      fail(error);
    }
  };
  pass(0);
}

/**
 * passMiddleware() for an upgrade request. The header fields that the middleware sets go into the 101.
 *
 * @param done called when all have passed, or with the first error
 */
export function passMiddlewareToUpgrade(
  middleware: readonly EngineMiddleware[],
  { request, socket, headers }: UpgradeArrival,
  done: (error?: unknown) => void,
): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  try {
    // Any stream will do, and a connection that was handed over may be any. The declaration wants one of node:net.
    Reflect.apply(response.assignSocket, response, [socket]);
  } catch (error) {
    // A request that came before on the same connection is not answered yet.
    done(error);
    return;
  }
  const onFinish = (): void => {
    socket.end(() => socket.destroy());
  };
  response.once("finish", onFinish);
  passMiddleware(middleware, request, response, (error) => {
    if (socket.destroyed) return;
    Reflect.apply(response.detachSocket, response, [socket]);
    response.off("finish", onFinish);
    if (error === undefined) {
      // Some wait for the header to add theirs, or for the end to save a session. Nothing is sent
      // by either.
      response.writeHead(101).end();
    }
    for (const [name, value = ""] of Object.entries(response.getHeaders())) {
      headers.setHeader(name, value);
    }
    done(error);
  });
}
