// Tests a namespace whose event handlers are the methods of a class.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { acks, ConnectionRefused, NamespaceHandler, type Socket } from "../../../server.ts";
import { serve, until, WebSocketClient } from "../../support/net.ts";

class Base extends NamespaceHandler {
  readonly log: unknown[] = [];

  onInherited(_socket: Socket): string {
    return "inherited";
  }

  onOverridden(_socket: Socket): string {
    return "base";
  }
}

class Chat extends Base {
  override onConnect(socket: Socket, auth: Readonly<Record<string, unknown>>): void {
    this.log.push(["connect", auth, socket.connected, [...socket.rooms]]);
    void socket.join("joined in onConnect");
  }

  override onDisconnect(socket: Socket, reason: string): void {
    this.log.push(["disconnect", reason, socket.rooms.has("joined in onConnect")]);
  }

  onMessage(_socket: Socket, text: string): string {
    return `message ${text}`;
  }

  on_my_event(_socket: Socket, ...args: unknown[]): unknown {
    return acks("my_event", args.length);
  }

  async onMyEvent(): Promise<string> {
    return "myEvent";
  }

  onCallback(_socket: Socket, n: number, answer: (n: number) => void): string {
    answer(n + 1);
    return "not this";
  }

  override onOverridden(socket: Socket): string {
    return `own, then ${super.onOverridden(socket)}`;
  }

  onNothing(): void {}

  // This field is not a method, so it must not become an event handler.
  online = true;

  readonly onField = (_socket: Socket): string => `field of ${this.name}`;
}

async function start(
  context: Parameters<typeof serve>[0],
  handler: NamespaceHandler,
): Promise<{
  client: WebSocketClient;
  ask: (event: string, ...args: unknown[]) => Promise<string>;
}> {
  const { io, port } = await serve(context);
  assert.equal(io.register(handler), io);
  const client = new WebSocketClient(port);
  await client.join('40/chat,{"token":1}');
  return {
    client,
    ask: async (...event) => {
      client.send(`42/chat,0${JSON.stringify(event)}`);
      return `${await client.next()}`.slice("43/chat,0".length);
    },
  };
}

describe("NamespaceHandler", () => {
  test("calls the method named after an event, and acknowledges with its return value", async (context) => {
    const { ask } = await start(context, new Chat("/chat"));
    assert.equal(await ask("message", "x"), '["message x"]');
    assert.equal(await ask("my_event", 1, 2), '["my_event",2]');
    assert.equal(await ask("myEvent"), '["myEvent"]');
    assert.equal(await ask("callback", 1), "[2]");
    assert.equal(await ask("inherited"), '["inherited"]');
    assert.equal(await ask("overridden"), '["own, then base"]');
    assert.equal(await ask("field"), '["field of /chat"]');
    assert.equal(await ask("nothing"), "[]");
  });

  test("calls onConnect() before the client is connected, and onDisconnect() while its rooms exist", async (context) => {
    const handler = new Chat("/chat");
    const { client } = await start(context, handler);
    client.send("41/chat,");
    await until(() => handler.log.length === 2);
    assert.deepEqual(handler.log, [
      ["connect", { token: 1 }, false, []],
      ["disconnect", "client namespace disconnect", true],
    ]);
  });

  test("passes unknown events, and those named like methods of the base class, to onAny()", async (context) => {
    class Curious extends Chat {
      override onAny(_socket: Socket, event: string, ...args: unknown[]): unknown {
        return acks("any", event, ...args);
      }
    }
    const { ask } = await start(context, new Curious("/chat"));
    for (const event of [
      "any",
      "ce",
      "line",
      "emit",
      "to",
      "namespace",
      "constructor",
      "toString",
      "__proto__",
      "Message",
      "registered",
    ]) {
      assert.equal(await ask(event, 1), `["any","${event}",1]`);
    }
    assert.equal(await ask("message", "x"), '["message x"]');
  });

  test("ignores unknown events without onAny()", async (context) => {
    const { ask, client } = await start(context, new Chat("/chat"));
    client.send('42/chat,9["unknown"]');
    assert.equal(await ask("message", "x"), '["message x"]');
  });

  for (const [does, answer, refusal] of [
    [
      "throws ConnectionRefused",
      () => {
        throw new ConnectionRefused("full", { seats: 0 });
      },
      '{"message":"full","data":{"seats":0}}',
    ],
    [
      "rejects with ConnectionRefused",
      async () => Promise.reject(new ConnectionRefused("full")),
      '{"message":"full"}',
    ],
    ["returns false", () => false, '{"message":"Connection rejected by server"}'],
    ["resolves to false", async () => false, '{"message":"Connection rejected by server"}'],
  ] as const) {
    test(`rejects the client if onConnect() ${does}`, async (context) => {
      class Full extends NamespaceHandler {
        override onConnect(): unknown {
          return answer();
        }
      }
      const { io, port } = await serve(context);
      io.register(new Full());
      const client = new WebSocketClient(port);
      assert.equal(await client.join(), `44${refusal}`);
      assert.equal(io.sockets.sockets.size, 0);
    });
  }

  test("with a pattern, one handler serves all matching namespaces", async (context) => {
    class Any extends NamespaceHandler {
      override onAny(socket: Socket, event: string): string {
        return `${event} in ${socket.nsp.name}`;
      }
    }
    const { io, port } = await serve(context);
    const handler = new Any(/^\/room-/);
    io.register(handler);
    const client = new WebSocketClient(port);
    await client.join("40/room-1,");
    client.send("40/room-2,");
    await client.next();
    client.send('42/room-2,0["hi"]');
    assert.equal(await client.next(), '43/room-2,0["hi in /room-2"]');
    handler.emit("to all", 1);
    assert.equal(await client.next(), '42/room-1,["to all",1]');
    assert.equal(await client.next(), '42/room-2,["to all",1]');
  });

  test("emits to its namespace, and throws before it is registered", async (context) => {
    const handler = new Chat("/chat");
    assert.throws(() => handler.namespace, /not registered/);
    const { client } = await start(context, handler);
    assert.equal(handler.namespace.name, "/chat");
    handler.to("joined in onConnect").emit("a");
    handler.except("joined in onConnect").emit("nobody");
    handler.emit("b");
    assert.equal(await client.next(), '42/chat,["a"]');
    assert.equal(await client.next(), '42/chat,["b"]');
  });

  test("without methods, accepts clients and ignores events", async (context) => {
    const { client, ask } = await start(context, new (class extends NamespaceHandler {})("/chat"));
    client.send('42/chat,["x"]');
    client.send("41/chat,");
    client.send("40/chat,");
    assert.match(`${await client.next()}`, /^40\/chat,/);
    assert.ok(ask);
  });

  for (const [spelling, Handler] of Object.entries({
    camel: class extends NamespaceHandler {
      override onConnect(socket: Socket, auth: object): void {
        socket.emit("connected", auth);
      }
      onMessage(socket: Socket, text: string): void {
        socket.emit("text", text);
      }
      onJson(socket: Socket, value: unknown): void {
        socket.emit("value", value);
      }
      override onAny(socket: Socket, event: string, ...args: unknown[]): void {
        socket.emit("other", event, ...args);
      }
      override onDisconnect(socket: Socket, reason: string): void {
        socket.nsp.emit("gone", reason, socket.rooms.has(socket.id));
      }
    },
    snake: class extends NamespaceHandler {
      on_connect(socket: Socket, auth: object): void {
        socket.emit("connected", auth);
      }
      on_message(socket: Socket, text: string): void {
        socket.emit("text", text);
      }
      on_json(socket: Socket, value: unknown): void {
        socket.emit("value", value);
      }
      on_any(socket: Socket, event: string, ...args: unknown[]): void {
        socket.emit("other", event, ...args);
      }
      on_disconnect(socket: Socket, reason: string): void {
        socket.nsp.emit("gone", reason, socket.rooms.has(socket.id));
      }
    },
  })) {
    test(`calls the methods of the built-in events in ${spelling} case`, async (context) => {
      const { io, port } = await serve(context);
      io.register(new Handler("/chat"));
      const client = new WebSocketClient(port);
      await client.next();
      client.send('40/chat,{"token":1}');
      assert.equal(await client.next(), '42/chat,["connected",{"token":1}]');
      await client.next();
      client.send('42/chat,["message","a"]');
      assert.equal(await client.next(), '42/chat,["text","a"]');
      client.send('42/chat,["json",[1]]');
      assert.equal(await client.next(), '42/chat,["value",[1]]');
      client.send('42/chat,["any",2]');
      assert.equal(await client.next(), '42/chat,["other","any",2]');
      client.send("41/chat,");
      assert.equal(await client.next(), '42/chat,["gone","client namespace disconnect",true]');
    });

    test(`rejects the client if the connect method in ${spelling} case returns false`, async (context) => {
      const { io, port } = await serve(context);
      const method = spelling === "snake" ? "on_connect" : "onConnect";
      const handler = new NamespaceHandler("/chat");
      Reflect.set(handler, method, () => false);
      io.register(handler);
      assert.match(await new WebSocketClient(port).join("40/chat,"), /^44\/chat,/);
    });
  }

  for (const [methods, message] of [
    [["onMessage", "on_message"], /onMessage\(\) and on_message\(\) handle the same event/],
    [["on_connect", "onConnect"], /handle the same event/],
    [["onDisconnect", "on_disconnect"], /handle the same event/],
    [["onAny", "on_any"], /handle the same event/],
    [["onmessage"], /no event can call the method onmessage\(\)/],
    [["onconnect"], /no event/],
    [["on"], /no event/],
    [["on_"], /no event/],
    [["once"], /no event/],
    [["onDisconnecting"], /no event/],
    [["on_disconnecting"], /no event/],
    [["on_connect_error"], /no event/],
    [["onNewListener"], /no event/],
  ] as const) {
    for (const name of ["/chat", /^\/chat/]) {
      test(`register() throws for ${methods.join(" and ")} in a handler of ${name}`, async (context) => {
        const { io } = await serve(context);
        const handler = new NamespaceHandler(name);
        for (const method of methods) Reflect.set(handler, method, () => {});
        assert.throws(() => io.register(handler), { code: "ERR_INVALID_ARG_TYPE", message });
        // The failed call has no effect.
        io.register(new NamespaceHandler("/chat"));
      });
    }
  }

  test("register() throws for a second handler of the same namespace", async (context) => {
    const { io } = await serve(context);
    io.register(new Chat("/chat"));
    assert.throws(() => io.register(new Chat("/chat")), { code: "ERR_ALREADY_REGISTERED" });
    io.register(new Chat("/other"));
  });

  test("calls other listeners of the same event too", async (context) => {
    const { io, port } = await serve(context);
    const log: string[] = [];
    io.register(new Chat("/chat"));
    io.of("/chat").on("connection", (socket) => socket.on("message", (text) => log.push(text)));
    const client = new WebSocketClient(port);
    await client.join("40/chat,");
    client.send('42/chat,0["message","x"]');
    assert.equal(await client.next(), '43/chat,0["message x"]');
    assert.deepEqual(log, ["x"]);
  });
});
