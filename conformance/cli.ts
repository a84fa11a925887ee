// The command `barewire conform` tests a server or a client against the specifications, and writes reports:
//
//   tsx conformance/cli.ts conform http://127.0.0.1:3000 --html report.html

import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";

import { CASES } from "./cases.ts";
import { CLIENT_CASES, serveClientCases } from "./client.ts";
import { ALL_BEHAVIOURS } from "./harness/behaviour.ts";
import { type Case, type Layer, layerOf } from "./harness/case.ts";
import { type Result, runCases } from "./harness/runner.ts";
import { parseTarget, type Target } from "./harness/target.ts";
import { type ConformOptions, type Format, HELP, parseOptions, UsageError } from "./options.ts";
import { describeLacking, findLacking, ofLayers } from "./preflight.ts";
import { GRACE, NoServer, Patience, probe, probeLayer } from "./probe.ts";
import { type Output, Progress } from "./progress.ts";
import { renderHtml } from "./reports/html.ts";
import { renderJson } from "./reports/json.ts";
import { renderJunit } from "./reports/junit.ts";
import { isFailed, plural, printable, type Report } from "./reports/report.ts";
import { renderTap } from "./reports/tap.ts";
import { renderText } from "./reports/text.ts";
import { select } from "./selection.ts";

export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const FAILED = 1;
const UNUSABLE = 2;

const RENDERERS: Readonly<Record<Format, (report: Report) => string>> = {
  json: renderJson,
  junit: renderJunit,
  tap: renderTap,
  html: renderHtml,
};

/**
 * Runs the command and resolves to the exit status.
 *
 * @param version the version of the package
 */
export async function main(
  args: readonly string[],
  terminal: Terminal,
  version: string,
): Promise<number> {
  const [command, ...rest] = args;
  try {
    if (command === undefined || command === "--help" || command === "-h" || command === "help") {
      terminal.stdout.write(HELP);
      return 0;
    }
    const options = command === "--version" ? "version" : parseCommand(command, rest);
    if (options === "help") terminal.stdout.write(HELP);
    else if (options === "version") terminal.stdout.write(`${version}\n`);
    else return await conform(options, terminal, version);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.stderr.write(`${printable(error.message)} See barewire conform --help.\n`);
    } else if (error instanceof NoServer) {
      terminal.stderr.write(`${printable(error.message)}\n`);
    } else {
      throw error;
    }
    return UNUSABLE;
  }
}

function parseCommand(command: string, rest: readonly string[]): ReturnType<typeof parseOptions> {
  if (command === "conform") return parseOptions(rest);
  throw new UsageError(`There is no command "${command}". The only command is "conform".`);
}

async function conform(
  options: ConformOptions,
  terminal: Terminal,
  version: string,
): Promise<number> {
  const { command, client, reports } = options;
  if (command === "list") {
    const cases: readonly Listed[] = client ? CLIENT_CASES : CASES;
    terminal.stdout.write(tabulate(selected(cases, options)));
    return 0;
  }
  for (const file of reports.values()) if (file !== "-") checkFolder(file);
  const begin = performance.now();
  const date = new Date().toISOString();
  const found = await (client ? testClient : testServer)(options, terminal);
  const report: Report = {
    ...found,
    date,
    versions: `barewire ${version}, Node ${process.versions.node}, ${process.platform}`,
    milliseconds: Math.round(performance.now() - begin),
    strict: options.strict,
  };
  const written = write(report, options, terminal);
  return written ? (isFailed(report) ? FAILED : 0) : UNUSABLE;
}

/** The result of a run. */
type Run = Pick<Report, "target" | "notes" | "results" | "gone">;

/**
 * Time limit of a run with --protocol-only, in milliseconds. Together with the requests of probe.ts and the cases that
 * are still running, the command takes less than 20 s.
 */
const BUDGET = 11_000;

async function testServer(options: ConformOptions, terminal: Terminal): Promise<Run> {
  const { url, timeout, concurrency, protocolOnly, quiet } = options;
  const say = (line: string): void => {
    if (!quiet) terminal.stderr.write(`${printable(line)}\n`);
  };
  const asked = targetOf(options);
  const meant = selected(CASES, options);
  const [{ spoken, notes }, lacking] = await Promise.all([
    findLayers(asked, meant, options),
    protocolOnly ? ALL_BEHAVIOURS : findLacking(asked, new Set(meant.map(layerOf))),
  ]);
  const lacks = protocolOnly ? lacking : ofLayers(lacking, spoken);
  const target = { ...asked, lacks };
  if (protocolOnly) notes.push("Cases that need a behaviour of the server are skipped.");
  else if (lacks.size > 0) notes.push(...describeLacking(asked, lacks), CONTRACT);
  for (const note of notes) say(note);

  const cases = meant.filter((each) => spoken.has(layerOf(each)));
  const progress = new Progress(terminal.stderr, cases.length, !quiet);
  const watch = new Watch(target, timeout);
  const results = await runCases(cases, target, {
    timeout,
    concurrency,
    signal: watch.signal,
    ...(protocolOnly && { budget: BUDGET }),
    onResult: (result) => {
      progress.update(result);
      watch.see(result);
    },
  });
  await watch.end();
  progress.clear();
  const left = plural(cases.length - results.length, "case");
  const gone = watch.signal.aborted
    ? `The server has not answered since about the case ${watch.since}: ${left} not run.`
    : undefined;
  if (gone !== undefined) terminal.stderr.write(`${printable(gone)}\n`);
  return { target: url, notes, results, gone };
}

const CONTRACT =
  'Cases that need this behaviour are skipped. docs/conformance.md, "The server under test", and barewire conform --help describe the behaviour. With --protocol-only, the server needs none of it.';

interface Layers {
  readonly spoken: ReadonlySet<Layer>;
  /** Sentences about the layers that are not tested, with the reasons. */
  readonly notes: string[];
}

/** @throws NoServer if the server speaks no layer, or lacks a layer that the command line names */
async function findLayers(
  target: Target,
  meant: readonly Case[],
  { timeout, selection }: ConformOptions,
): Promise<Layers> {
  const layers = [...new Set(meant.map(layerOf))];
  // A layer that the command line names must exist, so the probe waits longer for it.
  const grace = selection.layers.length > 0 ? timeout : Math.min(timeout, GRACE);
  const findings = await probe(target, layers, timeout, grace);
  const notes: string[] = [];
  const spoken = new Set<Layer>();
  for (const [layer, finding] of findings) {
    if (finding.kind === "spoken") spoken.add(layer);
    else notes.push(`${layer} is not tested: ${finding.said}.`);
  }
  if (spoken.size === 0) {
    throw new NoServer(`No layer can be tested. ${notes.join(" ")}`);
  }
  const missing = selection.layers.find((layer) => !spoken.has(layer));
  if (missing !== undefined && layers.includes(missing)) {
    throw new NoServer(`--layer ${missing} cannot be tested. ${notes.join(" ")}`);
  }
  return { spoken, notes };
}

async function testClient(options: ConformOptions, terminal: Terminal): Promise<Run> {
  const { host, timeout, idleTimeout, quiet } = options;
  const port = await freePort(host, options.port);
  const cases = selected(CLIENT_CASES, options);
  const where = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (!quiet)
    terminal.stderr.write(
      `The kit waits for a client on ${where}. The client must connect at least once for each case.\n`,
    );
  const progress = new Progress(terminal.stderr, cases.length, !quiet);
  const had = new Set<string>();
  const results = await serveClientCases({
    host,
    port,
    cases,
    timeout,
    idleTimeout,
    onResult: (result) => {
      had.add(result.id);
      progress.update(result);
    },
  });
  progress.clear();
  if (had.size === 0) {
    throw new NoServer(`No client has connected to ${where} within ${idleTimeout} ms.`);
  }
  // A client that never connects for a layer does not speak this layer.
  const spoken = new Set(results.filter(({ id }) => had.has(id)).map(({ layer }) => layer));
  const left = results.filter(({ id, layer }) => spoken.has(layer) && !had.has(id)).length;
  const note = `The client stopped connecting: ${plural(left, "case")} not run.`;
  return {
    target: `the client that connects to ${where}`,
    notes: [],
    results,
    gone: left === 0 ? undefined : note,
  };
}

/** Checks whether the server still answers: after each failed case, and at the end of the run. */
class Watch {
  readonly #target: Target;
  readonly #timeout: number;
  readonly #controller = new AbortController();
  #looking: Promise<void> | undefined;
  #latest: Result | undefined;
  since = "";

  constructor(target: Target, timeout: number) {
    this.#target = target;
    this.#timeout = timeout;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  see(result: Result): void {
    this.#latest = result;
    if (result.outcome !== "failed" || this.#looking !== undefined || this.signal.aborted) return;
    this.#looking = this.#look(result).finally(() => {
      this.#looking = undefined;
    });
  }

  /** Checks once more, because the last case may pass and still crash the server. */
  async end(): Promise<void> {
    await this.#looking;
    if (this.#latest !== undefined && !this.signal.aborted) await this.#look(this.#latest);
  }

  async #look({ layer, id }: Result): Promise<void> {
    // Checks twice, because a server that is busy with a case may answer late.
    for (let round = 0; round < 2; round++) {
      const patience = new Patience(this.#timeout);
      const { kind } = await probeLayer(this.#target, layer, patience);
      patience.end();
      if (kind === "spoken" || kind === "refused") return;
    }
    this.since = id;
    this.#controller.abort();
  }
}

function targetOf({ url, paths }: ConformOptions): Target {
  try {
    const target = parseTarget(url, paths);
    const { pathname, search } = new URL(url);
    if (pathname !== "/" || search !== "") {
      throw new UsageError(
        `The URL must not have a path. Pass "${pathname}${search}" with --websocket-path, --engineio-path or --socketio-path.`,
      );
    }
    return target;
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(`${error.message}.`);
    throw error;
  }
}

/** @throws UsageError if no case is selected */
function selected<T extends Pick<Case, "id" | "severity">>(
  cases: readonly T[],
  { selection, client }: ConformOptions,
): T[] {
  if (client && cases.length === 0) throw new UsageError("There are no cases for clients yet.");
  try {
    const meant = select(cases, selection);
    if (meant.length > 0) return meant;
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(`Nothing to test: ${error.message}.`);
    throw error;
  }
  throw new UsageError("Nothing to test: no case matches all options.");
}

type Listed = Pick<Case, "id" | "severity" | "clause" | "title">;

/** Formats the cases for --list. */
function tabulate(cases: readonly Listed[]): string {
  const rows = cases.map(({ id, severity, clause, title }) => [id, severity, clause, title]);
  const widths = [0, 1, 2].map((column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "),
  );
  return `${lines.join("\n")}\n${plural(cases.length, "case")}\n`;
}

/** Checks before the run that a report can be written to this file. @throws UsageError if no report can be written to it */
function checkFolder(file: string): void {
  const folder = dirname(resolve(file));
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    throw new UsageError(
      `"${file}" cannot be written: the folder ${folder} does not exist or is not writable.`,
    );
  }
}

/** Returns the port, or a free port for 0. @throws NoServer if the port cannot be used */
async function freePort(host: string, port: number): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((listening, reject) => {
      server.once("error", reject).listen(port, host, listening);
    });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : error;
    throw new NoServer(
      code === "EADDRINUSE"
        ? `Port ${port} of ${host} is in use. Choose another port with --port.`
        : `The kit cannot listen on ${host}:${port}: ${code}.`,
    );
  }
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  return typeof address === "object" && address !== null ? address.port : port;
}

/** Writes the reports. Returns false, and prints the reason, if a report could not be written. */
function write(
  report: Report,
  options: ConformOptions,
  { stdout, stderr, environment }: Terminal,
): boolean {
  const printed = [...options.reports].find(([, file]) => file === "-");
  let written = true;
  for (const [format, file] of options.reports) {
    try {
      const text = RENDERERS[format](report);
      if (file === "-") stdout.write(text);
      else writeFileSync(file, text);
    } catch (error) {
      written = false;
      stderr.write(
        `The report --${format} ${printable(`${file} cannot be written: ${reason(error)}`)}.\n`,
      );
    }
  }
  if (options.quiet) return written;
  const output = printed === undefined ? stdout : stderr;
  const { NO_COLOR: noColour = "" } = environment;
  output.write(renderText(report, output.isTTY === true && noColour === ""));
  return written;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs the command as a process, and exits even if cases have left connections open. */
export async function run(version: string): Promise<void> {
  const { stdout, stderr } = process;
  let lost = false;
  for (const [stream, name] of [
    [stdout, "Standard output"],
    [stderr, "Standard error"],
  ] as const) {
    stream.on("error", (error) => {
      // The process that reads the output, such as `head`, has closed the pipe. The run continues, so that the exit
      // status is correct.
      if ("code" in error && error.code === "EPIPE") return;
      if (!lost) stderr.write(`${name} cannot be written: ${reason(error)}.\n`);
      lost = true;
    });
  }
  const status = await main(
    process.argv.slice(2),
    { stdout, stderr, environment: process.env },
    version,
  );
  const exit = (): never => process.exit(lost ? UNUSABLE : status);
  // A stream first calls the callback of write(), and emits "error" later in the same turn of the event loop. Therefore
  // the process exits in the next turn, when an "error" has been handled.
  stdout.write("", () => stderr.write("", () => setImmediate(exit)));
}

if (process.argv[1] === import.meta.filename) {
  const manifest = readFileSync(join(import.meta.dirname, "../package.json"), "utf8");
  void run(JSON.parse(manifest).version);
}
