// Tests the upgrade from polling to WebSocket: no packet in transit is lost, repeated or reordered. Engine.IO "Upgrade".

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import type { Server, Socket } from "../../../server.ts";
import { Clock } from "../../support/clock.ts";
import {
  answerTo,
  open,
  PollingClient,
  reset,
  serve,
  TcpClient,
  turn,
  until,
  upgradeRequest,
} from "../../support/net.ts";

/** Returns the only socket of `io`. */
function only(io: Server): Socket {
  const [socket] = io.sockets.sockets.values();
  assert.ok(socket !== undefined);
  return socket;
}

/** Records the numbers that clients send. */
function numbers(io: Server): number[] {
  const received: number[] = [];
  io.on("connection", (socket) => socket.on("n", (n) => received.push(n)));
  return received;
}

describe("The upgrade", () => {
  // Engine.IO "Upgrade".
  test("answers the probe, ends the waiting GET with noop, and then uses the WebSocket", async (context) => {
    const { port, io } = await serve(context);
    const received = numbers(io);
    const client = await PollingClient.open(port);
    await client.join();
    const polled = client.poll();
    const webSocket = await client.webSocket().opened();
    assert.equal(only(io).conn.state, "polling");
    webSocket.send("2probe");
    assert.equal(await webSocket.next(), "3probe");
    assert.equal((await polled).body, "6");
    assert.equal(only(io).conn.state, "probing");
    webSocket.send("5");
    webSocket.send('42["n",1]');
    await until(() => received.length === 1);
    assert.equal(only(io).conn.transport.name, "websocket");
    io.emit("back");
    assert.equal(await webSocket.next(), '42["back"]');
    // The session accepts no further polls.
    assert.equal((await client.poll()).body, '{"code":3,"message":"Bad request"}');
  });

  test("sends packets over polling while the WebSocket is probed", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    io.emit("n", 1);
    assert.equal((await client.poll()).body, '42["n",1]');
    // While the WebSocket is probed, the server responds to each poll at once.
    assert.equal((await client.poll()).body, "6");
    assert.equal((await client.poll()).body, "6");
  });

  test("sends packets that waited before the probe in response to the next GET", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    io.emit("n", 1);
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    assert.equal(await webSocket.next(), "3probe");
    assert.equal((await client.poll()).body, '42["n",1]');
    assert.equal((await client.poll()).body, "6");
  });

  test("sends packets emitted between the last poll and the upgrade over the WebSocket, in order", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const polled = client.poll();
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    await polled;
    for (let n = 0; n < 5; n++) io.emit("n", n);
    webSocket.send("5");
    await until(() => only(io).conn.state === "websocket");
    io.emit("n", 5);
    for (let n = 0; n <= 5; n++) assert.equal(await webSocket.next(), `42["n",${n}]`);
  });

  test("loses no packet emitted in the same turn of the event loop in which a GET is answered with noop", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const socket = only(io);
    const polled = client.poll();
    await until(() => socket.conn.writable);
    const webSocket = await client.webSocket().opened();
    // Emit the events in the turn of the event loop in which the session handles the probe.
    const { conn } = socket;
    const onProbe = conn.onProbe.bind(conn);
    conn.onProbe = (transport) => {
      io.emit("n", 1);
      onProbe(transport);
      io.emit("n", 2);
    };
    webSocket.send("2probe");
    assert.equal(await webSocket.next(), "3probe");
    const packets = (await polled).body.split("\x1e");
    webSocket.send("5");
    await until(() => conn.state === "websocket");
    io.emit("end");
    for (;;) {
      const packet = `${await webSocket.next()}`;
      packets.push(packet);
      if (packet === '42["end"]') break;
    }
    const events = packets.filter((packet) => packet !== "6");
    assert.deepEqual(events, ['42["n",1]', '42["n",2]', '42["end"]']);
  });

  test("receives a POST that is in progress during the upgrade, before later messages", async (context) => {
    const { port, io } = await serve(context);
    const received = numbers(io);
    const client = await PollingClient.open(port);
    await client.join();
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    const body = '42["n",1]';
    const post = open(port, client.path, {
      method: "POST",
      headers: { "Content-Length": `${body.length}`, Expect: "100-continue" },
    });
    const posted = answerTo(post);
    const continued = new Promise<void>((resolve) => post.once("continue", resolve));
    post.flushHeaders();
    await continued;
    webSocket.send("5");
    await until(() => only(io).conn.state === "websocket");
    post.end(body);
    assert.equal((await posted).body, "ok");
    webSocket.send('42["n",2]');
    await until(() => received.length === 2);
    assert.deepEqual(received, [1, 2]);
  });

  test("ignores a reset of the connection of an earlier GET after the upgrade", async (context) => {
    const { port, io } = await serve(context);
    const received = numbers(io);
    const client = await PollingClient.open(port);
    await client.join();
    // The text exceeds the socket buffers, and the client does not read it, so the response stays incomplete.
    io.emit("large", "x".repeat(20_000_000));
    const tcp = new TcpClient(port);
    tcp.socket.pause();
    tcp.write(`GET ${client.path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    assert.equal(await webSocket.next(), "3probe");
    webSocket.send("5");
    await until(() => only(io).conn.state === "websocket");
    reset(tcp.socket);
    await tcp.closed;
    for (let i = 0; i < 20; i++) await turn();
    webSocket.send('42["n",1]');
    await until(() => received.length === 1);
    assert.equal(only(io).conn.state, "websocket");
  });

  for (const [does, packets] of [
    ["a message instead of the probe", ["42"]],
    ["an upgrade packet without the probe", ["5"]],
    ["a ping that is not the probe", ["2"]],
    ["an invalid packet", ["9"]],
    ["an empty message", [""]],
    ["a close packet", ["1"]],
    ["another packet after the probe", ["2probe", "40"]],
  ] as const) {
    test(`fails after ${does}, and the session continues over polling`, async (context) => {
      const { port, io } = await serve(context);
      const received = numbers(io);
      const client = await PollingClient.open(port);
      await client.join();
      const webSocket = await client.webSocket().opened();
      for (const packet of packets) webSocket.send(packet);
      await webSocket.closed;
      await until(() => only(io).conn.state === "polling");
      await client.post('42["n",1]');
      assert.deepEqual(received, [1]);
      io.emit("back");
      assert.equal((await client.poll()).body, '42["back"]');
      // The client may try the upgrade again.
      const again = await client.webSocket().opened();
      again.send("2probe");
      assert.equal(await again.next(), "3probe");
    });
  }

  test("fails if the WebSocket closes while it is probed, and the session continues over polling", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    webSocket.socket.terminate();
    await until(() => only(io).conn.state === "polling");
    io.emit("n", 1);
    assert.equal((await client.poll()).body, '42["n",1]');
  });

  test("an upgrade fails if it is not complete after upgradeTimeout", async (context) => {
    const clock = new Clock(context);
    const { port, io } = await serve(context, { upgradeTimeout: 500 });
    const client = await PollingClient.open(port);
    await client.join();
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    clock.tick(499);
    assert.equal(only(io).conn.state, "probing");
    clock.tick(1);
    await webSocket.closed;
    assert.equal(only(io).conn.state, "polling");
  });

  test("a complete upgrade is not affected by upgradeTimeout", async (context) => {
    const clock = new Clock(context);
    const { port, io } = await serve(context, { upgradeTimeout: 500 });
    const client = await PollingClient.open(port);
    await client.join();
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    webSocket.send("5");
    await until(() => only(io).conn.state === "websocket");
    clock.tick(10_000);
    io.emit("n", 1);
    assert.equal(await webSocket.next(), '42["n",1]');
  });

  test("answers repeated probes, and sends one noop packet for the waiting GET", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const polled = client.poll();
    const webSocket = await client.webSocket().opened();
    for (let i = 0; i < 50; i++) webSocket.send("2probe");
    for (let i = 0; i < 50; i++) assert.equal(await webSocket.next(), "3probe");
    assert.equal((await polled).body, "6");
    webSocket.send("5");
    await until(() => only(io).conn.state === "websocket");
  });

  test("rejects a second WebSocket during and after the upgrade, and the first WebSocket continues", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const first = await client.webSocket().opened();
    const path = `/socket.io/?EIO=4&transport=websocket&sid=${client.sid}`;
    const refused = /^HTTP\/1\.1 400 .*Bad request$/s;
    assert.match(
      (await new TcpClient(port).write(upgradeRequest(path)).closed).toString(),
      refused,
    );
    first.send("2probe");
    assert.equal(await first.next(), "3probe");
    assert.match(
      (await new TcpClient(port).write(upgradeRequest(path)).closed).toString(),
      refused,
    );
    first.send("5");
    await until(() => only(io).conn.state === "websocket");
    assert.match(
      (await new TcpClient(port).write(upgradeRequest(path)).closed).toString(),
      refused,
    );
    io.emit("n", 1);
    assert.equal(await first.next(), '42["n",1]');
  });

  test("is rejected with allowUpgrades: false", async (context) => {
    const { port } = await serve(context, { allowUpgrades: false });
    const client = await PollingClient.open(port);
    const path = `/socket.io/?EIO=4&transport=websocket&sid=${client.sid}`;
    const answer = await new TcpClient(port).write(upgradeRequest(path)).closed;
    assert.match(answer.toString(), /^HTTP\/1\.1 400 /);
  });

  test("an invalid opening handshake does not affect the session", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const path = `/socket.io/?EIO=4&transport=websocket&sid=${client.sid}`;
    const request = upgradeRequest(path, { "Sec-WebSocket-Version": "8" });
    await new TcpClient(port).write(request).closed;
    io.emit("n", 1);
    assert.equal((await client.poll()).body, '42["n",1]');
  });

  test("ends when the client or the server ends the session", async (context) => {
    const { port, io } = await serve(context);
    for (const end of [
      (client: PollingClient) => client.post("1"),
      () => only(io).disconnect(true),
      (client: PollingClient) => client.post("9"),
    ]) {
      const client = await PollingClient.open(port);
      await client.join();
      const webSocket = await client.webSocket().opened();
      webSocket.send("2probe");
      await webSocket.next();
      const polled = client.poll();
      await turn();
      await end(client);
      await polled;
      // A session that is closing waits for the next request of its client.
      await client.poll();
      await webSocket.closed;
      await until(() => io.sockets.sockets.size === 0);
    }
  });
});
