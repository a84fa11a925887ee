// The commands that every server of the bench answers.

import type { Server } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { type Commands, obey } from "../ipc.ts";
import { listening } from "./listening.ts";

/** The argument of the event that every server broadcasts: a text of 32 bytes. */
export const NEWS = "n".repeat(32);

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/**
 * Listens on a free port, and answers the bench's commands, which ask for the port, the processor time and the memory.
 *
 * @param more additional commands of this server
 */
export function serveBench(server: Server, more: Commands = {}): void {
  const port = listening(server);
  obey({
    ...more,
    port: () => port,
    /** Open connections. */
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      }),
    /** Microseconds of processor time, user and system. */
    cpu: () => {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    /** Resident bytes after a garbage collection. */
    memory: () => {
      for (let n = 0; n < 4; n++) if (typeof collect === "function") collect();
      return process.memoryUsage.rss();
    },
    exit: () => process.exit(),
  });
}
