// What every server of the bench answers to the bench.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { type Arguments, type Json, obey } from "../ipc.ts";

/** An event of 32 bytes of text, as each of the servers broadcasts it. */
export const NEWS = "n".repeat(32);

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

/** Tells the port, and how much processor and memory it has used. */
export function serveBench(
  port: Promise<number>,
  commands: Readonly<Record<string, (args: Arguments) => Json | Promise<Json>>> = {},
): void {
  obey({
    port: () => port,
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
    ...commands,
  });
}
