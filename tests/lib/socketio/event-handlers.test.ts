// Tests acknowledgements by return value, error handlers, and ConnectionRefused.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  acks,
  ConnectionRefused,
  type Server,
  type ServerOptions,
  type Socket,
} from "../../../server.ts";
import { join, serve, turn, until, WebSocketClient } from "../../support/net.ts";
import { gatherUncaught } from "../../support/uncaught.ts";

/** Starts a server that calls `begin` with each socket, and connects a client. */
async function start(
  context: Parameters<typeof serve>[0],
  options: ServerOptions,
  begin: (socket: Socket, io: Server) => void,
): Promise<{ io: Server; client: WebSocketClient }> {
  const { io, port } = await serve(context, options);
  io.on("connection", (socket) => begin(socket, io));
  const { client } = await join(io, port);
  return { io, client };
}

const RETURNS = { ackReturnValues: true };

// biome-ignore lint/suspicious/noThenProperty: other libraries return thenables like this one
const THENABLE = { then: (resolve: (value: string) => void) => resolve("then") };

describe("ackReturnValues", () => {
  const cases: [does: string, handler: (...args: never[]) => unknown, answer: string][] = [
    ["a value", (text: string) => text.toUpperCase(), '["X"]'],
    ["undefined", (_text: string) => {}, "[]"],
    ["null", () => null, "[null]"],
    ["an array", () => [1, 2], "[[1,2]]"],
    ["acks() with two values", () => acks(1, "two"), '[1,"two"]'],
    ["acks() without values", () => acks(), "[]"],
    ["a promise", async (text: string) => `${text}!`, '["x!"]'],
    ["a thenable", () => THENABLE, '["then"]'],
    ["a promise of acks()", async () => acks(1, 2), "[1,2]"],
    [
      "a handler that takes the callback",
      (_x: string, done: (n: number) => void) => done(7),
      "[7]",
    ],
  ];
  for (const [does, handler, answer] of cases) {
    test(`acknowledges with ${answer} for ${does}`, async (context) => {
      const { client } = await start(context, RETURNS, (socket) => {
        socket.on("e", (...args) => Reflect.apply(handler, socket, args));
      });
      // The server recognizes a handler that takes the callback by its `length`. The listener above
      // has rest parameters and therefore a `length` of 0, so the handler is also added directly.
      const direct = await start(context, RETURNS, (socket) => {
        Reflect.apply(socket.on, socket, ["e", handler]);
      });
      direct.client.send('425["e","x"]');
      assert.equal(await direct.client.next(), `435${answer}`);
      if (does.includes("takes")) return;
      client.send('425["e","x"]');
      assert.equal(await client.next(), `435${answer}`);
    });
  }

  test("acknowledges with the first value in the order of the listeners, even if it is asynchronous", async (context) => {
    const { client } = await start(context, RETURNS, (socket) => {
      socket.on("e", () => {});
      socket.once("e", async () => {
        await turn();
        return "slow";
      });
      socket.on("e", () => "later");
    });
    client.send('421["e"]');
    assert.equal(await client.next(), '431["slow"]');
    client.send('422["e"]');
    assert.equal(await client.next(), '432["later"]');
  });

  test("sends no acknowledgement if the client requests none, or if there is no listener", async (context) => {
    const { client } = await start(context, RETURNS, (socket) => {
      socket.on("e", () => "x");
      socket.on("last", () => "y");
    });
    client.send('42["e"]');
    client.send('421["unknown"]');
    client.send('422["last"]');
    assert.equal(await client.next(), '432["y"]');
  });

  test("without the option, ignores return values and passes the callback", async (context) => {
    const { client } = await start(context, {}, (socket) => {
      socket.on("e", (...args) => {
        args.at(-1)(args.length);
        return "returned";
      });
    });
    client.send('421["e",1]');
    assert.equal(await client.next(), "431[2]");
  });

  test("middleware may change the arguments", async (context) => {
    const { client } = await start(context, RETURNS, (socket) => {
      socket.use((event, next) => {
        event[1] = "changed";
        next();
      });
      socket.on("e", (text) => text);
    });
    client.send('421["e","x"]');
    assert.equal(await client.next(), '431["changed"]');
  });
});

describe("onError()", () => {
  for (const [does, fail] of [
    [
      "throws",
      () => {
        throw new Error("oops");
      },
    ],
    ["rejects", async () => Promise.reject(new Error("oops"))],
  ] as const) {
    test(`receives the event and its arguments if a listener ${does}, and its result is the acknowledgement`, async (context) => {
      const uncaught = gatherUncaught(context);
      const calls: unknown[] = [];
      const { io, client } = await start(context, RETURNS, (socket) => {
        socket.on("e", fail);
      });
      io.onError((error, { socket, event, args }) => {
        calls.push([error instanceof Error && error.message, socket?.connected, event, args]);
        return { failed: true };
      });
      client.send('421["e","x",2]');
      assert.equal(await client.next(), '431[{"failed":true}]');
      assert.deepEqual(calls, [["oops", true, "e", ["x", 2]]]);
      // The handler is also called for an event without an acknowledgement.
      client.send('42["e"]');
      await until(() => calls.length === 2);
      assert.deepEqual(uncaught, []);
    });

    test(`without onError(), a listener that ${does} causes an uncaught error and no acknowledgement`, async (context) => {
      const uncaught = gatherUncaught(context);
      const { client } = await start(context, RETURNS, (socket) => {
        socket.on("e", fail);
        socket.on("e", () => "second");
        socket.on("last", () => "still there");
      });
      client.send('421["e"]');
      client.send('422["last"]');
      assert.equal(await client.next(), '432["still there"]');
      await until(() => uncaught.length === 1);
    });
  }

  test("a namespace's handler replaces the server's handler, and child namespaces use the handler of their parent", async (context) => {
    const { io, port } = await serve(context, RETURNS);
    const fail = (socket: Socket): void => {
      socket.on("e", () => {
        throw new Error("oops");
      });
    };
    io.onError(() => "server").on("connection", fail);
    io.of("/a")
      .onError(() => "a")
      .on("connection", fail);
    io.of(/^\/b/)
      .onError(() => "b")
      .on("connection", fail);
    const client = new WebSocketClient(port);
    await client.join();
    for (const [namespace, answer] of [
      ["", "server"],
      ["/a,", "a"],
      ["/b1,", "b"],
    ]) {
      if (namespace !== "") {
        client.send(`40${namespace}`);
        await client.next();
      }
      client.send(`42${namespace}0["e"]`);
      assert.equal(await client.next(), `43${namespace}0["${answer}"]`);
    }
  });

  test("receives errors of connection and disconnection listeners and of middleware", async (context) => {
    const uncaught = gatherUncaught(context);
    const { io, port } = await serve(context);
    const events: string[] = [];
    io.onError((error, { event }) => events.push(`${event} ${error}`));
    let refuse = true;
    io.use((_socket, next) => {
      if (refuse) throw "in middleware";
      next();
    });
    io.on("connection", (socket) => {
      socket.on("disconnecting", () => {
        throw "going";
      });
      socket.on("disconnect", async () => Promise.reject("gone"));
      throw "coming";
    });
    const client = new WebSocketClient(port);
    assert.equal(await client.join(), '44{"message":"internal error"}');
    refuse = false;
    client.send("40");
    assert.match(`${await client.next()}`, /^40/);
    client.send("41");
    await until(() => events.length === 4);
    assert.deepEqual(events, [
      "connect in middleware",
      "connection coming",
      "disconnecting going",
      "disconnect gone",
    ]);
    assert.deepEqual(uncaught, []);
  });

  test("an error that the handler throws is uncaught", async (context) => {
    const uncaught = gatherUncaught(context);
    const { io, client } = await start(context, RETURNS, (socket) => {
      socket.on("e", () => {
        throw new Error("first");
      });
    });
    io.onError(() => {
      throw new Error("second");
    });
    client.send('421["e"]');
    await until(() => uncaught.length === 1);
    assert.match(`${uncaught}`, /second/);
  });
});

describe("ConnectionRefused", () => {
  for (const [does, refuse] of [
    [
      "throws",
      () => {
        throw new ConnectionRefused("not you", { code: 7 });
      },
    ],
    ["rejects with", async () => Promise.reject(new ConnectionRefused("not you", { code: 7 }))],
  ] as const) {
    test(`middleware that ${does} a ConnectionRefused rejects the client, and no error is reported`, async (context) => {
      const uncaught = gatherUncaught(context);
      const { io, port } = await serve(context);
      io.onError(() => assert.fail("onError() has been called"));
      io.use(refuse);
      const client = new WebSocketClient(port);
      assert.equal(await client.join(), '44{"message":"not you","data":{"code":7}}');
      await turn();
      assert.deepEqual(uncaught, []);
    });
  }

  test("has a default message", () => {
    assert.equal(new ConnectionRefused().message, "Connection rejected by server");
    assert.equal("data" in new ConnectionRefused("x") && false, false);
  });
});
