// From polling to WebSocket: nothing lost, repeated or reordered, whatever was in flight.
// Engine.IO "Upgrade".

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

/** The one client of `io`. */
function only(io: Server): Socket {
  const [socket] = io.sockets.sockets.values();
  assert.ok(socket !== undefined);
  return socket;
}

/** Gathers the numbers that clients send. */
function numbers(io: Server): number[] {
  const received: number[] = [];
  io.on("connection", (socket) => socket.on("n", (n) => received.push(n)));
  return received;
}

describe("The upgrade", () => {
  // "Upgrade".
  test("in the order of the document: probe, noop for the waiting GET, upgrade", async (context) => {
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
    // The old way is closed.
    assert.equal((await client.poll()).body, '{"code":3,"message":"Bad request"}');
  });

  test("what is sent while probing goes by polling, as long as the client polls", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const webSocket = await client.webSocket().opened();
    webSocket.send("2probe");
    await webSocket.next();
    io.emit("n", 1);
    assert.equal((await client.poll()).body, '42["n",1]');
    // One who polls again finds it has nothing to wait for.
    assert.equal((await client.poll()).body, "6");
    assert.equal((await client.poll()).body, "6");
  });

  test("what waits when the probe comes waits on, for the next GET", async (context) => {
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

  test("what is sent between the last poll and the upgrade leaves by WebSocket, in order", async (context) => {
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

  test("what is sent in the turn in which a GET is answered with noop is not lost", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const socket = only(io);
    const polled = client.poll();
    await until(() => socket.conn.writable);
    const webSocket = await client.webSocket().opened();
    // The probe's noop and the event are written in one turn.
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

  test("a POST under way when the upgrade comes is still read, before what follows", async (context) => {
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

  test("an answer to a GET that breaks when the client has changed does no harm", async (context) => {
    const { port, io } = await serve(context);
    const received = numbers(io);
    const client = await PollingClient.open(port);
    await client.join();
    // More than the network holds, to a client that does not read.
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
    ["the upgrade without the probe", ["5"]],
    ["a ping that is no probe", ["2"]],
    ["what is no packet", ["9"]],
    ["nothing", [""]],
    ["a close packet", ["1"]],
    ["something else behind the probe", ["2probe", "40"]],
  ] as const) {
    test(`comes to nothing with ${does}; the session goes on over polling`, async (context) => {
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
      // And may be tried again.
      const again = await client.webSocket().opened();
      again.send("2probe");
      assert.equal(await again.next(), "3probe");
    });
  }

  test("comes to nothing when the WebSocket breaks while probing", async (context) => {
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

  test("comes to nothing when it takes longer than upgradeTimeout", async (context) => {
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

  test("one in time is not ended by the timeout", async (context) => {
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

  test("probes again and again are answered, with one noop for a GET", async (context) => {
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

  test("a second WebSocket for a session that upgrades or has upgraded is refused; the first goes on", async (context) => {
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

  test("is refused where upgrades are off", async (context) => {
    const { port } = await serve(context, { allowUpgrades: false });
    const client = await PollingClient.open(port);
    const path = `/socket.io/?EIO=4&transport=websocket&sid=${client.sid}`;
    const answer = await new TcpClient(port).write(upgradeRequest(path)).closed;
    assert.match(answer.toString(), /^HTTP\/1\.1 400 /);
  });

  test("what is no opening handshake leaves the session as it was", async (context) => {
    const { port, io } = await serve(context);
    const client = await PollingClient.open(port);
    await client.join();
    const path = `/socket.io/?EIO=4&transport=websocket&sid=${client.sid}`;
    const request = upgradeRequest(path, { "Sec-WebSocket-Version": "8" });
    await new TcpClient(port).write(request).closed;
    io.emit("n", 1);
    assert.equal((await client.poll()).body, '42["n",1]');
  });

  test("ends with the session, whoever ends that", async (context) => {
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
      // A session that only closes waits for its client's next request.
      await client.poll();
      await webSocket.closed;
      await until(() => io.sockets.sockets.size === 0);
    }
  });
});
