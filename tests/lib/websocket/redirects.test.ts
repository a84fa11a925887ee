// Tests HTTP redirects: the target of each redirect, and the headers that the client sends to it. RFC 9110 §15.4.

import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer } from "node:http";
import { describe, test } from "node:test";

import { io } from "../../../client/index.ts";
import { isRedirect, redirectHeaders, redirectTarget } from "../../../lib/websocket/redirects.ts";

const FROM = new URL("https://a.test:1/dir/file?x=1");

describe("HTTP redirects", () => {
  test("RFC 9110 §15.4: have status 301, 302, 303, 307 or 308", () => {
    const statuses = [200, 300, 301, 302, 303, 304, 305, 307, 308, 400, undefined];
    assert.deepEqual(statuses.filter(isRedirect), [301, 302, 303, 307, 308]);
  });

  for (const [location, target] of [
    ["/other", "https://a.test:1/other"],
    ["other?y", "https://a.test:1/dir/other?y"],
    ["//b.test/", "https://b.test/"],
    ["https://b.test/", "https://b.test/"],
    ["http://b.test/", "http://b.test/"],
    ["wss://b.test/", "wss://b.test/"],
    ["ws://b.test/", "ws://b.test/"],
    ["xws://b.test/", undefined],
    ["ws-x://b.test/", undefined],
    ["ftp://b.test/", undefined],
    ["javascript:alert(1)", undefined],
    ["http://[", undefined],
    [undefined, undefined],
  ] as const) {
    test(`RFC 9110 §10.2.2: with Location ${location} lead to ${target ?? "no target"}`, () => {
      assert.equal(redirectTarget(FROM, location)?.href, target);
    });
  }

  for (const [to, kept] of [
    ["https://a.test:1/x", true],
    ["wss://a.test:1/x", true],
    ["https://a.test:2/x", false],
    ["https://b.test:1/x", false],
    ["http://a.test:1/x", false],
  ] as const) {
    test(`from ${FROM.origin} to ${to} ${kept ? "keep" : "remove"} the credentials`, () => {
      const headers = { Authorization: "s", cookie: "a=b", "Proxy-Authorization": "p", More: "m" };
      const expected = kept ? headers : { More: "m" };
      assert.deepEqual(redirectHeaders(FROM, new URL(to), headers), expected);
    });
  }

  for (const [transport, location] of [
    ["polling", "ws://127.0.0.1:9/"],
    ["polling", "https://127.0.0.1:9/"],
    ["websocket", "wss://127.0.0.1:9/"],
  ] as const) {
    test(`from ${transport} to ${location}, an unusable URL, cause connect_error`, async (t) => {
      const server = createServer((_request, response) => {
        response.writeHead(307, { Location: location, Connection: "close" }).end();
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      t.after(() => server.close());
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      const socket = io(`http://127.0.0.1:${address.port}`, {
        // An agent for http sends no request to https.
        agent: new Agent(),
        forceNew: true,
        reconnection: false,
        transports: [transport],
      });
      t.after(() => socket.disconnect());
      const error = await new Promise<Error>((resolve) => socket.on("connect_error", resolve));
      assert.match(error.message, /polling poll error|websocket error/);
    });
  }
});
