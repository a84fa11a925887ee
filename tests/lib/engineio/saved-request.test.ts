// The engine stores the request of a session as text if the program has not changed the request. It restores the
// request on demand.

import assert from "node:assert/strict";
import { createServer, IncomingMessage } from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";

import { SavedRequest } from "../../../lib/engineio/saved-request.ts";
import { portOf } from "../../support/net.ts";

describe("SavedRequest", () => {
  const http = createServer();
  before(() => new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve)));
  after(() => http.close());

  /** Returns the request object that the HTTP server creates from these lines. */
  function requestOf(lines: readonly string[]): Promise<IncomingMessage> {
    return new Promise((resolve) => {
      http.once("request", (request, response) => {
        resolve(request);
        // When the response ends, Node removes a listener from the request, which changes the object. The response must
        // therefore end later.
        setImmediate(() => response.end());
      });
      const socket = connect(portOf(http), "127.0.0.1", () => {
        socket.end([...lines, "Connection: close", "", ""].join("\r\n"));
      });
      socket.resume();
    });
  }

  test("restores a request with the same properties", async () => {
    const request = await requestOf([
      "GET /socket.io/?a=1 HTTP/1.1",
      "Host: example.com",
      "X-Empty:",
      "Cookie: a=1; b=é",
    ]);
    const kept = SavedRequest.of(request);
    assert(kept instanceof SavedRequest);
    const restored = kept.restore();
    for (const name of [
      "method",
      "url",
      "httpVersion",
      "httpVersionMajor",
      "httpVersionMinor",
      "headers",
      "headersDistinct",
      "rawHeaders",
      "socket",
    ] as const) {
      assert.deepEqual(restored[name], request[name], name);
    }
  });

  test("keeps the request itself if it has repeated header fields or Set-Cookie", async () => {
    for (const lines of [
      ["Host: a", "X-A: 1", "x-a: 2"],
      ["Host: a", "Set-Cookie: a=1"],
    ]) {
      const request = await requestOf(["GET / HTTP/1.1", ...lines]);
      assert.equal(SavedRequest.of(request), request);
    }
  });

  const CHANGES: Readonly<Record<string, (request: IncomingMessage) => void>> = {
    "has a new property": (request) => Object.assign(request, { user: "a" }),
    "has a new property with a symbol as its key": (request) =>
      Object.assign(request, { [Symbol("user")]: "a" }),
    "has a new header": ({ headers }) => Object.assign(headers, { "x-user": "a" }),
    "has a changed header": ({ headers }) => Object.assign(headers, { host: "b" }),
    "lacks a header that was deleted": ({ headers }) => delete headers.host,
    "has another prototype": (request) =>
      Object.setPrototypeOf(request, new IncomingMessage(request.socket)),
  };
  for (const [does, change] of Object.entries(CHANGES)) {
    test(`keeps the request itself if it ${does}`, async () => {
      const request = await requestOf(["GET / HTTP/1.1", "Host: a"]);
      change(request);
      assert.equal(SavedRequest.of(request), request);
    });
  }
});
