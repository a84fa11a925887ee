// Runs fault-program.ts, and sends commands to it.

import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";

import { ENVIRONMENT } from "./environment.ts";
import type { Command, Report } from "./fault-program.ts";

/** The server of fault-program.ts, in its own process. */
export class Faulty {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /**
   * @param args the name of a logger
   * @param descriptors the maximum number of open files of the process
   */
  static async start(
    context: TestContext,
    args: readonly string[],
    {
      descriptors = 1024,
      output = "inherit",
    }: { descriptors?: number; output?: number | "inherit" },
  ): Promise<Faulty> {
    const program = new URL("fault-program.ts", import.meta.url).pathname;
    const stdio: StdioOptions = ["ignore", output, output, "ipc"];
    const child = spawn(
      "sh",
      [
        "-c",
        `ulimit -n ${descriptors}; exec "$0" "$@"`,
        process.execPath,
        "--import",
        "tsx",
        program,
        ...args,
      ],
      // The cache of tsx is disabled, because tsx cannot write it while the process has no free
      // file descriptors.
      { stdio, env: { ...ENVIRONMENT, TSX_DISABLE_CACHE: "1" } },
    );
    context.after(() => child.kill("SIGKILL"));
    const [port] = await once(child, "message");
    return new Faulty(child, Number(port));
  }

  /** Whether the process is running. */
  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async report(): Promise<Report> {
    return this.#ask("report");
  }

  /** Uses all file descriptors except this number. */
  async leave(free: number): Promise<void> {
    await this.#ask({ free });
  }

  async release(): Promise<void> {
    await this.#ask("release");
  }

  async #ask(command: Command) {
    const answered = once(this.#child, "message");
    this.#child.send(command);
    const [answer] = await answered;
    return answer;
  }
}
