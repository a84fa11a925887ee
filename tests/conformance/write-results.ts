// Runs the conformance kit against all peers (barewire and other servers), and writes docs/conformance-results.md.
//
//   tsx tests/conformance/write-results.ts [peer …]
//
// With names of peers as arguments, the program runs the kit only against these peers, and writes no page. The program
// installs npm packages that the project does not depend on, some of them large, into a temporary folder.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { CASES } from "../../conformance/cases.ts";
import { LAYERS, layerOf } from "../../conformance/harness/case.ts";
import { type Result, runCases } from "../../conformance/harness/runner.ts";
import { parseTarget, type Target } from "../../conformance/harness/target.ts";
import { probe } from "../../conformance/probe.ts";
import {
  count,
  failuresOf,
  isBreach,
  LAYER_NAMES,
  plural,
  printable,
} from "../../conformance/reports/report.ts";
import { matches } from "../../conformance/selection.ts";
import { EXPLANATIONS } from "./explanations.ts";

const ROOT = join(import.meta.dirname, "../..");
/** The folder of the servers under test. Each server is one program. */
const SERVERS = join(ROOT, "conformance/testees/servers");
const PAGE = join(ROOT, "docs/conformance-results.md");
const LIMIT = 10_000;
const OPTIONS = { timeout: LIMIT, concurrency: 4 };
/** How long the server of a peer may take to start, in milliseconds. */
const START = 60_000;

interface Peer {
  readonly name: string;
  /** The file in conformance/testees/servers/. */
  readonly file: string;
  /** The npm package to install for this peer, with its version. */
  readonly installs?: string;
  /** The command of that package that runs the file, and the arguments before the file. Default: Node or Python. */
  readonly runsBy?: readonly string[];
  readonly versions: () => string;
}

/** Returns a peer from an npm package that the project does not depend on. */
function installed(
  name: string,
  packageName: string,
  version: string,
  ...runsBy: readonly string[]
): Peer {
  return {
    name,
    file: `${name}.ts`,
    installs: `${packageName}@${version}`,
    ...(runsBy.length > 0 && { runsBy }),
    versions: () => `${packageName} ${version}`,
  };
}

const PEERS: readonly Peer[] = [
  { name: "barewire", file: "barewire.ts", versions: () => `barewire ${manifest("").version}` },
  { name: "socket.io", file: "socketio.ts", versions: () => npm("socket.io", "engine.io", "ws") },
  { name: "ws", file: "ws.ts", versions: () => npm("ws") },
  {
    name: "python-socketio",
    file: "python.py",
    versions: () => python("python-socketio", "python-engineio", "aiohttp"),
  },
  { name: "aiohttp", file: "aiohttp_echo.py", versions: () => python("aiohttp") },
  { name: "websockets", file: "python-websockets.py", versions: () => python("websockets") },
  installed("faye", "faye-websocket", "0.11.4"),
  installed("theturtle32", "websocket", "1.0.35"),
  installed("bun", "bun", "1.4.5", "bun"),
  installed("deno", "deno", "2.9.6", "deno", "run", "--allow-net"),
];

const PYTHON = "/usr/bin/python3";

function manifest(folder: string): { version: string } {
  return JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
}

function npm(...names: readonly string[]): string {
  return names.map((name) => `${name} ${manifest(join("node_modules", name)).version}`).join(", ");
}

function python(...names: readonly string[]): string {
  const program =
    "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))";
  return execFileSync(PYTHON, ["-c", program, ...names], { encoding: "utf8" }).trim();
}

/** The results of one peer. */
interface Findings {
  readonly peer: Peer;
  readonly versions: string;
  readonly results: readonly Result[];
}

/** Cases that have crashed servers. Each of these cases runs against a separate server, so other cases are not affected. */
const DEEP = /^socketio\.malformed\.deep/;

async function examine(peer: Peer): Promise<Findings> {
  const folder = mkdtempSync(join(tmpdir(), "barewire-peer-"));
  try {
    if (peer.installs !== undefined) {
      const args = ["install", "--no-audit", "--no-fund", "--prefix", folder, peer.installs];
      execFileSync("npm", args, { stdio: "ignore" });
    }
    return await examineIn(folder, peer);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function examineIn(folder: string, peer: Peer): Promise<Findings> {
  const results = await withServer(folder, peer, async (target) => {
    const findings = await probe(target, LAYERS, LIMIT);
    const spoken = CASES.filter((each) => findings.get(layerOf(each))?.kind === "spoken");
    const together = spoken.filter(({ id }) => !DEEP.test(id));
    const done = await runCases(together, target, OPTIONS);
    // On a busy machine a case may time out, so it runs once more.
    const late = new Set(done.filter(isLate).map(({ id }) => id));
    const again = await runCases(
      together.filter(({ id }) => late.has(id)),
      target,
      OPTIONS,
    );
    const second = new Map(again.map((result) => [result.id, result]));
    return {
      deep: spoken.filter(({ id }) => DEEP.test(id)),
      done: done.map((result) => second.get(result.id) ?? result),
    };
  });
  const alone: Result[] = [];
  for (const each of results.deep) {
    alone.push(...(await withServer(folder, peer, (target) => runCases([each], target, OPTIONS))));
  }
  return { peer, versions: peer.versions(), results: [...results.done, ...alone] };
}

function isLate({ outcome, got = "" }: Result): boolean {
  return outcome === "failed" && got.startsWith("nothing more within");
}

/** Returns the program and the arguments that start the server of a peer. */
function commandOf(folder: string, { file, runsBy }: Peer): readonly [string, string[]] {
  const path = join(SERVERS, file);
  const [program, ...before] = runsBy ?? [];
  if (program !== undefined) {
    return [join(folder, "node_modules/.bin", program), [...before, path, "0"]];
  }
  return file.endsWith(".py")
    ? [PYTHON, [path, "0"]]
    : [process.execPath, ["--import", "tsx", path, "0", folder]];
}

async function withServer<T>(
  folder: string,
  peer: Peer,
  use: (target: Target) => Promise<T>,
): Promise<T> {
  const [command, args] = commandOf(folder, peer);
  // The errors that a peer logs about invalid input are not part of the results.
  const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] });
  try {
    return await use(parseTarget(await urlOf(child, peer.name)));
  } finally {
    child.kill("SIGKILL");
  }
}

/** Resolves to the first line that the server of a peer prints, which is the server's URL. */
async function urlOf({ stdout }: ChildProcess, name: string): Promise<string> {
  if (stdout === null) throw new Error("no output is read");
  const lines = createInterface(stdout);
  const [line] = await Promise.race([
    once(lines, "line", { signal: AbortSignal.timeout(START) }),
    once(lines, "close").then(() => Promise.reject(new Error(`${name} has ended`))),
  ]);
  // Keep reading. Otherwise later output of the server would fill the pipe, and the server would wait forever.
  lines.on("line", () => {});
  return `${line}`.trim();
}

function explanationOf(peer: string, id: string): string | undefined {
  const known = Object.entries(EXPLANATIONS[peer] ?? {});
  return known.find(([pattern]) => matches(id, pattern))?.[1];
}

/** Lists failed cases without an explanation, and explanations of cases that do not fail. */
function complaints({ peer, results }: Findings): string[] {
  const failures = results.filter(({ outcome }) => outcome === "failed");
  const missing = failures
    .filter(({ id }) => explanationOf(peer.name, id) === undefined)
    .map(
      ({ id, expected, got }) =>
        `${peer.name} fails ${id} without an explanation: expected ${expected}, got ${got}`,
    );
  const stale = Object.keys(EXPLANATIONS[peer.name] ?? {})
    .filter((pattern) => !failures.some(({ id }) => matches(id, pattern)))
    .map((pattern) => `${peer.name} does not fail ${pattern}, which is explained`);
  return [...missing, ...stale];
}

function render(all: readonly Findings[]): string {
  return `${[
    "# Results of the conformance kit",
    "",
    "These are the results of [the kit](conformance.md) for well-known servers.",
    "`npx tsx tests/conformance/write-results.ts` writes this page. Its explanations are in",
    "`tests/conformance/explanations.ts`.",
    `The run had ${plural(CASES.length, "case")}, on Node ${process.versions.node}.`,
    "",
    "The first table has the numbers of passed / failed / skipped cases, and in brackets the number of failed MUSTs.",
    "A dash means that the server does not have the layer.",
    "",
    'In the other tables, the column "why" explains each failure. "Bug" means that we consider the behaviour wrong.',
    '"Choice" means that the server behaves so on purpose. "Our reading" means that the specification is not explicit,',
    "and that the kit expects more than its text.",
    "",
    ...table(
      ["server", "versions", ...LAYERS.map((layer) => LAYER_NAMES[layer])],
      all.map(({ peer, versions, results }) => [
        peer.name,
        versions,
        ...LAYERS.map((layer) => {
          const own = results.filter((result) => result.layer === layer);
          const { passed, failed, skipped } = count(own);
          const musts = own.filter((result) => isBreach(result, false)).length;
          const failures = musts === 0 ? `${failed}` : `${failed} (${musts})`;
          return own.length === 0 ? "–" : `${passed} / ${failures} / ${skipped}`;
        }),
      ]),
    ),
    ...all.flatMap(renderFailures),
  ].join("\n")}\n`;
}

function renderFailures({ peer, results }: Findings): string[] {
  const failures = failuresOf(results);
  if (failures.length === 0) return ["", `## ${peer.name}`, "", "Nothing fails."];
  const rows = failures.map(({ id, severity, clause, expected = "", got = "" }) => [
    `\`${id}\``,
    severity,
    clause,
    expected,
    got,
    explanationOf(peer.name, id) ?? "",
  ]);
  const head = ["case", "severity", "clause", "expected", "got", "why"];
  return ["", `## ${peer.name}`, "", ...table(head, rows)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const escaped = (cell: string): string => printable(cell).replace(/[|<\\*_]/g, "\\$&");
  return [
    line(head),
    line(head.map(() => "---")),
    ...rows.map((cells) =>
      line(cells.map((cell) => (cell.startsWith("`") ? cell : escaped(cell)))),
    ),
  ];
}

const asked = process.argv.slice(2);
const peers = PEERS.filter(
  ({ name, file }) =>
    existsSync(join(SERVERS, file)) && (asked.length === 0 || asked.includes(name)),
);
const all: Findings[] = [];
// Run the peers one after another, so that they do not slow each other down.
for (const peer of peers) {
  const findings = await examine(peer);
  const { passed, failed, skipped } = count(findings.results);
  console.log(`${peer.name}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  all.push(findings);
}
if (asked.length === 0) writeFileSync(PAGE, render(all));
for (const complaint of all.flatMap(complaints)) {
  console.error(printable(complaint));
  process.exitCode = 1;
}
