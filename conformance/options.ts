// The command line of `barewire conform`: its options, their help, and the parsed values.

import { parseArgs } from "node:util";

import { LAYERS, type Layer, SEVERITIES } from "./harness/case.ts";
import type { Selection } from "./selection.ts";

interface Option {
  readonly type: "string" | "boolean";
  readonly multiple?: boolean;
  readonly short?: string;
  /** The name of the option's value in the help. */
  readonly value?: string;
  readonly help: string;
}

export const OPTIONS = {
  layer: {
    type: "string",
    multiple: true,
    value: "names",
    help: "run only these layers: websocket, engineio4, engineio3, socketio; fail if one is missing",
  },
  only: {
    type: "string",
    multiple: true,
    value: "cases",
    help: 'run only these: ids, groups ("websocket.framing"), or patterns with *',
  },
  skip: { type: "string", multiple: true, value: "cases", help: "skip these, named as for --only" },
  severity: {
    type: "string",
    value: "least",
    help: "run only cases of at least this severity: MUST, SHOULD or INFO (default)",
  },
  strict: { type: "boolean", help: "a failed SHOULD fails the run, like a MUST" },
  "protocol-only": {
    type: "boolean",
    help: "run only cases that need no special behaviour of the server; takes less than 20 s",
  },
  timeout: {
    type: "string",
    value: "ms",
    help: "time limit of one case (default 10000; with --protocol-only 2000)",
  },
  concurrency: {
    type: "string",
    value: "n",
    help: "how many cases run in parallel (default 8)",
  },
  "websocket-path": {
    type: "string",
    value: "path",
    help: "path of the WebSocket echo server (default /websocket)",
  },
  "engineio-path": {
    type: "string",
    value: "path",
    help: "path of the Engine.IO echo server (default /engine.io/)",
  },
  "socketio-path": {
    type: "string",
    value: "path",
    help: "path of the Socket.IO server (default /socket.io/)",
  },
  json: {
    type: "string",
    value: "[file]",
    help: "write a report for programs, with the recorded conversations",
  },
  junit: { type: "string", value: "[file]", help: "write a report in JUnit XML, for CI servers" },
  tap: { type: "string", value: "[file]", help: "write a report in the Test Anything Protocol" },
  html: {
    type: "string",
    value: "file",
    help: "write a report as one HTML page, with the conversations",
  },
  list: { type: "boolean", help: "print the selected cases, and run none" },
  quiet: { type: "boolean", short: "q", help: "print only errors" },
  client: {
    type: "boolean",
    help: "test a client, which connects to the kit at least once for each case",
  },
  host: {
    type: "string",
    value: "address",
    help: "with --client: address to listen on (default 127.0.0.1)",
  },
  port: {
    type: "string",
    value: "n",
    help: "with --client: port to listen on (default 9001; 0: a free port)",
  },
  "idle-timeout": {
    type: "string",
    value: "ms",
    help: "with --client: end after this time without a connection (default 10000)",
  },
  help: { type: "boolean", short: "h", help: "print this help" },
  version: { type: "boolean", help: "print the version" },
} as const satisfies Record<string, Option>;

export const HELP = `Usage: barewire conform <url> [options]
       barewire conform --client [options]

Tests a WebSocket, Engine.IO or Socket.IO server, or a client, against the specifications.
The URL has the scheme http, https, ws or wss, and no path. The kit does not check certificates.

Options:
${Object.entries<Option>(OPTIONS)
  .map(([name, { short, value, help }]) => {
    const left = `--${name}${value === undefined ? "" : ` ${value}`}`;
    return `  ${short === undefined ? "    " : `-${short}, `}${left.padEnd(24)}${help}`;
  })
  .join("\n")}

Separate the values of a list by commas, or repeat the option. If the file of a report is "-" or
missing, the report is written to standard output, and the summary to standard error.

The server under test implements some of these layers. The kit does not test a missing layer, and skips
the cases that need a missing behaviour. With --protocol-only, the server needs only the paths:
  /websocket      a WebSocket server that echoes each message, with the subprotocol "echo"
  /engine.io/     an Engine.IO server, of revision 4 or 3 or both, that echoes each message
  /socket.io/     a Socket.IO server. In the namespaces "/" and "/custom" it emits "auth" with the
                  payload of the client's CONNECT, and handles these events:
    message           emits "message-back" with the same arguments
    message-with-ack  acknowledges with the same arguments
    ask-me            emits "question" with the same arguments, waits for the acknowledgement, and
                      emits "answered" with its arguments
    join              adds the socket to the room that the argument names
    to-room           emits "news" with the other arguments to the room in the first argument
    disconnect-me     disconnects the socket from the namespace
    close-me          closes the whole connection
                  The namespace "/refusing" refuses every client with the message "not here"
                  and the data { code: 7 }
The server has short timeouts, in milliseconds: pingInterval 300, pingTimeout 200, upgradeTimeout and
connectTimeout 1000. It has small limits, in bytes: maxHttpBufferSize 100000, and 16 MiB for a message
at /websocket.

Examples:
  barewire conform http://127.0.0.1:3000 --html report.html
  barewire conform http://127.0.0.1:3000 --protocol-only
  barewire conform wss://127.0.0.1:9443 --layer websocket --websocket-path /
  barewire conform http://127.0.0.1:3000 --only "engineio4.*" --severity MUST --junit report.xml

Exit status: 0 if no MUST has failed; 1 if a MUST has failed, or the server disappeared during the run;
2 if the command line is invalid, there is nothing to test, or a report could not be written.
`;

export type Format = "json" | "junit" | "tap" | "html";

export interface ConformOptions {
  readonly command: "conform" | "client" | "list";
  /** The URL of the server under test. "" with --client, and with --list if no URL is given. */
  readonly url: string;
  readonly paths: {
    readonly websocket: string | undefined;
    readonly engineio: string | undefined;
    readonly socketio: string | undefined;
  };
  readonly selection: Selection;
  readonly timeout: number;
  readonly concurrency: number;
  readonly strict: boolean;
  /** Whether only cases that need no behaviour of the contract (docs/conformance.md) run. */
  readonly protocolOnly: boolean;
  readonly quiet: boolean;
  /** The formats of the reports and their files. "-" is the standard output. */
  readonly reports: ReadonlyMap<Format, string>;
  /** Whether --client is given. With --list, the command then lists the cases for clients. */
  readonly client: boolean;
  readonly host: string;
  readonly port: number;
  readonly idleTimeout: number;
}

/** Thrown for an invalid command line. The message is a sentence for people. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws UsageError */
export function parseOptions(args: readonly string[]): ConformOptions | "help" | "version" {
  const { values, positionals } = parse(args);
  if (values.help === true) return "help";
  if (values.version === true) return "version";
  const { client = false, list = false, severity = "INFO" } = values;
  const protocolOnly = values["protocol-only"] ?? false;
  const least = SEVERITIES.find((each) => each === severity.toUpperCase());
  if (least === undefined) {
    throw new UsageError(`--severity must be one of ${SEVERITIES.join(", ")}, got "${severity}".`);
  }
  const [url, ...others] = positionals;
  if (others.length > 0) {
    throw new UsageError(`Only one URL can be tested, and "${others[0]}" is a second one.`);
  }
  if (client && url !== undefined) {
    throw new UsageError(
      `With --client, the client connects to this program, so the URL "${url}" is not allowed.`,
    );
  }
  if (client && protocolOnly) {
    throw new UsageError("--protocol-only is only for servers, and cannot be used with --client.");
  }
  if (url === undefined && !client && !list) throw new UsageError("No URL is given.");
  return {
    command: list ? "list" : client ? "client" : "conform",
    url: url ?? "",
    paths: {
      websocket: pathOf(values, "websocket-path"),
      engineio: pathOf(values, "engineio-path"),
      socketio: pathOf(values, "socketio-path"),
    },
    selection: {
      layers: split(values.layer).map(layerNamed),
      only: split(values.only),
      skip: split(values.skip),
      severity: least,
    },
    timeout: numberOf(values, "timeout", protocolOnly ? 2000 : 10_000, 1, 3_600_000),
    concurrency: numberOf(values, "concurrency", 8, 1, 256),
    strict: values.strict ?? false,
    protocolOnly,
    quiet: values.quiet ?? false,
    reports: reportsOf(values),
    client,
    host: values.host ?? "127.0.0.1",
    port: numberOf(values, "port", 9001, 0, 65_535),
    idleTimeout: numberOf(values, "idle-timeout", 10_000, 1, 3_600_000),
  };
}

type Values = ReturnType<typeof parse>["values"];

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: withFiles(args), options: OPTIONS, allowPositionals: true });
  } catch (error) {
    // The second sentence of Node's message explains how to pass an argument that begins with a dash.
    const [first = ""] = error instanceof Error ? error.message.split(/\.\s|\n/) : [];
    throw new UsageError(`${first.replace(/\.$/, "")}.`);
  }
}

const REPORTS = ["json", "junit", "tap", "html"] as const satisfies readonly Format[];

/**
 * Adds the value "-" to report options without a file, because parseArgs() does not support options whose value may be
 * missing.
 */
function withFiles(args: readonly string[]): string[] {
  return args.map((argument, index) => {
    const next = args[index + 1];
    const missing = next === undefined || /^(?:-.|(?:http|ws)s?:)/i.test(next);
    return missing && REPORTS.some((format) => argument === `--${format}`)
      ? `${argument}=-`
      : argument;
  });
}

function reportsOf(values: Values): ReadonlyMap<Format, string> {
  const reports = new Map<Format, string>();
  for (const format of REPORTS) {
    const file = values[format];
    if (file !== undefined) reports.set(format, file);
  }
  if (reports.get("html") === "-") throw new UsageError("--html needs the name of a file.");
  const printed = [...reports].flatMap(([format, file]) => (file === "-" ? [`--${format}`] : []));
  if (printed.length > 1) {
    throw new UsageError(`Only one report can go to standard output: ${printed.join(" and ")}.`);
  }
  return reports;
}

function split(values: readonly string[] = []): string[] {
  return values.flatMap((value) => value.split(",")).flatMap((name) => name.trim() || []);
}

function layerNamed(name: string): Layer {
  const layer = LAYERS.find((each) => each === name);
  if (layer !== undefined) return layer;
  throw new UsageError(`There is no layer "${name}". The layers are ${LAYERS.join(", ")}.`);
}

function numberOf(
  values: Values,
  name: "timeout" | "concurrency" | "port" | "idle-timeout",
  byDefault: number,
  least: number,
  most: number,
): number {
  const value = values[name];
  if (value === undefined) return byDefault;
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new UsageError(`--${name} must be a number from ${least} to ${most}, got "${value}".`);
}

function pathOf(
  values: Values,
  name: "websocket-path" | "engineio-path" | "socketio-path",
): string | undefined {
  const path = values[name];
  if (path === undefined || /^\/[!-~]*$/.test(path)) return path;
  throw new UsageError(`--${name} must begin with "/" and contain no spaces, got "${path}".`);
}
