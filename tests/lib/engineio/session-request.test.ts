// The request of a session: kept as text where nobody else has it, and made again for who asks.

import assert from "node:assert/strict";
import { createServer, IncomingMessage } from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";

import { SessionRequest } from "../../../lib/engineio/session-request.ts";
import { portOf } from "../../support/net.ts";

describe("SessionRequest", () => {
  const http = createServer();
  before(() => new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve)));
  after(() => http.close());

  /** The request that the server makes of these lines. */
  function requestOf(lines: readonly string[]): Promise<IncomingMessage> {
    return new Promise((resolve) => {
      http.once("request", (request, response) => {
        resolve(request);
        // Answered, it has lost a listener of Node's, which leaves a trace.
        setImmediate(() => response.end());
      });
      const socket = connect(portOf(http), "127.0.0.1", () => {
        socket.end([...lines, "Connection: close", "", ""].join("\r\n"));
      });
      socket.resume();
    });
  }

  test("says the same as the request", async () => {
    const request = await requestOf([
      "GET /socket.io/?a=1 HTTP/1.1",
      "Host: example.com",
      "X-Empty:",
      "Cookie: a=1; b=é",
    ]);
    const kept = SessionRequest.of(request);
    assert(kept instanceof SessionRequest);
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

  test("is the request itself where fields of one name were joined", async () => {
    for (const lines of [
      ["Host: a", "X-A: 1", "x-a: 2"],
      ["Host: a", "Set-Cookie: a=1"],
    ]) {
      const request = await requestOf(["GET / HTTP/1.1", ...lines]);
      assert.equal(SessionRequest.of(request), request);
    }
  });

  const CHANGES: Readonly<Record<string, (request: IncomingMessage) => void>> = {
    "given a property": (request) => Object.assign(request, { user: "a" }),
    "given one by a symbol": (request) => Object.assign(request, { [Symbol("user")]: "a" }),
    "given a header": ({ headers }) => Object.assign(headers, { "x-user": "a" }),
    "given another value of a header": ({ headers }) => Object.assign(headers, { host: "b" }),
    "rid of a header": ({ headers }) => delete headers.host,
    "given another class": (request) =>
      Object.setPrototypeOf(request, new IncomingMessage(request.socket)),
  };
  for (const [does, change] of Object.entries(CHANGES)) {
    test(`is the request itself where it was ${does} before`, async () => {
      const request = await requestOf(["GET / HTTP/1.1", "Host: a"]);
      change(request);
      assert.equal(SessionRequest.of(request), request);
    });
  }
});
