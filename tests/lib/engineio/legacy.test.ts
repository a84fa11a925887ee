// Tests clients 1.x and 2.x on the wire: Engine.IO 3 and Socket.IO 4, with `allowEIO3`.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { decodeBinaryPayload } from "../../../protocol/engineio/legacy.ts";
import type { Socket } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import { type Answer, ask, serve, until, WebSocketClient } from "../../support/net.ts";

const POLLING = "/socket.io/?EIO=3&transport=polling";
const WEBSOCKET = "/socket.io/?EIO=3&transport=websocket";
const OPTIONS = { allowEIO3: true } as const;

/** Returns the packets of a binary payload without binary data, each followed by "|". */
function texts(payload: Buffer): string {
  return Array.from(decodeBinaryPayload(payload), ({ type, data }) => `${type}${data}|`).join("");
}

/** A client over long-polling that sends only what the test sends. */
class OldClient {
  readonly #port: number;
  readonly #path: string;
  readonly sid: string;

  private constructor(port: number, path: string, sid: string) {
    this.#port = port;
    this.#path = path;
    this.sid = sid;
  }

  /** Opens a session, and receives the CONNECT packet of the main namespace. */
  static async open(port: number, query = ""): Promise<OldClient> {
    const { body } = await ask(port, `${POLLING}${query}`);
    const sid = /"sid":"([^"]+)"/.exec(body)?.[1] ?? assert.fail(body);
    const client = new OldClient(port, `${POLLING}${query}&sid=${sid}`, sid);
    if (!body.endsWith("40")) assert.match((await client.poll()).body, /40$/);
    return client;
  }

  poll(): Promise<Answer> {
    return ask(this.#port, this.#path);
  }

  post(body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Answer> {
    return ask(this.#port, this.#path, { method: "POST", body, headers });
  }

  webSocket(): WebSocketClient {
    return new WebSocketClient(this.#port, `${WEBSOCKET}&sid=${this.sid}`);
  }
}

/** Emits the arguments of each event "echo" back. */
function echo(socket: Socket): void {
  socket.on("echo", (...args) => args.pop()(...args));
}

describe("Engine.IO 3 over polling", () => {
  test("begins a session with a binary payload, and connects the client to the main namespace", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    const { status, headers, bytes } = await ask(port, POLLING);
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "application/octet-stream");
    const [, open] = /^(0\{.*?\})\|(?:40\|)?$/.exec(texts(bytes)) ?? assert.fail(texts(bytes));
    const { sid, upgrades, pingInterval, pingTimeout } = JSON.parse(`${open}`.slice(1));
    assert.deepEqual([upgrades, pingInterval, pingTimeout], [["websocket"], 25_000, 20_000]);
    await until(() => io.sockets.sockets.size === 1);
    const [socket] = io.sockets.sockets.values();
    assert.equal(socket?.id, sid);
    assert.equal(socket?.conn.protocol, 3);
  });

  test("receives and sends several packets in one body, with their lengths in characters", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    io.on("connection", echo);
    const client = await OldClient.open(port);
    const { body } = await client.post('15:420["echo","日"]15:421["echo","é"]1:2');
    assert.equal(body, "ok");
    assert.equal(texts((await client.poll()).bytes), '430["日"]|431["é"]|3|');
  });

  test("sends only ASCII characters in text payloads to a client with b64=1", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    io.on("connection", echo);
    // A client 1.x sends the first body, and a client 2.x sends the second.
    for (const body of ['17:420["echo","\xe6\x97\xa5"]', '15:420["echo","日"]']) {
      const client = await OldClient.open(port, "&b64=1");
      await client.post(`${body}13:421["echo",1]`);
      const answer = await client.poll();
      assert.equal(answer.headers["content-type"], "text/plain; charset=UTF-8");
      assert.equal(answer.body, '13:430["\\u65e5"]6:431[1]');
    }
  });

  test("accepts text that the client has encoded as UTF-8 once or twice", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    io.on("connection", echo);
    for (const text of ["\xe6\x97\xa5", "日"]) {
      const client = await OldClient.open(port);
      const packet = `420["echo","${text}"]`;
      const headers = { "Content-Type": "text/plain;charset=UTF-8" };
      await client.post(`${packet.length}:${packet}`, headers);
      assert.equal(texts((await client.poll()).bytes), '430["日"]|');
    }
  });

  test("transmits binary data as bytes, or as base64 to a client with b64=1", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    io.on("connection", echo);
    const header = '451-0["echo",{"_placeholder":true,"num":0}]';
    const client = await OldClient.open(port);
    const digits = Array.from(`${header.length}`, Number);
    const form = Buffer.concat([
      Buffer.of(0, ...digits, 0xff),
      Buffer.from(header),
      Buffer.of(1, 3, 0xff, 4, 1, 2),
    ]);
    const type = { "Content-Type": "application/octet-stream" };
    assert.equal((await client.post(form, type)).body, "ok");
    const answer = await client.poll();
    assert.equal(answer.headers["content-type"], "application/octet-stream");
    const back = '461-0[{"_placeholder":true,"num":0}]';
    assert.deepEqual(
      answer.bytes,
      Buffer.concat([
        Buffer.of(0, ...Array.from(`${back.length}`, Number), 0xff),
        Buffer.from(back),
        Buffer.of(1, 3, 0xff, 4, 1, 2),
      ]),
    );
    const poor = await OldClient.open(port, "&b64=1");
    await poor.post(`${header.length}:${header}6:b4AQI=`);
    assert.equal((await poor.poll()).body, `${back.length}:${back}6:b4AQI=`);
  });

  test("with jsonp, sends packets in a script and receives packets in a form", async (context) => {
    const { io, port } = await serve(context, { ...OPTIONS, jsonp: true });
    io.on("connection", echo);
    const page = { headers: { "Sec-Fetch-Site": "same-origin" } };
    const first = (await ask(port, `${POLLING}&j=7`, page)).body;
    const [, script] = /^___eio\[7\]\((.*)\);$/.exec(first) ?? assert.fail(first);
    const sid = /\\"sid\\":\\"([^\\]+)\\"/.exec(`${script}`)?.[1];
    const path = `${POLLING}&j=7&sid=${sid}`;
    if (!first.includes("2:40"))
      assert.equal((await ask(port, path, page)).body, '___eio[7]("2:40");');
    const headers = { ...page.headers, "Content-Type": "application/x-www-form-urlencoded" };
    const body = `d=${encodeURIComponent('15:420["echo","日"]')}`;
    await ask(port, path, { method: "POST", headers, body });
    assert.equal((await ask(port, path, page)).body, '___eio[7]("13:430[\\"\\\\u65e5\\"]");');
  });

  for (const [does, body] of [
    ["an invalid length", "x:4a"],
    ["a length of 400 digits", `${"1".repeat(400)}:2`],
    ["a binary length of 400 digits", Buffer.of(0, ...Array(400).fill(1), 0xff, 0x32)],
    ["a truncated packet", "9:4a"],
    ["a payload of revision 4", "40"],
  ] as const) {
    test(`${does} ends the session with "parse error"`, async (context) => {
      const { io, port } = await serve(context, OPTIONS);
      const reasons: string[] = [];
      io.on("connection", (socket) => socket.on("disconnect", (reason) => reasons.push(reason)));
      const client = await OldClient.open(port);
      const bytes = { "Content-Type": "application/octet-stream" };
      await client.post(body, typeof body === "string" ? {} : bytes);
      await until(() => reasons.length === 1);
      assert.deepEqual(reasons, ["parse error"]);
      assert.equal((await client.poll()).status, 400);
    });
  }

  test("answers the client's pings, and ends the session of a silent client", async (context) => {
    const clock = new Clock(context);
    const { io, port } = await serve(context, { ...OPTIONS, pingInterval: 300, pingTimeout: 200 });
    const reasons: string[] = [];
    io.on("connection", (socket) => socket.on("disconnect", (reason) => reasons.push(reason)));
    const client = await OldClient.open(port);
    clock.tick(499);
    await client.post("1:2");
    assert.equal(texts((await client.poll()).bytes), "3|");
    await client.post("6:2hello");
    assert.equal(texts((await client.poll()).bytes), "3hello|");
    clock.tick(499);
    await client.post('7:42["x"]');
    clock.tick(499);
    assert.deepEqual(reasons, []);
    clock.tick(1);
    assert.deepEqual(reasons, ["ping timeout"]);
  });

  test("ends the session if the client sends a pong", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    const ends: unknown[] = [];
    io.on("connection", (socket) =>
      socket.on("disconnect", (reason, error) => ends.push(reason, error?.message)),
    );
    const client = await OldClient.open(port);
    await client.post("1:3");
    assert.deepEqual(ends, ["transport error", "invalid heartbeat direction"]);
  });

  test("upgrades to a WebSocket, and then sends the packets emitted meanwhile", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    const client = await OldClient.open(port);
    const poll = client.poll();
    await until(() => [...io.sockets.sockets.values()][0]?.conn.writable === true);
    const webSocket = client.webSocket();
    await webSocket.opened();
    webSocket.send("2probe");
    assert.equal(await webSocket.next(), "3probe");
    assert.equal(texts((await poll).bytes), "6|");
    io.emit("meanwhile", Buffer.of(1));
    webSocket.send("5");
    assert.equal(await webSocket.next(), '451-["meanwhile",{"_placeholder":true,"num":0}]');
    assert.deepEqual(await webSocket.next(), Buffer.of(4, 1));
    assert.equal([...io.sockets.sockets.values()][0]?.conn.transport.name, "websocket");
  });

  test("rejects a request of revision 4 for a session of revision 3", async (context) => {
    const { port } = await serve(context, OPTIONS);
    const { sid } = await OldClient.open(port);
    const { status, body } = await ask(port, `/socket.io/?EIO=4&transport=polling&sid=${sid}`);
    assert.deepEqual([status, body], [400, '{"code":3,"message":"Bad request"}']);
  });
});

describe("Engine.IO 3 over WebSocket", () => {
  test("receives and sends binary messages with the packet type as the first byte", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    io.on("connection", echo);
    const client = new WebSocketClient(port, WEBSOCKET);
    assert.match(`${await client.next()}`, /^0\{/);
    assert.equal(await client.next(), "40");
    client.send('451-0["echo",{"_placeholder":true,"num":0}]');
    client.send(Buffer.of(4, 1, 2));
    assert.equal(await client.next(), '461-0[{"_placeholder":true,"num":0}]');
    assert.deepEqual(await client.next(), Buffer.of(4, 1, 2));
    client.send("2");
    assert.equal(await client.next(), "3");
    client.send('420["echo","日"]');
    assert.equal(await client.next(), '430["日"]');
  });

  test("sends binary data as base64 to a client with b64=1, also with permessage-deflate", async (context) => {
    const { io, port } = await serve(context, { ...OPTIONS, perMessageDeflate: { threshold: 0 } });
    io.on("connection", echo);
    const client = new WebSocketClient(port, `${WEBSOCKET}&b64=1`, { perMessageDeflate: true });
    await client.next();
    assert.equal(await client.next(), "40");
    client.send('451-0["echo",{"_placeholder":true,"num":0}]');
    client.send("b4AQI=");
    assert.equal(await client.next(), '461-0[{"_placeholder":true,"num":0}]');
    assert.equal(await client.next(), "b4AQI=");
  });

  for (const [does, message] of [
    ["an empty message", ""],
    ["an empty binary message", Buffer.of()],
    ["a binary message of another type", Buffer.of(2, 1)],
    ["invalid base64", "b4A"],
  ] as const) {
    test(`${does} ends the session with "parse error"`, async (context) => {
      const { io, port } = await serve(context, OPTIONS);
      const reasons: string[] = [];
      io.on("connection", (socket) => socket.on("disconnect", (reason) => reasons.push(reason)));
      const client = new WebSocketClient(port, WEBSOCKET);
      await client.next();
      await client.next();
      client.send(message);
      await client.closed;
      assert.deepEqual(reasons, ["parse error"]);
    });
  }
});

describe("Socket.IO 4", () => {
  test("accepts a query in CONNECT, and rejects a client with the error's message or data alone", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    io.of("/adm").use((socket, next) => {
      if (socket.handshake.auth.token === "1 2") next();
      else next(new Error("not you"));
    });
    io.of("/data").use((_socket, next) => next(Object.assign(new Error("no"), { data: [1] })));
    const ids: string[] = [];
    io.of("/adm").on("connection", (socket) => {
      ids.push(socket.id);
      echo(socket);
    });
    const client = new WebSocketClient(port, WEBSOCKET);
    const { sid } = JSON.parse(`${await client.next()}`.slice(1));
    await client.next();
    for (const [sent, answer] of [
      ["40/adm,", '44/adm,"not you"'],
      ["40/data,", "44/data,[1]"],
      ["40/nowhere", '44/nowhere,"Invalid namespace"'],
      ["40/adm?token=1+2,", "40/adm,"],
      ['42/adm,0["echo",1]', "43/adm,0[1]"],
      ['42/adm?token=1+2,1["echo",1]', "43/adm,1[1]"],
    ] as const) {
      client.send(sent);
      assert.equal(await client.next(), answer);
    }
    assert.deepEqual(ids, [`/adm#${sid}`]);
  });

  test("middleware of the main namespace may reject the client", async (context) => {
    const { io, port } = await serve(context, OPTIONS);
    io.use((_socket, next) => next(new Error("not you")));
    const client = new WebSocketClient(port, WEBSOCKET);
    await client.next();
    assert.equal(await client.next(), '44"not you"');
  });

  test("clients of both revisions receive the same broadcasts", async (context) => {
    const { io, port } = await serve(context, { ...OPTIONS, connectionStateRecovery: {} });
    const old = new WebSocketClient(port, WEBSOCKET);
    await old.next();
    // Clients 2.x cannot recover, so their CONNECT packet contains no `pid`.
    assert.equal(await old.next(), "40");
    const today = new WebSocketClient(port);
    assert.match(await today.join(), /^40\{"sid":"[^"]+","pid":"[^"]+"\}$/);
    io.emit("news", Buffer.of(7));
    for (const client of [old, today]) {
      assert.match(
        `${await client.next()}`,
        /^451-\["news",\{"_placeholder":true,"num":0\},"1"\]$/,
      );
    }
    assert.deepEqual(await old.next(), Buffer.of(4, 7));
    assert.deepEqual(await today.next(), Buffer.of(7));
  });

  test("disconnects a client that sends CONNECT for the main namespace", async (context) => {
    const { port } = await serve(context, OPTIONS);
    const client = new WebSocketClient(port, WEBSOCKET);
    await client.next();
    await client.next();
    client.send("40");
    assert.equal(await client.closed, 1005);
  });
});
