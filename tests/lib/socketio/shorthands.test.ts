// Tests send(), write() and json(), the short forms of emit(), on everything that emits events: they request
// acknowledgements as emit() does, if the last argument is a function.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";

import { io as connect } from "socket.io-client";

import type { Server, Socket } from "../../../server.ts";
import { heard } from "../../support/heard.ts";
import { serve } from "../../support/net.ts";

type ShortForm = (...args: unknown[]) => unknown;
type Emitter = Readonly<Record<"send" | "write" | "json", ShortForm>>;
type Choose = (io: Server, first: Socket, second: Socket) => Emitter;

/** The emitters, and how many clients receive their events. A single socket receives no list of acknowledgements. */
const EMITTERS: Readonly<Record<string, readonly [Choose, receivers: number | "one socket"]>> = {
  "the server": [(io) => io, 2],
  "a namespace": [(io) => io.of("/"), 2],
  "a room of the server": [(io) => io.to("second"), 1],
  "all sockets except a room": [(io) => io.except("first"), 1],
  "the other sockets of a socket": [(_io, first) => first.broadcast, 1],
  "a socket": [(_io, first) => first, "one socket"],
};

const EVENTS = { send: "message", write: "message", json: "json" } as const;

/** Connects a client that acknowledges "message" and "json" with the event's name and argument. */
async function joined(
  context: TestContext,
  io: Server,
  port: number,
  room: string,
): Promise<Socket> {
  const connection = heard(io, "connection");
  const client = connect(`http://127.0.0.1:${port}`, { forceNew: true });
  const connected = heard(client, "connect");
  context.after(() => client.disconnect());
  for (const event of ["message", "json"])
    client.on(event, (value, acknowledge) => acknowledge(`${event} ${value}`));
  const [socket]: Socket[] = await connection;
  assert.ok(socket !== undefined);
  await socket.join(room);
  await connected;
  return socket;
}

describe("send(), write() and json() pass acknowledgements to a callback", () => {
  for (const [what, [choose, receivers]] of Object.entries(EMITTERS)) {
    test(`on ${what}`, async (context) => {
      const { io, port } = await serve(context);
      const first = await joined(context, io, port, "first");
      const second = await joined(context, io, port, "second");
      const emitter = choose(io, first, second);
      for (const name of ["send", "write", "json"] as const) {
        const answer = `${EVENTS[name]} 1`;
        const args = await new Promise<unknown[]>((resolve) => {
          emitter[name](1, (...values: unknown[]) => resolve(values));
        });
        const expected =
          receivers === "one socket" ? [answer] : [null, Array(receivers).fill(answer)];
        assert.deepEqual(args, expected);
      }
    });
  }
});
