// A connection's TCP side: RFC 6455 §7.1, and what is done when the peer does not do its part.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import type { WebSocketConnection } from "../../../lib/websocket/server.ts";
import { Clock } from "../../support/clock.ts";
import { describeFrames, frame } from "../../support/frame.ts";
import { reset, TcpClient, turn, until, upgradeRequest } from "../../support/net.ts";
import { bytes } from "../../support/split.ts";
import { connection, serveWebSocket } from "../../support/web-socket-server.ts";

const KEY = bytes("0a 0b 0c 0d");

interface Ends {
  readonly client: TcpClient;
  readonly ours: WebSocketConnection;
  /** Frames that the client has received. */
  frames(): Promise<string[]>;
}

/** A raw client, connected, and the server's end of it. */
async function connect(context: TestContext): Promise<Ends> {
  const { server, port } = await serveWebSocket(context);
  const accepted = connection(server);
  const client = new TcpClient(port).write(upgradeRequest("/"));
  const ours = await accepted;
  await client.until("\r\n\r\n");
  const frames = async (): Promise<string[]> => {
    const received = await client.closed;
    return describeFrames(received.subarray(received.indexOf("\r\n\r\n") + 4));
  };
  return { client, ours, frames };
}

function closeOf(connection: WebSocketConnection): Promise<unknown[]> {
  return new Promise((resolve) => connection.once("close", (...args) => resolve(args)));
}

describe("Connection", () => {
  test("RFC 6455 §7.1.1 after both close frames the server ends TCP", async (context) => {
    const { client, ours, frames } = await connect(context);
    const closed = closeOf(ours);
    client.write(frame(8, bytes("03 e8"), { key: KEY }));
    assert.deepEqual(await frames(), ["close 1000"]);
    assert.deepEqual(await closed, [1000, "", undefined]);
  });

  test("RFC 6455 §7.1.7 a failed connection ends for the program at once, also if the peer never ends TCP", async (context) => {
    const { client, ours } = await connect(context);
    const closed = closeOf(ours);
    client.write(frame(1, "unmasked"));
    const [code, , failure] = await closed;
    assert.equal(code, 1006);
    assert.ok(failure instanceof Error);
    assert.equal(client.socket.readableEnded, false);
    assert.equal(ours.open, false);
  });

  test("RFC 6455 §7.1.5 TCP that ends without a close frame is 1006", async (context) => {
    const { client, ours, frames } = await connect(context);
    const closed = closeOf(ours);
    client.write(frame(1, "hello", { key: KEY }));
    client.socket.end();
    assert.deepEqual(await closed, [1006, "", undefined]);
    assert.deepEqual(await frames(), []);
  });

  test("RFC 6455 §7.2.1 and one that breaks is 1006 too", async (context) => {
    const { client, ours } = await connect(context);
    const closed = closeOf(ours);
    reset(client.socket);
    assert.deepEqual(await closed, [1006, "", undefined]);
  });

  test("what came before the end is delivered before it", async (context) => {
    const { client, ours } = await connect(context);
    const log: unknown[] = [];
    ours.on("message", (data) => log.push(data));
    const closed = closeOf(ours);
    const messages = ["a", "b", "c"].map((text) => frame(1, text, { key: KEY }));
    client.write(Buffer.concat(messages));
    client.socket.end();
    await closed;
    assert.deepEqual(log, ["a", "b", "c"]);
  });

  test("a peer that does not answer the close frame is cut off after 30 seconds", async (context) => {
    const clock = new Clock(context);
    const { client, ours } = await connect(context);
    const closed = closeOf(ours);
    ours.close(1000);
    await client.until("\x88\x02\x03\xe8");
    clock.tick(29_999);
    await turn();
    assert.equal(client.socket.closed, false);
    clock.tick(1);
    assert.deepEqual(await closed, [1006, "", undefined]);
    await client.closed;
  });

  test("and one that answers, but does not end TCP", async (context) => {
    const clock = new Clock(context);
    const { client, ours } = await connect(context);
    // The client's side stays open, whatever the server does with its own.
    client.socket.allowHalfOpen = true;
    const closed = closeOf(ours);
    client.write(frame(8, bytes("03 e8"), { key: KEY }));
    await new Promise<void>((resolve) => client.socket.once("end", resolve));
    assert.equal(client.socket.writable, true);
    clock.tick(30_000);
    assert.deepEqual(await closed, [1000, "", undefined]);
    client.socket.destroy();
  });

  test("RFC 6455 §7.1.7 behind a mistake nothing is read any more", async (context) => {
    const { client, ours, frames } = await connect(context);
    const log: unknown[] = [];
    ours.on("message", (data) => log.push(data));
    const closed = closeOf(ours);
    client.write(
      Buffer.concat([
        frame(1, "before", { key: KEY }),
        frame(3, "?", { key: KEY }),
        frame(1, "behind", { key: KEY }),
      ]),
    );
    const [close = "", ...others] = await frames();
    assert.match(close, /^close 1002 /);
    assert.deepEqual(others, []);
    await closed;
    assert.deepEqual(log, ["before"]);
  });

  test("RFC 6455 §5.5.1 nor behind a close frame", async (context) => {
    const { client, ours, frames } = await connect(context);
    const log: unknown[] = [];
    ours.on("message", (data) => log.push(data)).on("ping", () => log.push("ping"));
    const close = frame(8, bytes("03 e8"), { key: KEY });
    client.write(Buffer.concat([close, frame(9, "", { key: KEY }), frame(1, "x", { key: KEY })]));
    assert.deepEqual(await frames(), ["close 1000"]);
    assert.deepEqual(log, []);
  });

  test("what a listener sends when the peer has gone is no error", async (context) => {
    const { client, ours } = await connect(context);
    const sent: unknown[] = [];
    ours.on("message", () => sent.push(ours.send("answer".repeat(1000))));
    const closed = closeOf(ours);
    client.write(frame(1, "x", { key: KEY }));
    reset(client.socket);
    await closed;
    assert.ok(sent.length <= 1);
  });

  test("pings that nobody reads the answers of are answered within bounds", async (context) => {
    const { client, ours } = await connect(context);
    client.socket.pause();
    let pings = 0;
    ours.on("ping", () => pings++);
    const many = Buffer.concat(Array(1000).fill(frame(9, new Uint8Array(125), { key: KEY })));
    for (let i = 0; i < 200; i++) {
      await new Promise<void>((resolve) => client.socket.write(many, () => resolve()));
    }
    await until(() => pings === 200_000);
    // 25 MB of pongs were asked for. The kernel takes some; the rest is not kept.
    assert.ok(ours.bufferedAmount < 1_000_000, `${ours.bufferedAmount} bytes`);
  });
});
