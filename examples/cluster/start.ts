// Starts Redis, three nodes and a load balancer on this machine. A page shows which node serves each client.
//
//   npx tsx examples/cluster/start.ts [haproxy|nginx]
//
//   browser ──▶ haproxy or nginx ──▶ node 1, node 2, node 3 ──▶ Redis
//
// To kill or start a node, type "kill 2" or "start 2" in the terminal, or click the buttons of the page.
// With REDIS_URL, the nodes use the Redis at this URL. PORT is the port of the load balancer. Default: a free port.

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const BALANCERS = {
  haproxy: { file: "haproxy.cfg", package: "haproxy", args: ["-db", "-f"] },
  nginx: { file: "nginx.conf", package: "nginx-light", args: ["-e", "stderr", "-c"] },
};
const NODES = [1, 2, 3];

/** Returns the path of a program. Debian installs some servers in /usr/sbin, which is not in every PATH. */
function find(program: string, advice: string): string {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  const path = folders.map((folder) => join(folder, program)).find((each) => existsSync(each));
  if (path === undefined) throw new Error(`${program} is not installed: ${advice}`);
  return path;
}

/** Returns a TCP port that is currently free on the loopback interface. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}

const folder = mkdtempSync(join(tmpdir(), `barewire-cluster-${process.pid}-`));
const children = new Set<ChildProcess>();
const nodes = new Map<number, { child: ChildProcess; port: number }>();
let stopping = false;

/** Ends all processes, removes the temporary folder and ends this process. */
async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  for (const child of children) {
    child.kill("SIGTERM");
    // Kills the processes that have not exited after 3 seconds.
    setTimeout(() => child.kill("SIGKILL"), 3000).unref();
  }
  await Promise.all([...children].map((child) => once(child, "exit")));
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

/** Prints an error, unless stop() has caused it. */
function report(error: Error): void {
  if (!stopping) console.error(error.message);
}

/** Adds a process to those that stop() ends. */
function own(child: ChildProcess): ChildProcess {
  children.add(child);
  child.on("exit", () => children.delete(child));
  return child;
}

/** Runs a server. If the server exits by itself, all other processes are stopped. */
function run(program: string, args: string[]): ChildProcess {
  // The server has its own process group. Ctrl-C only ends this process, which then ends the server.
  const child = own(spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "inherit"] }));
  child.on("exit", (code, signal) => {
    if (stopping) return;
    console.error(`${program} has ended (${code ?? signal}).`);
    void stop(1);
  });
  return child;
}

async function startRedis(): Promise<string> {
  const { REDIS_URL } = process.env;
  if (REDIS_URL !== undefined) return REDIS_URL;
  const program = find("redis-server", "apt-get install redis-server, or set REDIS_URL");
  const port = await freePort();
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  const { stdout } = run(program, args);
  if (stdout === null) throw new Error("Redis has no output");
  for await (const line of createInterface(stdout)) {
    if (line.includes("Ready to accept connections")) break;
  }
  stdout.resume();
  return `redis://127.0.0.1:${port}`;
}

/** Sends the list of running nodes to all nodes. */
function tell(): void {
  // Sending to a node that is being killed fails. The empty callback ignores the error.
  for (const { child } of nodes.values()) child.send([...nodes.keys()], () => {});
}

/** Starts a node. A node that was killed uses its old port again, because the balancer is configured with it. */
async function startNode(number: number, redis: string, port = 0): Promise<number> {
  const env = { ...process.env, NODE: `${number}`, PORT: `${port}`, REDIS_URL: redis };
  const child = own(fork(join(import.meta.dirname, "node.ts"), { detached: true, env }));
  const ended = once(child, "exit").then(() => {
    throw new Error(`node ${number} has ended before it listened`);
  });
  const [message] = await Promise.race([once(child, "message"), ended]);
  ended.catch(() => {});
  nodes.set(number, { child, port: message.port });
  child.on("message", (from: { command?: string }) => command(from.command ?? ""));
  child.on("exit", () => {
    nodes.delete(number);
    if (stopping) return;
    console.log(`node ${number} has ended`);
    tell();
  });
  tell();
  return message.port;
}

let command = (_line: string): void => {};

/** Returns a function that executes the commands "kill 2" and "start 2". */
function commandsFor(redis: string, ports: ReadonlyMap<number, number>): typeof command {
  const starting = new Set<number>();
  return (line) => {
    const [, name, digits] = /^(kill|start) (\d)$/.exec(line.trim()) ?? [];
    const number = Number(digits);
    if (stopping || !NODES.includes(number)) return;
    if (name === "kill") nodes.get(number)?.child.kill("SIGKILL");
    if (name !== "start" || nodes.has(number) || starting.has(number)) return;
    starting.add(number);
    startNode(number, redis, ports.get(number))
      .then(
        () => console.log(`node ${number} runs`),
        (error) => console.error(error.message),
      )
      .finally(() => starting.delete(number));
  };
}

async function start(name: string): Promise<void> {
  if (name !== "haproxy" && name !== "nginx") throw new Error(`haproxy or nginx, got "${name}"`);
  const { file, package: debian, args } = BALANCERS[name];
  const other = name === "haproxy" ? "nginx" : "haproxy";
  const program = find(name, `apt-get install ${debian}, or run this with ${other}`);

  const redis = await startRedis();
  const started = NODES.map(async (number) => [number, await startNode(number, redis)] as const);
  const ports = new Map(await Promise.all(started));
  command = commandsFor(redis, ports);

  const port = Number(process.env.PORT ?? (await freePort()));
  const template = readFileSync(join(import.meta.dirname, file), "utf8");
  const configuration = template
    .replaceAll("@PORT@", `${port}`)
    .replace(/@NODE(\d)@/g, (_all, number) => `${ports.get(Number(number))}`)
    .replaceAll("@FOLDER@", folder);
  writeFileSync(join(folder, file), configuration);
  // If nginx runs as root, its workers run as another user, and need access to this folder.
  chmodSync(folder, 0o755);
  run(program, [...args, join(folder, file)]).stdout?.resume();

  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/health`).catch(() => undefined))?.ok) await pause(50);
  console.log(`The cluster is at ${url}, behind ${name}.`);
  console.log('Type "kill 2" or "start 2" to kill or start a node, and Ctrl-C to end all.');
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => void stop(0));
createInterface(process.stdin).on("line", (line) => command(line));
await start(process.argv[2] ?? "haproxy").catch((error) => {
  report(error);
  return stop(1);
});
