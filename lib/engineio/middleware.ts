// Express-style middleware for the requests and upgrade requests of an engine. For an upgrade request, the middleware receives a
// response object. If the middleware ends the response, the response is sent to the client. Otherwise the header fields of the
// response object are added to the 101 response.

import { type IncomingMessage, ServerResponse } from "node:http";
import { once } from "../events/once.ts";
import { isThenable } from "../events/thenable.ts";
import type { UpgradeRequest } from "./engine-request.ts";

/**
 * Express-style middleware of an engine. Calls `next()` to accept a request, calls `next(error)` to refuse it, or answers the
 * request.
 *
 * Middleware for Express can be passed, although its parameters have the types of Express. TypeScript accepts such middleware
 * because this type is declared as a method, and TypeScript checks the parameters of methods less strictly. If a function
 * declares no types for its parameters, TypeScript infers the types of node:http.
 *
 * @example
 * const io = new Server(3000);
 * io.engine.use((request, response, next) => {
 *   if (request.headers.authorization === undefined) response.writeHead(401).end();
 *   else next();
 * });
 */
export type EngineMiddleware = {
  /**
   * Handles a request or an upgrade request.
   *
   * @param request the HTTP request
   * @param response the response, to answer the request or to set header fields
   * @param next passes the request to the next middleware or to the engine. Refuses the request if called with an error
   */
  use(request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): unknown;
}["use"];

/**
 * Calls the functions in `middleware` for a request, one after another. A thrown error or a rejection is handled like an error
 * that is passed to next().
 *
 * @param done called when every middleware has called next(), or with the first error. Never called if a middleware answers
 * the request
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
    const fail = (error: unknown): void =>
      next(
        error || new Error("middleware of engine.use() has thrown or rejected without an error"),
      );
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
 * Calls the functions in `middleware` for an upgrade request, as passMiddleware() does for an HTTP request. The header fields
 * that the middleware sets become header fields of the 101 response.
 *
 * @param done called when every middleware has called next(), or with the first error
 */
export function passMiddlewareToUpgrade(
  middleware: readonly EngineMiddleware[],
  { request, socket, headers }: UpgradeRequest,
  done: (error?: unknown) => void,
): void {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  try {
    // assignSocket() accepts every stream, although its declaration requires a socket of node:net. A program may pass any
    // stream to handleUpgrade().
    Reflect.apply(response.assignSocket, response, [socket]);
  } catch (error) {
    // assignSocket() has thrown, because an earlier request on the same connection is not answered yet.
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
      // The response is ended, because some middleware adds header fields when the header is written, or saves a session when
      // the response ends. Nothing is sent, since the response has no socket any more.
      response.writeHead(101).end();
    }
    for (const [name, value = ""] of Object.entries(response.getHeaders())) {
      headers.setHeader(name, value);
    }
    done(error);
  });
}
