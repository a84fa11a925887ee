// The kit against all targets, written down in docs/conformance-results.md.
//
//   tsx tests/conformance/write-results.ts [peer …]
//
// With names of peers only these are run, and nothing is written. Packages of npm that the project does not
// depend on, some of them large, are installed into a temporary folder for the run.

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
/** The servers under test, a program each. */
const SERVERS = join(ROOT, "conformance/testees/servers");
const PAGE = join(ROOT, "docs/conformance-results.md");
const LIMIT = 10_000;
const OPTIONS = { timeout: LIMIT, concurrency: 4 };
/** Milliseconds in which a target must be there. */
const START = 60_000;

interface Peer {
  readonly name: string;
  /** In conformance/testees/servers/. */
  readonly file: string;
  /** The package of npm that is installed for it, with its version. */
  readonly installs?: string;
  /** The program of that package which runs the file, and its arguments before it. Default: Node or Python. */
  readonly runsBy?: readonly string[];
  readonly versions: () => string;
}

/** A peer that is a package of npm which the project does not depend on. */
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

/** The outcome of one peer. */
interface Findings {
  readonly peer: Peer;
  readonly versions: string;
  readonly results: readonly Result[];
}

/** Payloads that have ended servers: each has a server of its own, so that others have one. */
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
    // On a busy machine a case may take too long: it gets another chance.
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

/** The command line of a target. */
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
  // What it says of the cases' mistakes is not ours to tell.
  const child = spawn(command, args, { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] });
  try {
    return await use(parseTarget(await urlOf(child, peer.name)));
  } finally {
    child.kill("SIGKILL");
  }
}

/** The first line that a target prints. */
async function urlOf({ stdout }: ChildProcess, name: string): Promise<string> {
  if (stdout === null) throw new Error("no output is read");
  const lines = createInterface(stdout);
  const [line] = await Promise.race([
    once(lines, "line", { signal: AbortSignal.timeout(START) }),
    once(lines, "close").then(() => Promise.reject(new Error(`${name} has ended`))),
  ]);
  // What it prints later must not fill the pipe.
  lines.on("line", () => {});
  return `${line}`.trim();
}

function explanationOf(peer: string, id: string): string | undefined {
  const known = Object.entries(EXPLANATIONS[peer] ?? {});
  return known.find(([pattern]) => matches(id, pattern))?.[1];
}

/** Explanations of what does not fail, and failures without one. */
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
    "What [the kit](conformance.md) finds in well-known servers. Written by",
    "`npx tsx tests/conformance/write-results.ts`, not by hand; the reasons are in `tests/conformance/explanations.ts`.",
    `${plural(CASES.length, "case")}, Node ${process.versions.node}.`,
    "",
    "Passed / failed / skipped, with the MUSTs among the failures in brackets; a dash where the server does not",
    "have the layer.",
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
// One after another, so that none disturbs the time that another needs.
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
