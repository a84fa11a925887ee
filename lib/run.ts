// A program that is nothing but a server: it listens, says where, and goes in good order when it is
// told to.

import { once } from "node:events";
import type { Server } from "node:net";

export interface RunOptions {
  /** Default "127.0.0.1": this machine only. */
  readonly host?: string;
  /** 0 for any that is free. Default 5000. */
  readonly port?: number;
  /** Milliseconds that clients may take to get what waits for them, when the program is told to go. Default 5,000. */
  readonly drainTimeout?: number;
  /** Takes the lines that say what happens. Default: to the standard output. */
  readonly log?: (line: string) => void;
}

/** What runs. */
export interface Running {
  /** Where it listens, as "http://127.0.0.1:5000". */
  readonly url: string;
  /** Resolves when it has gone, told by a signal or by stop(). */
  readonly stopped: Promise<void>;
  /** Goes in good order, without ending the process. */
  stop(): Promise<void>;
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Listens; resolves when it does, and rejects where it cannot. From then on SIGINT and SIGTERM end
 * the process, when `close` has resolved; a second one ends it at once.
 *
 * @param close stops accepting, tells the clients, and waits for what they are still to get
 */
export async function run(
  server: Server,
  close: (drainTimeout: number) => Promise<void>,
  options: RunOptions = {},
): Promise<Running> {
  const { host = "127.0.0.1", port = 5000, drainTimeout = 5000 } = options;
  const log = options.log ?? ((line) => process.stdout.write(`${line}\n`));
  server.listen(port, host);
  await once(server, "listening");
  const url = urlOf(server, host);
  log(`Listening on ${url}`);

  let stopping: Promise<void> | undefined;
  let onStopped = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    onStopped = resolve;
  });
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      // The next signal finds nobody, and ends the process.
      for (const signal of SIGNALS) process.off(signal, onSignal);
      await close(drainTimeout);
      onStopped();
    })();
    return stopping;
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    log(`${signal}: closing`);
    void stop().then(() => process.exit(0));
  };
  for (const signal of SIGNALS) process.once(signal, onSignal);
  return { url, stopped, stop };
}

function urlOf(server: Server, host: string): string {
  const address = server.address();
  const port = typeof address === "object" ? address?.port : address;
  const scheme = "setSecureContext" in server ? "https" : "http";
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
