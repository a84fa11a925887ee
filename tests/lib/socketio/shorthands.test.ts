// Tests send(), write() and json(), the short forms of emit(), on everything that emits events: they request
// acknowledgements as emit() does, if the last argument is a function.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, type TestContext, test } from "node:test";

import { io as connect } from "socket.io-client";

import { Server } from "../../../server.ts";
import { heard } from "../../support/heard.ts";
import { listen } from "../../support/net.ts";

type Emit = (...args: unknown[]) => unknown;

/** The short forms that something has, by name. */
type ShortForms = Partial<Record<"send" | "write" | "json", Emit>>;

/** The emitters of a server with one client, and whether one acknowledgement or a list is received. */
function emittersOf(
  io: Server,
  socket: ShortForms,
  others: ShortForms,
): Record<string, { readonly emitter: ShortForms; readonly list: boolean }> {
  const everyone = { list: true };
  return {
    "the server": { emitter: io, ...everyone },
    "a namespace": { emitter: io.of("/"), ...everyone },
    "rooms of the server": { emitter: io.to("room"), ...everyone },
    "all except a room": { emitter: io.except("elsewhere"), ...everyone },
    "the other sockets of a socket": { emitter: others, ...everyone },
    "a socket": { emitter: socket, list: false },
  };
}

/** Connects two clients of socket.io-client that acknowledge "message" and "json" with the arguments of the event. */
async function connectTwo(
  context: TestContext,
  io: Server,
  http: ReturnType<typeof createServer>,
): Promise<Record<string, unknown>[]> {
  const port = await listen(http);
  const sockets: Record<string, unknown>[] = [];
  for (let count = 0; count < 2; count++) {
    const connected = heard(io, "connection");
    const client = connect(`http://127.0.0.1:${port}`, { forceNew: true });
    context.after(() => client.disconnect());
    for (const event of ["message", "json"])
      client.on(event, (value, acknowledge) => acknowledge(`${event} ${value}`));
    const [socket] = await connected;
    socket.join(count === 1 ? "room" : "elsewhere");
    sockets.push(socket);
    await heard(client, "connect");
  }
  return sockets;
}

/** Resolves to what the callback of a short form receives. */
function acknowledged(emitter: ShortForms, name: keyof ShortForms): Promise<unknown[]> {
  return new Promise((resolve) => {
    const emit = emitter[name];
    assert.ok(emit !== undefined, name);
    Reflect.apply(emit, emitter, [1, (...args: unknown[]) => resolve(args)]);
  });
}

const EVENTS = { send: "message", write: "message", json: "json" } as const;

describe("send(), write() and json() pass acknowledgements to a callback", () => {
  for (const what of Object.keys(emittersOf(new Server(), {}, {}))) {
    test(`on ${what}`, async (context) => {
      const http = createServer();
      const io = new Server(http);
      context.after(() => io.close());
      const [first, second] = await connectTwo(context, io, http);
      const others: unknown = Reflect.get(first ?? {}, "broadcast");
      const found = emittersOf(io, second ?? {}, Object(others))[what];
      assert.ok(found !== undefined);
      for (const name of ["send", "write", "json"] as const) {
        const answer = `${EVENTS[name]} 1`;
        const args = await acknowledged(found.emitter, name);
        if (!found.list) assert.deepEqual(args, [answer]);
        else {
          const count = what === "the server" || what === "a namespace" ? 2 : 1;
          assert.deepEqual(args, [null, Array(count).fill(answer)]);
        }
      }
    });
  }
});
