// Compares the conformance kit with a driver in Python, which reads the same transcripts and shares no code with the kit.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CLIENT_CASES } from "../../conformance/cases/client.ts";
import { createTarget } from "../../conformance/testees/servers/barewire.ts";
import { loadFolder } from "../../conformance/transcripts/load.ts";
import { ENVIRONMENT } from "../support/environment.ts";
import { notInstalled } from "../support/installed.ts";
import { runPatiently, withTarget } from "./support.ts";

const ROOT = join(import.meta.dirname, "../..");
const PYTHON = "/usr/bin/python3";
const DRIVER = join(ROOT, "examples/transcripts-python/play.py");
const FOLDER = join(ROOT, "conformance/cases/server/websocket");
const FILES = filesOf(FOLDER);

function filesOf(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".wire"));
  return names.sort().map((name) => join(folder, name));
}

/** Runs the driver. Returns the driver's output and exit status. The status is 1 if a MUST case has failed. */
function runDriver(...args: readonly string[]): Promise<{ stdout: string; status: number }> {
  return new Promise((resolve, reject) => {
    execFile(PYTHON, [DRIVER, ...args], { env: ENVIRONMENT }, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code;
      if ((status === 0 || status === 1) && stderr === "") resolve({ stdout, status });
      else reject(new Error(`the driver has failed: ${stderr}`, { cause: error }));
    });
  });
}

/** Parses TAP into verdicts by case id. */
function verdictsOf(tap: string): Map<string, string> {
  return new Map(
    [...tap.matchAll(/^(not )?ok \d+ - (\S+): (.*)$/gm)].map(([, not, id = "", rest = ""]) => [
      id,
      not !== undefined ? "failed" : / # SKIP /.test(rest) ? "skipped" : "passed",
    ]),
  );
}

test("the driver in Python returns the same verdicts as the kit", {
  skip: notInstalled(PYTHON, "python3"),
}, async () => {
  await withTarget(createTarget(), async (target) => {
    const results = await runPatiently(loadFolder(FOLDER), target);
    const url = `http://${target.host}:${target.port}`;
    const { stdout, status } = await runDriver(url, ...FILES, "--timeout", "10");
    assert.deepEqual(
      [...verdictsOf(stdout)],
      results.map(({ id, outcome }) => [id, outcome]),
    );
    assert.equal(status, 0);
  });
});

test("the driver in Python fails a server that does not echo", {
  skip: notInstalled(PYTHON, "python3"),
}, async () => {
  await withTarget(createTarget(), async (target) => {
    const url = `http://${target.host}:${target.port}`;
    const masking = FILES.filter((file) => file.endsWith("masking.wire"));
    const { stdout, status } = await runDriver(url, ...masking, "--path", "/nowhere");
    const verdicts = new Set(verdictsOf(stdout).values());
    assert.deepEqual([...verdicts], ["failed"]);
    assert.equal(status, 1);
  });
});

test("the driver in Python skips the cases for clients", {
  skip: notInstalled(PYTHON, "python3"),
}, async () => {
  const files = ["websocket", "socketio"].flatMap((folder) =>
    filesOf(join(ROOT, "conformance/cases/client", folder)),
  );
  const { stdout, status } = await runDriver("http://127.0.0.1:9", ...files);
  const verdicts = verdictsOf(stdout);
  const transcripts = CLIENT_CASES.filter(({ id }) => verdicts.has(id));
  assert.equal(verdicts.size, transcripts.length);
  assert.ok(transcripts.length >= CLIENT_CASES.length - 4);
  assert.deepEqual([...new Set(verdicts.values())], ["skipped"]);
  assert.equal(status, 0);
});

test("the driver in Python has fewer than 300 lines of code, not counting comments and docstrings", () => {
  const source = readFileSync(DRIVER, "utf8")
    .trimEnd()
    .replace(/^ *""".*?"""$/gms, "");
  const code = source.split("\n").filter((line) => !/^\s*(?:#|$)/.test(line));
  assert.ok(code.length < 300, `${code.length} lines`);
  const longest = Math.max(...code.map(({ length }) => length));
  assert.ok(longest <= 120, `a line of ${longest} characters`);
});
