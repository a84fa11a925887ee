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
    help: "only these layers: websocket, engineio4, engineio3, socketio; each must be there",
  },
  only: {
    type: "string",
    multiple: true,
    value: "cases",
    help: 'only these: ids, groups ("websocket.framing"), or with * for anything',
  },
  skip: { type: "string", multiple: true, value: "cases", help: "not these, named as for --only" },
  severity: {
    type: "string",
    value: "least",
    help: "MUST, SHOULD or INFO (default): at least that",
  },
  strict: { type: "boolean", help: "SHOULD counts like MUST" },
  "protocol-only": {
    type: "boolean",
    help: "asks no behaviour of the server: does it speak the protocols? Takes less than 20 s",
  },
  timeout: {
    type: "string",
    value: "ms",
    help: "the limit for one case (default 10000; with --protocol-only 2000)",
  },
  concurrency: {
    type: "string",
    value: "n",
    help: "cases at a time (default 8)",
  },
  "websocket-path": {
    type: "string",
    value: "path",
    help: "where WebSockets are echoed (default /websocket)",
  },
  "engineio-path": {
    type: "string",
    value: "path",
    help: "where Engine.IO messages are echoed (default /engine.io/)",
  },
  "socketio-path": {
    type: "string",
    value: "path",
    help: "where Socket.IO is (default /socket.io/)",
  },
  json: {
    type: "string",
    value: "[file]",
    help: "the results with all that is kept of the conversations, for programs",
  },
  junit: { type: "string", value: "[file]", help: "the results as JUnit's XML, for CI servers" },
  tap: { type: "string", value: "[file]", help: "the results in the Test Anything Protocol" },
  html: { type: "string", value: "file", help: "the results as one page with the conversations" },
  list: { type: "boolean", help: "shows the cases and runs none" },
  quiet: { type: "boolean", short: "q", help: "says nothing but errors" },
  client: { type: "boolean", help: "tests a client: it must connect here again and again" },
  host: {
    type: "string",
    value: "address",
    help: "with --client: where to listen (default 127.0.0.1)",
  },
  port: {
    type: "string",
    value: "n",
    help: "with --client: the port (default 9001; 0: a free one)",
  },
  "idle-timeout": {
    type: "string",
    value: "ms",
    help: "with --client: ends when no client has come for so long (default 10000)",
  },
  help: { type: "boolean", short: "h", help: "shows this" },
  version: { type: "boolean", help: "shows the version" },
} as const satisfies Record<string, Option>;

export const HELP = `Usage: barewire conform <url> [options]
       barewire conform --client [options]

Tests a WebSocket, Engine.IO or Socket.IO server, or a client, against the specifications.
The URL has the scheme http, https, ws or wss, and no path. Certificates are not checked.

Options:
${Object.entries<Option>(OPTIONS)
  .map(([name, { short, value, help }]) => {
    const left = `--${name}${value === undefined ? "" : ` ${value}`}`;
    return `  ${short === undefined ? "    " : `-${short}, `}${left.padEnd(24)}${help}`;
  })
  .join("\n")}

Lists are separated by commas, or the option is repeated. Where a report is "-" or has no file, it
goes to standard output and the summary to standard error.

The server under test has any of these; a layer that is not there is left out, and cases that need what
the server lacks are skipped. With --protocol-only it needs none of the behaviour, only the paths:
  /websocket      a WebSocket server that echoes each message, with the subprotocol "echo"
  /engine.io/     an Engine.IO server, of revision 4 or 3 or both, that echoes each message
  /socket.io/     a Socket.IO server. In the namespaces "/" and "/custom" it emits "auth" with what
                  the client gave at CONNECT, and for each of these events does this:
    message           emits "message-back" with the same arguments
    message-with-ack  acknowledges with the same arguments
    ask-me            emits "question" with the same arguments and an acknowledgement, and then
                      "answered" with what that gave
    join              joins the room that is named
    to-room           emits "news" with all but the first argument to that room
    disconnect-me     disconnects the namespace
    close-me          closes the whole connection
                  The namespace "/refusing" lets nobody in: { message: "not here", data: { code: 7 } }
Short waits keep a run short: pingInterval 300, pingTimeout 200, upgradeTimeout and connectTimeout
1000; and small limits: maxHttpBufferSize 100000, 16 MiB for a message at /websocket.

Examples:
  barewire conform http://127.0.0.1:3000 --html report.html
  barewire conform http://127.0.0.1:3000 --protocol-only
  barewire conform wss://127.0.0.1:9443 --layer websocket --websocket-path /
  barewire conform http://127.0.0.1:3000 --only "engineio4.*" --severity MUST --junit report.xml

Exit status: 0 no MUST has failed; 1 one has, or the server has gone; 2 wrong usage, nothing there to
test, or a report that could not be written.
`;

export type Format = "json" | "junit" | "tap" | "html";

export interface ConformOptions {
  readonly command: "conform" | "client" | "list";
  /** In `conform`. */
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
  /** Whether only cases that need no behaviour of the contract run. */
  readonly protocolOnly: boolean;
  readonly quiet: boolean;
  /** The formats of the reports and their files. "-" is the standard output. */
  readonly reports: ReadonlyMap<Format, string>;
  /** Whether --client is given, also for --list. */
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
    throw new UsageError(`--severity is one of ${SEVERITIES.join(", ")}, not "${severity}".`);
  }
  const [url, ...others] = positionals;
  if (others.length > 0) {
    throw new UsageError(`One URL is tested at a time, and "${others[0]}" is another.`);
  }
  if (client && url !== undefined) {
    throw new UsageError(`With --client the client comes here: "${url}" has no place.`);
  }
  if (client && protocolOnly) {
    throw new UsageError("--protocol-only is for servers, and --client tests a client.");
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

/** parseArgs() does not support options whose value may be missing. */
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
  throw new UsageError(`There is no layer "${name}": they are ${LAYERS.join(", ")}.`);
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
  throw new UsageError(`--${name} is a number from ${least} to ${most}, not "${value}".`);
}

function pathOf(
  values: Values,
  name: "websocket-path" | "engineio-path" | "socketio-path",
): string | undefined {
  const path = values[name];
  if (path === undefined || /^\/[!-~]*$/.test(path)) return path;
  throw new UsageError(`--${name} begins with "/" and has no spaces, which "${path}" does not.`);
}
