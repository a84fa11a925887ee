// Calls `barewire conform`, and checks its output and its exit status.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer as createHttp, type Server as HttpServer } from "node:http";
import { createServer as createHttps } from "node:https";
import { createServer as createTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, type TestContext, test } from "node:test";

import { WebSocketServer } from "ws";

import { main } from "../../conformance/cli.ts";
import { OPTIONS } from "../../conformance/options.ts";
import type { Output } from "../../conformance/progress.ts";
import { createTarget } from "../../conformance/testees/servers/barewire.ts";
import { CERTIFICATE } from "../support/certificate.ts";
import { listen } from "../support/net.ts";

const folder = mkdtempSync(join(tmpdir(), "barewire-conform-"));
after(() => rmSync(folder, { recursive: true }));

interface Called {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function call(args: readonly string[], isTTY = false, noColour = ""): Promise<Called> {
  const said = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr"): Output => ({
    isTTY,
    columns: 60,
    write: (text) => {
      said[name] += text;
    },
  });
  const terminal = {
    stdout: output("stdout"),
    stderr: output("stderr"),
    environment: { NO_COLOR: noColour },
  };
  const status = await main(args, terminal, "1.2.3");
  return { status, ...said };
}

function conform(...args: string[]): Promise<Called> {
  return call(["conform", ...args]);
}

/** Asserts that the program wrote one sentence to standard error and nothing else, and exited with status 2. */
function assertRefused({ status, stdout, stderr }: Called, sentence: RegExp): void {
  assert.match(stderr, sentence);
  assert.match(stderr, /^[^\n]+\.\n$/);
  assert.deepEqual([status, stdout], [2, ""]);
}

/** Starts a ws server at /websocket, which answers each message with the result of `answer`. */
async function websocketServer(
  context: TestContext,
  http: HttpServer,
  answer: (data: Buffer) => Buffer = (data) => data,
): Promise<number> {
  const server = new WebSocketServer({ server: http, path: "/websocket" });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data, binary) => {
      if (Buffer.isBuffer(data)) socket.send(answer(data), { binary });
    });
  });
  const port = await listen(http);
  context.after(() => {
    for (const socket of server.clients) socket.terminate();
    http.closeAllConnections();
    http.close();
  });
  return port;
}

async function targetUrl(context: TestContext): Promise<string> {
  const http = createTarget();
  context.after(() => {
    http.closeAllConnections();
    http.close();
  });
  return `http://127.0.0.1:${await listen(http)}`;
}

/** The escape sequence that clears the progress line. */
const ERASE = "\r\x1b[K";
const FRAMING = ["--only", "websocket.framing"];
/** The progress lines of a run without a terminal. */
const PROGRESS = /^(?:\d+\/\d+, \d+ failed.*\n)*$/;

describe("barewire conform", () => {
  test("lists all options with --help, and without a command", async () => {
    for (const args of [[], ["--help"], ["help"], ["conform", "--help"], ["conform", "-h"]]) {
      const { status, stdout, stderr } = await call(args);
      for (const name of Object.keys(OPTIONS)) assert.ok(stdout.includes(`--${name} `), name);
      assert.deepEqual([status, stderr], [0, ""]);
    }
  });

  test("has a row for each of its options in docs/conformance.md", () => {
    const page = readFileSync(join(import.meta.dirname, "../../docs/conformance.md"), "utf8");
    for (const name of Object.keys(OPTIONS)) assert.ok(page.includes(`| \`--${name}`), name);
  });

  test("prints the version with --version", async () => {
    for (const args of [["--version"], ["conform", "--version"]]) {
      assert.deepEqual(await call(args), { status: 0, stdout: "1.2.3\n", stderr: "" });
    }
  });

  const MISTAKES: readonly (readonly [args: readonly string[], sentence: RegExp])[] = [
    [["confrom"], /no command "confrom"/],
    [["conform"], /No URL/],
    [["conform", "--frob"], /Unknown option '--frob'/],
    [["conform", "--timeout"], /'--timeout <value>' argument missing/],
    [["conform", "localhost"], /"localhost" is not a URL/],
    [["conform", "ftp://localhost"], /is not a URL with the scheme http, https, ws or wss/],
    [["conform", "http://127.0.0.1/chat"], /Pass "\/chat" with --websocket-path/],
    [["conform", "http://a", "http://b"], /"http:\/\/b" is a second one/],
    [["conform", "http://a", "--layer", "http3"], /no layer "http3"/],
    [["conform", "http://a", "--severity", "MAY"], /one of MUST, SHOULD, INFO, got "MAY"/],
    [["conform", "http://a", "--timeout", "soon"], /--timeout must be a number/],
    [["conform", "http://a", "--timeout", "0"], /--timeout must be a number/],
    [["conform", "http://a", "--concurrency", "1e9"], /--concurrency must be a number/],
    [["conform", "http://a", "--websocket-path", "echo"], /must begin with "\/"/],
    [
      ["conform", "http://a", "--only", "websocket.no-such"],
      /no case is named "websocket.no-such"/,
    ],
    [["conform", "http://a", "--skip", "*"], /no case matches all options/],
    [["conform", "http://a", "--json", "--tap"], /--json and --tap/],
    [["conform", "http://a", "--html"], /--html needs the name/],
    [["conform", "http://a", "--html", "no/such/folder.html"], /cannot be written/],
    [["conform", "--client", "http://a"], /is not allowed/],
    [["conform", "http://a", "--only", "\x1b[2J"], /named "\\u001b\[2J"/],
  ];
  for (const [args, sentence] of MISTAKES) {
    test(`prints a one-sentence error for: ${args.join(" ").replace("\x1b", "ESC")}`, async () => {
      const called = await call(args);
      assertRefused(called, sentence);
      assert.match(called.stderr, /See barewire conform --help\.\n$/);
    });
  }

  test("with --list, prints the cases that --only and --skip select", async () => {
    const { status, stdout } = await conform("--list", "--only", "websocket.framing.rsv-*");
    assert.equal(status, 0);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.at(-1), "7 cases");
    assert.match(lines[0] ?? "", /^websocket\.framing\.rsv-001 +MUST +RFC 6455 §5\.2 +fails the/);
    const without = await conform("--list", ...FRAMING, "--skip", "websocket.framing.rsv-*");
    assert.ok(!without.stdout.includes("rsv-"));
  });
});

describe("barewire conform with an unusable server exits with status 2 and an error", () => {
  test("if nothing listens on the port", async () => {
    const free = createTcp();
    const port = await listen(free);
    await new Promise((closed) => free.close(closed));
    assertRefused(await conform(`http://127.0.0.1:${port}`), /^Nothing listens at 127\.0\.0\.1:/);
  });

  test("if the host name is unknown", async () => {
    assertRefused(await conform("http://no-such-host.invalid"), /^There is no host with the name/);
  });

  test("if the server accepts connections and never answers", async (context) => {
    const server = createTcp((socket) => context.after(() => socket.destroy()));
    const port = await listen(server);
    context.after(() => server.close());
    const url = `127.0.0.1:${port}`;
    const slow = ["--timeout", "2000"];
    assertRefused(await conform(`http://${url}`, ...slow), /has not answered an HTTP request/);
    assertRefused(
      await conform(`https://${url}`, ...slow),
      /does not speak TLS \(no answer within/,
    );
  });

  test("if the server closes each connection, or does not speak HTTP", async (context) => {
    for (const [greeting, sentence] of [
      ["", /closes the connection without an HTTP response/],
      ["SSH-2.0-OpenSSH_9.9\r\n\r\n", /answers, but does not speak HTTP/],
    ] as const) {
      const server = createTcp((socket) => {
        socket.on("error", () => {});
        socket.end(greeting);
      });
      const port = await listen(server);
      context.after(() => server.close());
      assertRefused(await conform(`http://127.0.0.1:${port}`), sentence);
    }
  });

  test("if the URL says TLS and the port does not speak TLS, or vice versa", async (context) => {
    const plain = await websocketServer(context, createHttp());
    assertRefused(await conform(`wss://127.0.0.1:${plain}`), /does not speak TLS .*use http:\/\//);
    const secure = await websocketServer(context, createHttps(CERTIFICATE));
    assertRefused(await conform(`ws://127.0.0.1:${secure}`), /speaks TLS: use https:\/\//);
  });

  test("if the server answers every request with 404", async (context) => {
    const http = createHttp((_request, response) => response.writeHead(404).end());
    const port = await listen(http);
    context.after(() => http.close());
    const called = await conform(`http://127.0.0.1:${port}`);
    assertRefused(called, /No layer .* \/websocket answers a WebSocket handshake with status 404/);
  });

  test("if the server does not speak the layer of --layer", async (context) => {
    const port = await websocketServer(context, createHttp());
    const url = `http://127.0.0.1:${port}`;
    const there = await conform(url, "--layer", "websocket", ...FRAMING);
    assert.equal(there.status, 0, there.stderr);
    const elsewhere = ["--layer", "websocket", "--websocket-path", "/elsewhere"];
    assertRefused(await conform(url, ...elsewhere), /\/elsewhere answers/);
  });
});

describe("a run of barewire conform", () => {
  test("prints the counts and exits with status 0 if no case fails", async (context) => {
    const { status, stdout, stderr } = await conform(await targetUrl(context), ...FRAMING);
    assert.match(stdout, /^ +passed +failed +skipped\nWebSocket +\d+ +0 +0\n\n\d+ cases in /);
    assert.match(stderr, PROGRESS);
    assert.equal(status, 0);
  });

  test("accepts a self-signed certificate", async (context) => {
    const port = await websocketServer(context, createHttps(CERTIFICATE));
    const { status, stdout } = await conform(`wss://localhost:${port}`, ...FRAMING);
    assert.equal(status, 0, stdout);
  });

  test("prints the clause, the expectation and the bytes of a failed case, and exits with status 1", async (context) => {
    const port = await websocketServer(context, createHttp(), (data) =>
      data.length === 126 ? Buffer.from("\x1b[31mwrong") : data,
    );
    const called = await conform(`http://127.0.0.1:${port}`, ...FRAMING);
    assert.equal(called.status, 1);
    assert.match(called.stdout, /^✗ websocket\.framing\.text-of-126 {2}MUST {2}RFC 6455 §5\.2$/m);
    assert.match(called.stdout, /^ {2}expected +78 78 .* \(126 bytes\)$/m);
    assert.match(called.stdout, /^ {2}got +1b 5b 33 31 6d 77/m);
    assert.match(called.stdout, /← text frame, fin: "\\u001b\[31mwrong"\n +81 0a 1b 5b/);
    assert.match(
      called.stdout,
      /: \d+ passed, \d+ failed \(\d+ MUST, \d+ SHOULD\), 0 skipped\.\n$/,
    );
    assert.ok(!called.stdout.includes("\x1b"));
  });

  test("writes reports to files, or one report to standard output", async (context) => {
    const url = await targetUrl(context);
    const [json, junit, tap, html] = ["a.json", "a.xml", "a.tap", "a.html"].map((name) =>
      join(folder, name),
    );
    assert.ok(json !== undefined && junit !== undefined && tap !== undefined && html !== undefined);
    const files = ["--json", json, "--junit", junit, "--tap", tap, "--html", html];
    assert.equal((await conform(url, ...files, ...FRAMING, "-q")).stdout, "");
    const parsed = JSON.parse(readFileSync(json, "utf8"));
    assert.equal(parsed.target, url);
    assert.equal(parsed.versions.startsWith("barewire 1.2.3, Node "), true);
    assert.equal(parsed.counts.passed, parsed.results.length);
    assert.match(parsed.results[0].conversation[0].bytes, /^474554/);
    assert.match(readFileSync(junit, "utf8"), /^<\?xml/);
    assert.match(readFileSync(tap, "utf8"), /^TAP version 13\n/);
    assert.match(readFileSync(html, "utf8"), /^<!doctype html>/);

    for (const args of [
      ["--json", url],
      ["--json", "-", url],
      [url, "--json"],
    ]) {
      const { stdout, stderr } = await conform(...FRAMING, ...args);
      assert.equal(JSON.parse(stdout).target, url);
      assert.match(stderr, /passed, 0 failed/);
    }
  });

  test("prints a progress line and colours on a terminal, and no colours if NO_COLOR is set", async (context) => {
    const url = await targetUrl(context);
    const args = ["conform", url, ...FRAMING];
    const { stderr, stdout } = await call(args, true);
    assert.match(stderr.split(ERASE)[1] ?? "", /^1\/\d+, 0 failed {2}websocket\.framing\./);
    assert.ok(stderr.endsWith(ERASE));
    for (const line of stderr.split(ERASE)) assert.ok(line.length < 60);
    assert.ok(stdout.includes("\x1b[32m"));
    assert.ok(!(await call(args, true, "1")).stdout.includes("\x1b"));
    assert.equal((await call([...args, "--quiet"], true)).stderr, "");
  });

  for (const way of ["exits", "hangs"] as const) {
    test(`reports a server that ${way} in the middle of a run`, async (context) => {
      const http = createHttp();
      let upgrades = 0;
      const websockets = new WebSocketServer({ noServer: true });
      websockets.on("connection", (socket) => {
        socket.on("error", () => {});
        socket.on("message", (data, binary) => socket.send(data, { binary }));
      });
      http.on("upgrade", (request, socket, head) => {
        context.after(() => socket.destroy());
        // Before the cases, `barewire conform` sends three upgrade requests to find out what the server supports.
        if (++upgrades < 6)
          return websockets.handleUpgrade(request, socket, head, (each) =>
            websockets.emit("connection", each, request),
          );
        if (way === "hangs") return;
        http.close();
        socket.destroy();
      });
      const port = await listen(http);
      context.after(() => http.close());
      const args = ["--timeout", "300", "--concurrency", "1", ...FRAMING];
      const { status, stdout, stderr } = await conform(`http://127.0.0.1:${port}`, ...args);
      assert.match(
        stderr,
        /^The server has not answered since about the case websocket\.framing\.\S+: \d+ cases not run\.$/m,
      );
      assert.match(stdout, /^The server has not answered since/m);
      assert.equal(status, 1);
    });
  }

  test("reports a server that exits during the last case, even if this case has passed", async (context) => {
    const http = createHttp();
    const websockets = new WebSocketServer({ noServer: true });
    let upgrades = 0;
    http.on("upgrade", (request, socket, head) => {
      context.after(() => socket.destroy());
      // Before the cases, `barewire conform` sends three upgrade requests to find out what the server supports.
      if (++upgrades === 4) http.close();
      websockets.handleUpgrade(request, socket, head, (each) => {
        each.on("error", () => {});
        each.on("message", (data, binary) => each.send(data, { binary }));
      });
    });
    const port = await listen(http);
    context.after(() => http.close());
    const args = ["--only", "websocket.framing.text-of-126", "--junit"];
    const { status, stdout, stderr } = await conform(`http://127.0.0.1:${port}`, ...args);
    assert.match(
      stderr,
      /^The server has not answered since about the case \S+: 0 cases not run\.$/m,
    );
    assert.match(stderr, /1 passed, 0 failed, 0 skipped\. The run has failed\.\n$/);
    assert.match(stdout, /failures="0" errors="1"/);
    assert.equal(status, 1);
  });
});

describe("barewire conform with output that cannot be written", () => {
  test("prints one error for the report, writes the other reports, and exits with status 2", async (context) => {
    const url = await targetUrl(context);
    const tap = join(folder, "beside.tap");
    const called = await conform(url, ...FRAMING, "--html", folder, "--tap", tap);
    assert.match(called.stderr, /^The report --html \S+ cannot be written: EISDIR.*\.\n$/);
    assert.match(called.stdout, /passed, 0 failed, 0 skipped\.\n$/);
    assert.match(readFileSync(tap, "utf8"), /^TAP version 13\n/);
    assert.equal(called.status, 2);
    const quiet = await conform(url, ...FRAMING, "--html", folder, "--quiet");
    assert.deepEqual(quiet, { status: 2, stdout: "", stderr: called.stderr });
  });

  const PROGRAM = ["--import", "tsx", join(import.meta.dirname, "../../conformance/cli.ts")];

  test("prints one error if standard output is a full device, and exits with status 2", {
    skip: !existsSync("/dev/full"),
  }, async () => {
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [...PROGRAM, "conform", "--list"], {
      stdio: ["ignore", full, "pipe"],
    });
    closeSync(full);
    let stderr = "";
    child.stderr?.on("data", (chunk) => {
      stderr += chunk;
    });
    assert.deepEqual(await once(child, "close"), [2, null]);
    assert.match(stderr, /^Standard output cannot be written: ENOSPC[^\n]*\.\n$/);
  });

  test("exits with the same status if standard output is closed", async (context) => {
    const port = await websocketServer(context, createHttp(), () => Buffer.from("wrong"));
    const args = ["conform", `http://127.0.0.1:${port}`, "--only", "websocket.framing.text-of-126"];
    for (const [arguments_, expected] of [
      [[...args, "--junit"], 1],
      [["conform", "--list"], 0],
    ] as const) {
      const child = spawn(process.execPath, [...PROGRAM, ...arguments_], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      child.stdout.destroy();
      assert.deepEqual(await once(child, "exit"), [expected, null]);
    }
  });
});

describe("barewire conform --client exits with status 2 and an error", () => {
  test("if the port is in use", async (context) => {
    const server = createTcp();
    const port = await listen(server);
    context.after(() => server.close());
    const called = await conform("--client", "--port", `${port}`);
    assertRefused(called, /^Port \d+ of 127\.0\.0\.1 is in use/);
  });

  test("if the host is not an address of this machine", async () => {
    const called = await conform("--client", "--host", "192.0.2.1", "--port", "0");
    assertRefused(called, /cannot listen on .*: EADDRNOTAVAIL/);
  });
});
