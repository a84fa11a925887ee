// Express-style middleware in front of the engine: what is written for HTTP requests stands before
// upgrades too, where it gets a response that is sent if it ends it, and whose header fields go into
// the 101 otherwise.

import { type IncomingMessage, ServerResponse } from "node:http";
import { Socket as TcpSocket } from "node:net";
import type { Duplex } from "node:stream";

import { once } from "../once.ts";

/** Lets a request on with `next()`, refuses it with `next(error)`, or answers it. */
export type EngineMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => unknown;

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
      if (result instanceof Promise) result.catch(fail);
    } catch (error) {
      fail(error);
    }
  };
  pass(0);
}

/** Header fields that the 101 has of its own, or must not have. */
const OF_THE_101 = /^(?:connection|upgrade|content-length|transfer-encoding|sec-websocket-.*)$/;

/**
 * passMiddleware() for a request for an upgrade.
 *
 * @param done called when all have passed, with lines for the header of the 101, or with the error
 */
export function passMiddlewareToUpgrade(
  middleware: readonly EngineMiddleware[],
  request: IncomingMessage,
  socket: Duplex,
  done: (error: unknown, lines: readonly string[]) => void,
): void {
  if (!(socket instanceof TcpSocket)) {
    done(undefined, []);
    return;
  }
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  try {
    response.assignSocket(socket);
  } catch (error) {
    // A request that came before on the same connection is not answered yet.
    done(error, []);
    return;
  }
  const onFinish = (): void => {
    socket.end(() => socket.destroy());
  };
  response.once("finish", onFinish);
  passMiddleware(middleware, request, response, (error) => {
    if (socket.destroyed) return;
    response.detachSocket(socket);
    response.off("finish", onFinish);
    if (error === undefined) {
      // Some wait for the header to add theirs, or for the end to save a session. Nothing is sent
      // by either.
      response.writeHead(101).end();
    }
    const fields = Object.entries(response.getHeaders()).filter(([name]) => !OF_THE_101.test(name));
    const lines = fields.flatMap(([name, value]) =>
      [value].flat().map((each) => `${name}: ${each}`),
    );
    done(error, lines);
  });
}
