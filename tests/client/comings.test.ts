// Connects and disconnects the client at unusual moments, and checks that the client always reaches the requested
// state.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { describe, test } from "node:test";

import { WebSocketServer } from "ws";

import { io as connect, Manager } from "../../client/index.ts";
import { connectTo } from "../support/client.ts";
import { heard } from "../support/heard.ts";
import { ask, listen, serve, turn, until } from "../support/net.ts";
import { gatherUncaught } from "../support/uncaught.ts";

/** Returns a port on which nothing listens yet. */
async function freePort(): Promise<number> {
  const http = createServer();
  const port = await listen(http);
  http.close();
  await once(http, "close");
  return port;
}

const WAYS = [["polling"], ["websocket"], ["polling", "websocket"]] as const;

describe("the client's connect()", () => {
  test("tries to connect each time it is called while reconnection is off", async (context) => {
    const port = await freePort();
    const client = connectTo(context, `http://127.0.0.1:${port}`, { reconnection: false });
    let attempts = 0;
    await new Promise<void>((resolve) => {
      client.on("connect_error", () => {
        if (++attempts === 5) resolve();
        else setImmediate(() => client.connect());
      });
    });
    client.off("connect_error");
    const http = createServer();
    const { Server } = await import("../../server.ts");
    const io = new Server(http);
    context.after(() => io.close());
    await once(http.listen(port, "127.0.0.1"), "listening");
    client.connect();
    await heard(client, "connect");
  });

  test("reconnects after a disconnect by either side, and after reconnect_failed", async (context) => {
    const { io, url } = await serve(context);
    io.on("connection", (socket) => socket.on("n", (answer) => answer(1)));
    const client = connectTo(context, url, { reconnection: false });
    await heard(client, "connect");
    client.on("disconnect", () => client.connect());
    for (const lose of [
      () => io.disconnectSockets(),
      () => io.disconnectSockets(true),
      () => client.io.engine.close(),
      () => client.io.close(),
    ]) {
      const { id } = client;
      lose();
      await until(() => client.connected && client.id !== id);
      assert.equal(await client.timeout(5000).emitWithAck("n"), 1);
    }
    client.off("disconnect");
    const port = await freePort();
    const lost = connectTo(context, `http://127.0.0.1:${port}`, { reconnectionAttempts: 1 });
    await new Promise<void>((resolve) => lost.io.once("reconnect_failed", resolve));
    const error = heard(lost, "connect_error");
    lost.connect();
    assert.ok((await error)[0] instanceof Error);
  });

  for (const transports of WAYS) {
    test(`opens a new session directly after disconnect(), over ${transports.join(" and ")}`, async (context) => {
      const { io, url } = await serve(context);
      const got: unknown[] = [];
      io.on("connection", (socket) => socket.on("n", (n) => got.push(n)));
      const client = connectTo(context, url, { transports });
      await heard(client, "connect");
      for (let n = 0; n < 20; n++) {
        client.emit("n", n);
        // Disconnect at a different point of the upgrade each time.
        for (let turns = 0; turns < n; turns++) await turn();
        client.disconnect().connect();
        await heard(client, "connect");
      }
      await until(() => got.length === 20);
      await until(() => io.engine.clientsCount === 1);
      assert.deepEqual(
        got,
        Array.from({ length: 20 }, (_, n) => n),
      );
    });
  }

  test("opens a new session after disconnect() during a transport upgrade", async (context) => {
    const { io, url } = await serve(context);
    const client = connectTo(context, url);
    for (let n = 0; n < 5; n++) {
      await new Promise<void>((resolve) => client.io.engine.once("upgrading", () => resolve()));
      client.disconnect().connect();
    }
    await heard(client, "connect");
    await until(() => io.engine.clientsCount === 1);
  });
});

describe("the client's disconnect()", () => {
  test("events emitted before disconnect() arrive before the disconnection, on a slow network too", async (context) => {
    const { io, port } = await serve(context);
    const got: unknown[] = [];
    io.on("connection", (socket) => {
      socket.on("n", (n) => got.push(n));
      socket.on("disconnect", (reason) => got.push(reason));
    });
    // Each POST takes some turns of the event loop. The client must not send two POSTs at a time.
    let posting = 0;
    const slow = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      if (request.method === "POST") {
        assert.equal(++posting, 1);
        for (let turns = 0; turns < 30; turns++) await turn();
      }
      await forward(port, request, Buffer.concat(chunks), response);
      if (request.method === "POST") posting--;
    });
    const slowPort = await listen(slow);
    context.after(() => {
      slow.close();
      slow.closeAllConnections();
    });
    const url = `http://127.0.0.1:${slowPort}`;
    const client = connectTo(context, url, { transports: ["polling"] });
    await heard(client, "connect");
    for (let n = 0; n < 3; n++) client.emit("n", n);
    client.disconnect();
    await until(() => got.length === 4);
    assert.deepEqual(got, [0, 1, 2, "client namespace disconnect"]);
  });

  test("disconnect() while the server's middleware waits disconnects the socket on the server", async (context) => {
    const { io, url } = await serve(context);
    const slow = io.of("/slow");
    let admit = (): void => {};
    slow.use((_, next) => {
      admit = next;
    });
    const main = connect(url, { reconnectionDelay: 1 });
    context.after(() => main.disconnect());
    await heard(main, "connect");
    const other = main.io.socket("/slow");
    let asked = false;
    slow.use((_, next) => next());
    await until(() => {
      asked ||= admit.length > 0 || admit.name !== "admit";
      return asked;
    });
    other.disconnect();
    const left = new Promise((resolve) => {
      slow.on("connection", (socket) => socket.on("disconnect", resolve));
    });
    admit();
    assert.equal(await left, "client namespace disconnect");
    assert.equal(main.connected, true);
  });

  test("ends a for await loop over a socket that has never connected", async (context) => {
    const client = connectTo(context, `http://127.0.0.1:${await freePort()}`);
    const ended = (async () => {
      for await (const _ of client) assert.fail("nothing comes");
    })();
    await heard(client, "connect_error");
    client.disconnect();
    await ended;
    assert.equal(client.listenersAny().length, 0);
  });

  test("an acknowledgement after disconnect() is not sent", async (context) => {
    const { io, url } = await serve(context);
    const other = io.of("/other");
    const main = connect(url, { reconnectionDelay: 1 });
    context.after(() => main.disconnect());
    const client = main.io.socket("/other");
    let answer = (): void => {};
    client.on("ask", (reply: () => void) => {
      answer = reply;
    });
    await Promise.all([heard(main, "connect"), heard(client, "connect")]);
    other.emit("ask", () => {});
    for (const socket of other.sockets.values()) socket.emit("ask", () => {});
    await until(() => answer.name !== "answer");
    const left = new Promise((resolve) => {
      for (const socket of other.sockets.values()) socket.on("disconnect", resolve);
    });
    client.disconnect();
    answer();
    await left;
    io.on("connection", (socket) => socket.on("n", (reply) => reply()));
    await turn();
    assert.equal(main.connected, true);
  });
});

describe("the client's reconnection", () => {
  test("open(callback) during the reconnection delay calls the callback once, with an error", async (context) => {
    const port = await freePort();
    const manager = new Manager(`http://127.0.0.1:${port}`, { reconnectionDelay: 10_000 });
    context.after(() => manager.close());
    await new Promise<void>((resolve) => manager.once("error", () => resolve()));
    const error = await new Promise((resolve) => manager.open(resolve));
    assert.ok(error instanceof Error);
  });

  test("reconnection(false) and then reconnection(true) allow reconnection attempts again", async (context) => {
    const port = await freePort();
    const client = connectTo(context, `http://127.0.0.1:${port}`, { reconnectionDelay: 5 });
    await heard(client, "connect_error");
    client.io.reconnection(false);
    client.io.reconnection(true);
    client.connect();
    await heard(client, "connect_error");
    await new Promise<void>((resolve) => client.io.once("reconnect_attempt", () => resolve()));
  });

  test("an error thrown by a listener or by auth() is an uncaught exception, and the client continues", async (context) => {
    const uncaught = gatherUncaught(context);
    const { io, url } = await serve(context);
    const mistake = new Error("a mistake");
    const fail = (): never => {
      throw mistake;
    };
    const client = connectTo(context, url, { auth: fail, transports: ["polling"] });
    client.io.on("open", fail);
    await until(() => uncaught.length === 2);
    client.auth = {};
    client.disconnect().connect();
    client.on("connect", fail);
    await heard(client, "connect");
    client.on("n", fail);
    io.emit("n", 1);
    await until(() => uncaught.length === 5);
    for (const error of uncaught) assert.equal(error, mistake);
    assert.equal(client.connected, true);
  });

  test("an auth function that calls its callback twice connects the socket once", async (context) => {
    const { io, url } = await serve(context);
    let connections = 0;
    io.on("connection", (socket) => {
      connections++;
      socket.on("n", (answer) => answer());
    });
    const client = connectTo(context, url, {
      auth: (say) => {
        say({});
        say({});
      },
    });
    await heard(client, "connect");
    await client.emitWithAck("n");
    assert.equal(connections, 1);
  });
});

describe("the client's emit()", () => {
  test("throws for arguments that cannot be encoded, while disconnected too", async (context) => {
    const { io, url } = await serve(context);
    const got: unknown[] = [];
    io.on("connection", (socket) => socket.on("n", (n) => got.push(n)));
    const client = connectTo(context, url, { autoConnect: false });
    client.emit("n", 1);
    assert.throws(() => client.emit("n", 10n), TypeError);
    await assert.rejects(client.emitWithAck("n", 10n), TypeError);
    client.emit("n", 2);
    client.connect();
    await until(() => got.length === 2);
    assert.deepEqual(got, [1, 2]);
  });

  test("rejects the acknowledgement of a volatile event that is dropped", async (context) => {
    const client = connectTo(context, "http://127.0.0.1:1", { autoConnect: false });
    const gone = { code: "ERR_DISCONNECTED" };
    await assert.rejects(client.volatile.emitWithAck("n"), gone);
    await assert.rejects(client.timeout(60_000).volatile.emitWithAck("n"), gone);
    const error = await new Promise((resolve) =>
      client.volatile.compress(false).timeout(60_000).emit("n", resolve),
    );
    assert.ok(error instanceof Error);
  });

  test("applies timeout() to each retry", async (context) => {
    const { io, url } = await serve(context);
    let tries = 0;
    io.on("connection", (socket) => socket.on("n", () => tries++));
    const client = connectTo(context, url, { retries: 1 });
    await assert.rejects(client.timeout(10).emitWithAck("n"), { code: "ERR_ACK_TIMEOUT" });
    assert.equal(tries, 2);
  });
});

describe("the client's off()", () => {
  test("removes all listeners of the event, or of all events if called without arguments", (context) => {
    const client = connectTo(context, "http://127.0.0.1:1", { autoConnect: false });
    const listener = (): void => {};
    client.on("a", listener).on("a", listener).once("a", listener).on("b", listener);
    client.off("a", listener);
    assert.equal(client.listenerCount("a"), 2);
    client.off("a");
    assert.deepEqual([client.hasListeners("a"), client.hasListeners("b")], [false, true]);
    client.addEventListener("a", listener).removeEventListener("a", listener);
    client.on("a", listener).removeListener("b");
    assert.deepEqual([client.hasListeners("a"), client.hasListeners("b")], [true, false]);
    client.off();
    assert.equal(client.hasListeners("a"), false);
  });
});

describe("the client with unusual options and servers", () => {
  test("an invalid extra header causes connect_error", async (context) => {
    for (const transports of [["polling"], ["websocket"]] as const) {
      const options = { transports, extraHeaders: { X: "a\nb" }, reconnection: false };
      const client = connectTo(context, "http://127.0.0.1:1", options);
      assert.ok((await heard(client, "connect_error"))[0] instanceof Error);
    }
  });

  test("a poll answered with 101 causes connect_error", async (context) => {
    const odd = createServer((_, response) => {
      response.writeHead(101, { Connection: "Upgrade", Upgrade: "other" }).end();
    });
    const port = await listen(odd);
    context.after(() => odd.close());
    const url = `http://127.0.0.1:${port}`;
    const client = connectTo(context, url, { transports: ["polling"], reconnection: false });
    assert.ok((await heard(client, "connect_error"))[0] instanceof Error);
  });

  test("tryAllTransports falls back to polling if the WebSocket handshake is not answered", async (context) => {
    const { io, url } = await serve(context);
    io.httpServer.removeAllListeners("upgrade").on("upgrade", () => {});
    const client = connectTo(context, url, {
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      transportTimeout: 30,
      upgrade: false,
    });
    await heard(client, "connect");
    assert.equal(client.io.engine.transport.name, "polling");
  });

  test("rememberUpgrade makes the next connection start with WebSocket", async (context) => {
    const { url } = await serve(context);
    const client = connectTo(context, url, { rememberUpgrade: true });
    await heard(client, "connect");
    await until(() => client.io.engine.transport.name === "websocket");
    client.disconnect().connect();
    assert.equal(client.io.engine.transport.name, "websocket");
    await heard(client, "connect");
  });

  test("the upgrade succeeds if the server sends extra noop packets on the WebSocket", async (context) => {
    const open = { sid: "s", upgrades: ["websocket"], pingInterval: 10_000, pingTimeout: 10_000 };
    const heardThere: string[] = [];
    const polls: ServerResponse[] = [];
    const answers = [`0${JSON.stringify(open)}`, '40{"sid":"x"}'];
    const http = createServer((request, response) => {
      if (request.method === "POST") {
        request.resume().on("end", () => response.end("ok"));
        return;
      }
      const answer = answers.shift();
      if (answer === undefined) polls.push(response);
      else response.end(answer);
    });
    const sockets = new WebSocketServer({ server: http });
    sockets.on("connection", (socket) => {
      socket.on("message", (data) => {
        heardThere.push(`${data}`);
        if (`${data}` !== "2probe") return;
        socket.send("3probe");
        socket.send("6");
        socket.send("6");
        until(() => polls.length === 1).then(() => polls[0]?.end("6"));
      });
    });
    const port = await listen(http);
    context.after(() => {
      for (const socket of sockets.clients) socket.terminate();
      http.close();
    });
    const client = connectTo(context, `http://127.0.0.1:${port}`, { reconnection: false });
    await heard(client, "connect");
    await until(() => client.io.engine.transport.name === "websocket");
    client.emit("x", 1);
    await until(() => heardThere.length === 3);
    assert.deepEqual(heardThere, ["2probe", "5", '42["x",1]']);
  });
});

/** Forwards a request to the server at `port`, and the response to the client. */
async function forward(
  port: number,
  { method = "GET", url }: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): Promise<void> {
  const { status, bytes } = await ask(port, `${url}`, { method, body });
  response.writeHead(status).end(bytes);
}
