// Starts the server that the fuzzer attacks, and witnesses: clients whose events the server must continue to echo.

import assert from "node:assert/strict";
import { createServer } from "node:http";

import { io as connectOurs } from "../../client/index.ts";
import { Server, type ServerOptions } from "../../server.ts";
import { listen } from "../support/net.ts";
import { escaped, within } from "./layer.ts";

export interface UnderFire {
  readonly io: Server;
  readonly port: number;
  /**
   * Emits an event from each witness. Rejects if a witness was disconnected, or receives no echo within five seconds.
   */
  checkWitnesses(): Promise<void>;
  /** Waits until only the sessions, sockets, rooms and connections of the witnesses remain. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

const WITNESSES = [["polling"], ["websocket"]] as const;

export async function underFire(options: ServerOptions): Promise<UnderFire> {
  const http = createServer((_request, response) => response.end("other"));
  const io = new Server(http, options);
  const port = await listen(http);
  const witnesses = WITNESSES.map((transports) =>
    connectOurs(`http://127.0.0.1:${port}`, { transports, forceNew: true, reconnection: false }),
  );
  const ids = new Set<string>();
  io.on("connection", (socket) => {
    socket.join("room");
    socket.on("echo", (...args) => {
      const reply = args.at(-1);
      if (typeof reply === "function") reply(...args.slice(0, -1));
      else socket.emit("echo", ...args);
    });
    socket.on("room", (...args) => {
      if (!ids.has(socket.id))
        io.to("room").emit("room", ...args.filter((each) => typeof each !== "function"));
    });
    socket.timeout(1000).emit("ask", () => {});
  });
  io.of("/admin").use((_socket, next) => setImmediate(next));
  await within(
    5000,
    () => witnesses.every((each) => each.connected),
    () => "no witness connects",
  );
  for (const { id = "" } of witnesses) ids.add(id);
  const reasons: (string | undefined)[] = [];
  for (const [at, witness] of witnesses.entries()) {
    witness.on("disconnect", (reason) => {
      reasons[at] = reason;
    });
  }
  const connect = async (at: number): Promise<void> => {
    const witness = witnesses[at];
    witness?.connect();
    await within(
      5000,
      () => witness?.connected === true,
      () => "no witness connects",
    );
    ids.add(witness?.id ?? "");
    reasons[at] = undefined;
  };
  let said = 0;

  const connections = (): Promise<number> =>
    new Promise((resolve) => http.getConnections((_error, count) => resolve(count)));

  return {
    io,
    port,
    checkWitnesses: async () => {
      escaped.check();
      for (const [at, witness] of witnesses.entries()) {
        said++;
        const answer = await witness.timeout(5000).emitWithAck("echo", said).catch(String);
        const gone = reasons[at];
        // Reconnect the witness, so that it can check the next input.
        if (gone !== undefined) await connect(at);
        assert.equal(gone, undefined, `the witness over ${WITNESSES[at]} was disconnected`);
        assert.equal(answer, said);
      }
    },
    settle: async () => {
      const { engine, sockets } = io;
      const left = (): string =>
        `${engine.clientsCount} sessions, ${sockets.sockets.size} sockets, ${io.of("/admin").sockets.size} in /admin, ${sockets.adapter.rooms.size} rooms`;
      await within(
        15_000,
        () =>
          engine.clientsCount === witnesses.length &&
          sockets.sockets.size === witnesses.length &&
          io.of("/admin").sockets.size === 0 &&
          // Each witness is in its own room, and all witnesses are in one other room.
          sockets.adapter.rooms.size === witnesses.length + 1,
        left,
      );
      let open = await connections();
      const end = performance.now() + 15_000;
      // The witness over polling has one or two connections, and each other witness has one connection.
      while (open > witnesses.length + 1 && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        open = await connections();
      }
      assert.ok(open <= witnesses.length + 1, `${open} connections are left`);
    },
    stop: async () => {
      for (const witness of witnesses) witness.disconnect();
      await io.close();
    },
  };
}
