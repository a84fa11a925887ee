// Fuzzes HTTP requests through real sockets, with random heads and bodies. Each request is sent whole and in pieces,
// and the two responses must be the same.

import assert from "node:assert/strict";

import fc from "fast-check";

import { PollingClient, TcpClient, turn } from "../support/net.ts";
import { edited } from "./engineio.ts";
import { check, type Layer, Outcomes, settled } from "./layer.ts";
import { underFire } from "./server.ts";
import { cutAt, cuts } from "./websocket.ts";

/** The placeholder for a session id. Each request has its own session. */
const SID = "$SID";

const method = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("GET", "POST") },
  fc.constantFrom("OPTIONS", "HEAD", "PUT", "DELETE", "get", "CONNECT", "TRACE", "G\0T"),
);
const field = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(`sid=${SID}`, "EIO=4", "transport=polling") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "transport=websocket",
      "EIO=3",
      "sid=__proto__",
      "sid=",
      "t=abc",
      "j=0",
      "b64=1",
      "EIO=4&EIO=3",
      "transport=constructor",
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 6 }).map((text) => encodeURIComponent(text)) },
  { weight: 1, arbitrary: fc.constantFrom("%", "%zz", "sid=%00", "[]", "a[b]=c", "+") },
);
const path = fc.oneof(
  { weight: 10, arbitrary: fc.constant("/socket.io/") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "/socket.io",
      "/socket.io/../socket.io/",
      "//socket.io/",
      "http://a/socket.io/",
      "*",
      "/",
      "/socket.io/socket.io.js",
      "/socket.io/%2e%2e/package.json",
    ),
  },
);
const target = fc
  .tuple(
    path,
    fc.oneof(
      { weight: 3, arbitrary: fc.constant([`EIO=4&transport=polling&sid=${SID}`]) },
      fc.array(field, { maxLength: 5 }),
    ),
  )
  .map(([where, fields]) => (fields.length === 0 ? where : `${where}?${fields.join("&")}`));

const header = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "Origin: http://a",
      "Origin: null",
      "Accept-Encoding: gzip",
      "Content-Type: text/plain;charset=UTF-8",
      "Content-Type: application/octet-stream",
      "Cookie: io=x; __proto__=y",
      "Expect: 100-continue",
      "Connection: close",
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Upgrade: h2c",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Version: 12",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Access-Control-Request-Method: PUT",
      "X-Forwarded-For: ::1",
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "Host: b",
      "Transfer-Encoding: chunked",
      "Content-Length: 3",
      "Content-Length: -1",
      "Content-Length: 99999999999",
      " folded: x",
      "no colon",
      ": x",
      `X: ${"x".repeat(20_000)}`,
    ),
  },
);

const packet = fc.oneof(
  fc.constantFrom(
    "40",
    "40/admin,",
    '42["echo",1]',
    '420["echo",1]',
    "41",
    "3",
    "2",
    "1",
    "bAQI=",
    '451-["echo",{"_placeholder":true,"num":0}]\x1ebAQI=',
    "40{}\x1e40",
    "b!",
    "",
  ),
  edited(fc.constantFrom('42["echo",{"a":[1,"é"]}]', '40/admin,{"token":1}')),
);
const body = fc.array(packet, { minLength: 1, maxLength: 3 }).map((all) => all.join("\x1e"));

/** How the request declares its body: with a correct or wrong length, in valid or invalid chunks, or not at all. */
const framing = fc.oneof(
  { weight: 6, arbitrary: fc.constant("length") },
  fc.constantFrom("less", "more", "chunked", "broken", "both", "none"),
);

interface Sent {
  readonly head: string;
  readonly body: string;
}

function framed(how: string, text: string): Sent {
  const size = Buffer.byteLength(text);
  const chunk = `${size.toString(16)}\r\n${text}\r\n`;
  switch (how) {
    case "less":
      return { head: `Content-Length: ${Math.max(0, size - 1)}\r\n`, body: text };
    case "more":
      return { head: `Content-Length: ${size + 1}\r\n`, body: text };
    case "chunked":
      return { head: "Transfer-Encoding: chunked\r\n", body: `${chunk}0\r\n\r\n` };
    case "broken":
      return { head: "Transfer-Encoding: chunked\r\n", body: `${chunk}x\r\n\r\n` };
    case "both":
      return {
        head: `Content-Length: ${size}\r\nTransfer-Encoding: chunked\r\n`,
        body: `${chunk}0\r\n\r\n`,
      };
    case "none":
      return { head: "", body: text };
    default:
      return { head: `Content-Length: ${size}\r\n`, body: text };
  }
}

const request = fc
  .record({
    method,
    target,
    version: fc.oneof(
      { weight: 12, arbitrary: fc.constant("HTTP/1.1") },
      fc.constantFrom("HTTP/1.0", "HTTP/2.0", ""),
    ),
    headers: fc.array(header, { maxLength: 3 }),
    framing,
    body,
  })
  .map(({ method: verb, target: where, version, headers, framing: how, body: text }) => {
    const sent = verb === "GET" || verb === "HEAD" ? { head: "", body: "" } : framed(how, text);
    const lines = headers.map((line) => `${line}\r\n`).join("");
    return `${verb} ${where} ${version}\r\nHost: a\r\n${lines}${sent.head}\r\n${sent.body}`;
  });

const ANSWERS_AFTER_MS = 250;
const CLOSES_AFTER_MS = 10_000;
const IDS = /"sid":"[^"]+"/g;

/** Sends the pieces in a new session. Returns the status line and the body of the response, without ids. */
async function answerTo(port: number, text: string, shares: readonly number[]): Promise<string> {
  const session = await PollingClient.open(port);
  const client = new TcpClient(port);
  for (const piece of cutAt(
    new Uint8Array(Buffer.from(text.replaceAll(SID, session.sid))),
    shares,
  )) {
    client.write(piece);
    if (shares.length > 0) await turn();
  }
  // Wait only for a limited time: the server never answers an incomplete request, or a poll for which it has no packet.
  await settled(client.closed, ANSWERS_AFTER_MS);
  client.socket.end();
  const closes = await settled(client.closed, CLOSES_AFTER_MS);
  assert.ok(closes, "the connection is still open ten seconds after its FIN");
  const received = await client.closed;
  const answer = received.toString("latin1");
  const opened = [...answer.matchAll(/"sid":"([^"]+)"/g)].map(([, sid = ""]) => sid);
  for (const sid of [session.sid, ...opened]) {
    await new PollingClient(port, sid).post("1").catch(() => {});
  }
  const [head = "", ...bodies] = answer.split("\r\n\r\n");
  return [head.split("\r\n", 1)[0], ...bodies].join(" | ").replace(IDS, '"sid":"…"');
}

const STATUS =
  /^HTTP\/1\.1 (?:100|101|200|204|304|400|403|404|405|408|411|413|414|415|417|426|431|501|505) |^$/;
const OTHER_METHOD = /^HTTP\/1\.1 500 /;
/** How many requests run concurrently. Most of the time is spent waiting for responses. */
const TOGETHER = 12;
/**
 * How often two responses must differ before the difference counts as a failure. A single difference is allowed,
 * because the server may send a ping in the response to only one of two polls.
 */
const REPEATS = 3;

export const requests: Layer = {
  name: "requests",
  async start() {
    const server = await underFire({
      pingInterval: 3000,
      pingTimeout: 1500,
      connectTimeout: 3000,
      maxHttpBufferSize: 10_000,
      allowEIO3: true,
    });
    const { port } = server;
    const outcomes = new Outcomes();
    let tried = 0;

    const examine = async (text: string, shares: readonly number[]): Promise<void> => {
      for (let repeat = 1; ; repeat++) {
        const [whole, cut] = await Promise.all([
          answerTo(port, text, []),
          answerTo(port, text, shares),
        ]);
        // Like engine.io, the server answers 500 if a session's request has an unsupported method. Otherwise, 500 is a
        // failure.
        if (!OTHER_METHOD.test(whole) || /^(?:GET|POST) /.test(text)) assert.match(whole, STATUS);
        if (whole === cut) {
          outcomes.add(whole.slice(9, 12).trim() || "(no answer)");
          return;
        }
        if (repeat === REPEATS) assert.equal(cut, whole, JSON.stringify(text));
      }
    };
    const property = fc.asyncProperty(
      fc.array(fc.tuple(request, cuts), { minLength: 1, maxLength: TOGETHER, size: "max" }),
      async (all) => {
        tried += all.length;
        await Promise.all(all.map(([text, shares]) => examine(text, shares)));
        await server.checkWitnesses();
      },
    );
    return {
      batch: 10,
      tried: () => tried,
      attempt: (seed, runs) => check(property, seed, runs),
      reached: () => outcomes.toString(),
      settle: server.settle,
      stop: server.stop,
    };
  },
};
