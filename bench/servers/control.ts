// What every server of the bench answers to the bench.

import type { Server } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { type Commands, obey } from "../ipc.ts";
import { listening } from "./listening.ts";

/** An event of 32 bytes of text, as each of the servers broadcasts it. */
export const NEWS = "n".repeat(32);

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/**
 * Listens on a free port, and tells it, and how much processor and memory the process has used.
 *
 * @param more what this server does besides
 */
export function serveBench(server: Server, more: Commands = {}): void {
  const port = listening(server);
  obey({
    ...more,
    port: () => port,
    /** Connections that are open. */
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      }),
    /** Microseconds of the processor, of the user's and the system's time. */
    cpu: () => {
      const { user, system } = process.cpuUsage();
      return user + system;
    },
    /** Bytes resident behind a collection of what is not used. */
    memory: () => {
      for (let n = 0; n < 4; n++) if (typeof collect === "function") collect();
      return process.memoryUsage.rss();
    },
    exit: () => process.exit(),
  });
}
