// Tests a server that relays events of one client to other clients, in additional arrays and with additional
// arguments. Events that the server accepts must not break its encoder or the connections of other clients.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Socket as ClientSocket, io as connect } from "../../../client/index.ts";
import * as msgpack from "../../../protocol/socketio/msgpack-parser.ts";
import type { Server } from "../../../server.ts";
import { heard } from "../../support/heard.ts";
import { serve } from "../../support/net.ts";

const MOST_ATTACHMENTS = 10;

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let n = 1; n < depth; n++) value = n % 2 === 0 ? [value] : { value };
  return value;
}

/** The largest events that a client may send, with the array of the arguments as the first level. */
const LARGEST: Readonly<Record<string, () => unknown[]>> = {
  "499 levels of arrays and objects": () => [nested(499)],
  "9,999 arguments": () => Array.from({ length: 9999 }, (_, n) => n),
  "ten attachments": () => Array.from({ length: MOST_ATTACHMENTS }, (_, n) => Buffer.of(n)),
};

/** How a program changes the arguments before it emits them to other clients. */
const RELAYS: Readonly<Record<string, (args: readonly unknown[]) => unknown[]>> = {
  "without a change": (args) => [...args],
  "inside one more array": (args) => [args],
  "inside twenty more objects": (args) => {
    let value: unknown = args;
    for (let n = 0; n < 20; n++) value = { from: "another", value };
    return [value];
  },
  "with one more argument": (args) => ["another", ...args],
  twice: (args) => [args, args],
};

const CODECS = { JSON: {}, MessagePack: { parser: msgpack } };

async function join(io: Server, port: number, options: object): Promise<ClientSocket> {
  const client = connect(`http://127.0.0.1:${port}`, {
    forceNew: true,
    reconnection: false,
    ...options,
  });
  const accepted = new Promise((resolve) => io.once("connection", resolve));
  await Promise.all([accepted, heard(client, "connect")]);
  return client;
}

for (const [codec, options] of Object.entries(CODECS)) {
  describe(`relaying events with ${codec}`, () => {
    for (const transport of ["polling", "websocket"]) {
      test(`every client receives the largest events of another client, over ${transport}`, async (context) => {
        const { io, port } = await serve(context, options);
        const settings = { ...options, transports: [transport] };
        const from = await join(io, port, settings);
        const to = await join(io, port, settings);
        context.after(() => {
          from.disconnect();
          to.disconnect();
        });
        const lost: unknown[] = [];
        for (const client of [from, to]) client.on("disconnect", (reason) => lost.push(reason));
        for (const [name, relay] of Object.entries(RELAYS)) {
          for (const [size, make] of Object.entries(LARGEST)) {
            for (const socket of io.sockets.sockets.values()) {
              socket.removeAllListeners("event");
              socket.on("event", (...args) => socket.broadcast.emit("news", ...relay(args)));
            }
            const news = heard(to, "news");
            from.emit("event", ...make());
            assert.deepEqual(await news, relay(make()), `${size}, ${name}`);
          }
        }
        assert.deepEqual(lost, []);
      });
    }

    test("emit() throws a RangeError for data that clients would reject", async (context) => {
      const { io, port } = await serve(context, options);
      const client = await join(io, port, options);
      context.after(() => client.disconnect());
      for (const depth of [1001, 5000]) {
        assert.throws(() => io.emit("news", nested(depth)), RangeError);
      }
      const cycle: unknown[] = [];
      cycle.push(cycle);
      assert.throws(() => io.emit("news", cycle), RangeError);
      const news = heard(client, "news");
      io.emit("news", nested(998));
      assert.deepEqual(await news, [nested(998)]);
    });
  });
}
