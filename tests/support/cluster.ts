// Several servers, each in its own process, which a test controls with commands.
//
//   const nodes = await startNodes(context, [settings, settings, settings]);
//   await nodes[0].ask("emit", { rooms: ["room1"] }, "event", 1);

import { type ChildProcess, fork } from "node:child_process";
import cluster from "node:cluster";
import { once } from "node:events";
import { join } from "node:path";

import type { Untyped } from "../../lib/events/emitter.ts";
import type { NodeCommands, NodeSettings } from "./cluster-node.ts";
import { ENVIRONMENT } from "./environment.ts";
import type { Cleanup } from "./installed.ts";

export type { Answers, FetchedSocket, NodeSettings, Target } from "./cluster-node.ts";

const PROGRAM = join(import.meta.dirname, "cluster-node.ts");
const EXEC_ARGV = ["--no-warnings", "--import", "tsx"];

/** How long a node may take to respond, in milliseconds. */
const ANSWERING = 60_000;

type Result<Name extends keyof NodeCommands> = Awaited<ReturnType<NodeCommands[Name]>>;

interface Request {
  readonly resolve: (result: Untyped) => void;
  readonly reject: (error: Error) => void;
}

export class ClusterNode {
  /** Resolves to the exit code when the process has ended, or to `null` if a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly #process: ChildProcess;
  readonly #requests = new Map<number, Request>();
  #lastRequest = 0;
  #port = 0;

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.ended = new Promise((resolve) => process.on("exit", resolve));
    process.on("message", (message: Untyped) => {
      const request = this.#requests.get(message?.answer);
      if (request === undefined) return;
      this.#requests.delete(message.answer);
      if (message.error === undefined) request.resolve(message.result);
      else request.reject(new Error(message.error));
    });
    process.on("exit", (code, signal) => {
      const error = new Error(`the node has ended with ${signal ?? code}`);
      for (const { reject } of this.#requests.values()) reject(error);
      this.#requests.clear();
    });
  }

  /** Starts a node. Resolves when it listens. */
  static async start(process: ChildProcess): Promise<ClusterNode> {
    const node = new ClusterNode(process);
    node.#port = await node.#answer(0);
    return node;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Runs a command on the node. Rejects if the command throws, or if the node ends before it responds. */
  ask<Name extends keyof NodeCommands>(
    command: Name,
    ...args: Parameters<NodeCommands[Name]>
  ): Promise<Result<Name>> {
    this.#lastRequest++;
    const answer = this.#answer(this.#lastRequest);
    this.#process.send({ request: this.#lastRequest, command, args });
    return answer;
  }

  /** Sends a signal to the process, such as "SIGSTOP". */
  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Kills the process without closing its server. Resolves when the process has ended. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }

  /** Closes the server, and ends the process. */
  async close(): Promise<void> {
    await this.ask("close");
    await this.kill();
  }

  #answer(request: number): Promise<Untyped> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const answer = new Promise<Untyped>((resolve, reject) => {
      this.#requests.set(request, { resolve, reject });
      timer = setTimeout(() => reject(new Error("the node does not answer")), ANSWERING);
    });
    return answer.finally(() => clearTimeout(timer));
  }
}

/**
 * Starts nodes as child processes. The child processes are killed when the test ends.
 *
 * @param errors "ignored" hides the error output of nodes that must end with an uncaught error
 */
export function startNodes(
  context: Cleanup,
  settings: readonly NodeSettings[],
  errors?: "ignored",
): Promise<ClusterNode[]> {
  return Promise.all(
    settings.map((each) => {
      const child = fork(PROGRAM, [], {
        execArgv: EXEC_ARGV,
        serialization: "advanced",
        env: environmentOf(each),
        stdio: ["inherit", "inherit", errors === "ignored" ? "ignore" : "inherit", "ipc"],
      });
      return started(context, child);
    }),
  );
}

/** Starts nodes as workers of node:cluster. This process is the primary. */
export function startWorkers(
  context: Cleanup,
  settings: readonly NodeSettings[],
): Promise<ClusterNode[]> {
  cluster.setupPrimary({ exec: PROGRAM, execArgv: EXEC_ARGV, serialization: "advanced" });
  return Promise.all(
    settings.map((each) => started(context, cluster.fork(environmentOf(each)).process)),
  );
}

function environmentOf(settings: NodeSettings): NodeJS.ProcessEnv {
  return { ...ENVIRONMENT, CLUSTER_NODE: JSON.stringify(settings) };
}

async function started(context: Cleanup, child: ChildProcess): Promise<ClusterNode> {
  context.after(() => child.kill("SIGKILL"));
  return ClusterNode.start(child);
}
