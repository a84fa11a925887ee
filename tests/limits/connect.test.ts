// Tests limits for the data that one client makes the server store by joining namespaces.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";

import * as msgpack from "../../protocol/socketio/msgpack-parser.ts";
import { Adapter } from "../../server.ts";
import { join, serve, serveJoined, until, WebSocketClient } from "../support/net.ts";

const TOO_LARGE = '{"message":"auth is too large"}';
const INVALID = '{"message":"Invalid namespace"}';

/** Returns `auth` of this many bytes of JSON. */
function authOf(bytes: number): string {
  return JSON.stringify({ token: "" }).replace('""', `"${"x".repeat(bytes - 12)}"`);
}

/** Connects a client that has not joined a namespace. */
async function connect(port: number): Promise<WebSocketClient> {
  const client = new WebSocketClient(port);
  await client.next();
  return client;
}

/** Sends a CONNECT. Returns the payload of the answer. */
async function ask(client: WebSocketClient, namespace: string, auth = ""): Promise<string> {
  client.send(`40${namespace},${auth}`);
  const answer = `${await client.next()}`;
  return answer.slice(answer.indexOf("{"));
}

describe("auth", () => {
  test("auth of more than maxAuthSize bytes is refused, and the connection stays open", async (context) => {
    const { port, io } = await serve(context);
    const client = await connect(port);
    const empty = `[${"{},".repeat(330_000)}{}]`;
    assert.equal(await ask(client, "/", `{"a":${empty}}`), TOO_LARGE);
    assert.equal(await ask(client, "/", authOf(16_384)), TOO_LARGE);
    assert.equal(io.sockets.sockets.size, 0);
    // maxAuthSize also counts the three bytes before the JSON of `auth` in the packet, which are
    // "0/,".
    assert.match(await ask(client, "/", authOf(16_384 - 3)), /^\{"sid"/);
    assert.equal(io.sockets.sockets.size, 1);
  });

  test("auth is measured in bytes of UTF-8", async (context) => {
    const { port } = await serve(context, { maxAuthSize: 100 });
    const client = await connect(port);
    assert.equal(await ask(client, "/", `{"a":"${"é".repeat(50)}"}`), TOO_LARGE);
    assert.match(await ask(client, "/", `{"a":"${"e".repeat(50)}"}`), /^\{"sid"/);
  });

  test("auth is limited for all namespaces of a connection together", async (context) => {
    const { io, port } = await serve(context, { maxAuthSize: 300 });
    for (const name of ["/a", "/b", "/c"]) io.of(name);
    io.of("/closed").use((_socket, next) => next(new Error("no")));
    const client = await connect(port);
    assert.match(await ask(client, "/a", authOf(100)), /^\{"sid"/);
    assert.match(await ask(client, "/b", authOf(100)), /^\{"sid"/);
    assert.equal(await ask(client, "/c", authOf(100)), TOO_LARGE);
    client.send("41/a,");
    for (let i = 0; i < 5; i++) {
      assert.equal(await ask(client, "/closed", authOf(100)), '{"message":"no"}');
      assert.equal(await ask(client, "/unknown", authOf(100)), INVALID);
    }
    assert.match(await ask(client, "/c", authOf(100)), /^\{"sid"/);
    for (const socket of io.of("/b").sockets.values()) socket.disconnect();
    assert.equal(await client.next(), "41/b,");
    assert.match(await ask(client, "/a", authOf(100)), /^\{"sid"/);
    assert.equal(await ask(client, "/b", authOf(100)), TOO_LARGE);
    // The server stores nothing for a CONNECT packet without auth.
    assert.match(await ask(client, "/b"), /^\{"sid"/);
  });

  test("auth counts while the application decides about the namespace", async (context) => {
    const { io, port } = await serve(context, { maxAuthSize: 300 });
    const undecided: (() => void)[] = [];
    io.of((_name, _auth, next) => undecided.push(() => next(null, false)));
    const client = await connect(port);
    for (const name of ["/a", "/b"]) {
      client.send(`40${name},${authOf(120)}`);
      client.send(`41${name},`);
    }
    assert.equal(await ask(client, "/c", authOf(120)), TOO_LARGE);
    for (const refuse of undecided) refuse();
    assert.match(await ask(client, "/", authOf(120)), /^\{"sid"/);
  });

  test("auth is limited with a binary parser too", async (context) => {
    const { io, port } = await serve(context, { parser: msgpack, maxAuthSize: 100 });
    const { encode } = new msgpack.Encoder();
    const client = await connect(port);
    const connection = (length: number): Uint8Array => {
      const [message] = encode({ type: 0, nsp: "/", data: { token: "x".repeat(length) } });
      assert.ok(message instanceof Uint8Array);
      return message;
    };
    client.send(connection(100));
    assert.match(`${await client.next()}`, /auth is too large/);
    client.send(connection(50));
    await until(() => io.sockets.sockets.size === 1);
  });
});

describe("dynamic namespaces", () => {
  test("dynamic namespaces count towards maxCreatedNamespaces before the application has accepted them", async (context) => {
    const { io, port } = await serve(context, { maxCreatedNamespaces: 10 });
    const undecided: (() => void)[] = [];
    const parent = io.of((_name, _auth, next) => undecided.push(() => next(null, true)));
    const { client } = await join(io, port);
    for (let i = 0; i < 5000; i++) client.send(`40/n${i},`);
    for (let i = 10; i < 5000; i++) assert.equal(await client.next(), `44/n${i},${INVALID}`);
    assert.equal(undecided.length, 10);
    for (const allow of undecided) allow();
    for (let i = 0; i < 10; i++) assert.match(`${await client.next()}`, /^40\/n\d,\{"sid"/);
    assert.equal(parent.children.size, 10);
  });

  test("dynamic namespaces count towards maxCreatedNamespaces until they are removed", async (context) => {
    const { io, port, client } = await serveJoined(context, {
      maxCreatedNamespaces: 2,
      cleanupEmptyChildNamespaces: true,
    });
    const parent = io.of(/^\/room-\d+$/);
    const other = (await join(io, port)).client;
    for (let i = 0; i < 110; i++) {
      assert.match(await ask(client, `/room-${i}`), /^\{"sid"/);
      client.send(`41/room-${i},`);
    }
    await until(() => parent.children.size === 0);
    assert.match(await ask(client, "/room-1"), /^\{"sid"/);
    // Another client joins the namespace before its first client leaves.
    assert.match(await ask(other, "/room-1"), /^\{"sid"/);
    client.send("41/room-1,");
    assert.match(await ask(client, "/room-2"), /^\{"sid"/);
    assert.equal(await ask(client, "/room-3"), INVALID);
    assert.match(await ask(client, "/room-1"), /^\{"sid"/);
  });

  test("do not remain if their client has left before the application accepts them", async (context) => {
    const { io, client } = await serveJoined(context, { cleanupEmptyChildNamespaces: true });
    const undecided: (() => void)[] = [];
    const parent = io.of((_name, _auth, next) => undecided.push(() => next(null, true)));
    client.send("40/x,");
    client.send("41/x,");
    await until(() => undecided.length === 1);
    const heard = once(client.socket, "message");
    io.of("/known");
    client.send("40/known,");
    await heard;
    for (const allow of undecided) allow();
    assert.equal(parent.children.size, 0);
  });

  test("dynamic namespaces have names of at most 1,000 characters", async (context) => {
    const { io, client } = await serveJoined(context);
    let asked = 0;
    io.of((_name, _auth, next) => {
      asked++;
      next(null, true);
    });
    const long = `/${"x".repeat(1000)}`;
    assert.equal(await ask(client, `/${"x".repeat(900_000)}`), INVALID);
    assert.equal(await ask(client, long), INVALID);
    assert.equal(asked, 0);
    assert.match(await ask(client, long.slice(0, 1000)), /^\{"sid"/);
    // The limit does not apply to namespaces that the application creates.
    io.of(long);
    assert.match(await ask(client, long), /^\{"sid"/);
  });
});

test("A client with 100 pending session recoveries cannot start another recovery, and joins as a new client", async (context) => {
  let claims = 0;
  class SilentAdapter extends Adapter {
    override restoreSession(): Promise<never> {
      claims++;
      return new Promise(() => {});
    }
  }
  const { io, port } = await serve(context, {
    adapter: SilentAdapter,
    connectionStateRecovery: {},
  });
  const client = await connect(port);
  for (let count = 0; count < 150; count++) {
    client.send('40{"pid":"unknown"}');
    client.send("41");
  }
  client.send('40{"pid":"unknown"}');
  assert.match(`${await client.next()}`, /^40\{"sid"/);
  assert.equal(claims, 100);
  assert.equal(io.sockets.sockets.size, 1);
});
