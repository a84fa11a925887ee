// Plays the transcripts of docs/wire/ against the server, and compares every byte.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { format } from "node:util";

import { Clock } from "./support/clock.ts";
import { closeServers, lastHttpServer } from "./support/docs-entry.ts";
import { portOf, turn, until } from "./support/net.ts";
import { type Page, Printed, play, readPage } from "./support/transcript.ts";

const ROOT = join(import.meta.dirname, "..");
const FOLDER = "docs/wire";
const ENTRY = join(ROOT, "tests/support/docs-entry.ts");
const PARSER = join(ROOT, "protocol/socketio/msgpack-parser.ts");

const folder = mkdtempSync(join(tmpdir(), "barewire-wire-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');

let programs = 0;

/** Runs the page's program and plays its transcript. Lines with "@" are the expected output of the program. */
async function playPage(context: TestContext, { program, lines }: Page): Promise<void> {
  const printed = new Printed();
  context.mock.method(console, "log", (...what: unknown[]) => printed.add(format(...what)));
  const clock = new Clock(context);
  const file = join(folder, `program-${++programs}.ts`);
  const code = program
    .replace('from "barewire"', `from ${JSON.stringify(ENTRY)}`)
    .replace('from "barewire/msgpack"', `from ${JSON.stringify(PARSER)}`)
    .replace("new Server(3000", "new Server(0");
  writeFileSync(file, code);
  await import(pathToFileURL(file).href);
  const http = lastHttpServer();
  assert.ok(http !== undefined, "the program of the page creates no server");
  const accepted: Socket[] = [];
  http.on("connection", (socket) => accepted.push(socket));
  if (!http.listening) await once(http, "listening");
  const read = (): number => accepted.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  try {
    await play(lines, {
      port: portOf(http),
      printed,
      pass: (time) => clock.tick(time),
      readAll: async (bytes) => {
        await until(() => read() >= bytes);
        await turn();
      },
    });
  } finally {
    await closeServers();
  }
}

describe("the server sends the bytes in", () => {
  for (const name of readdirSync(join(ROOT, FOLDER)).filter((each) => each !== "README.md")) {
    test(`${FOLDER}/${name}`, async (context) => {
      const page = readPage(readFileSync(join(ROOT, FOLDER, name), "utf8"));
      assert.notEqual(page.lines.length, 0);
      await assert.doesNotReject(playPage(context, page), (error) => {
        assert.fail(`${FOLDER}/${name}, ${error instanceof Error ? error.message : error}`);
      });
    });
  }
});

describe("a transcript fails with", () => {
  const STALE: readonly (readonly [does: string, from: string, to: string, says: RegExp])[] = [
    ["a different byte from the server", "< 81 12", "< 81 13", /^line \d+: expected 81 13 /],
    [
      "a different header",
      "\n< Upgrade: websocket",
      "\n< Upgrade: Websocket",
      /expected 'Upgrade: W/,
    ],
    ["a different layer", "= Engine.IO message 0 ", "= Engine.IO ping ", /expected = Engine.IO p/],
    ["a different text for the listener", "@ chat hello", "@ chat hallo", /expected @ chat hallo/],
    ["a missing line", "@ chat hello\n", "", /^after the last line: @ chat hello$/],
    ["an invalid time", "@ connection", "~ soon", /"soon" is not a duration$/],
    ["an undefined variable", "> Host: localhost", "> Host: {name}", /\{name\} has no value/],
  ];
  for (const [does, from, to, says] of STALE) {
    test(does, async (context) => {
      const text = readFileSync(join(ROOT, FOLDER, "chat-message.md"), "utf8");
      assert.ok(text.includes(from));
      const page = readPage(text.replace(from, to));
      await assert.rejects(playPage(context, page), ({ message }: Error) => says.test(message));
    });
  }

  test("a line that does not begin with a sign such as >", () => {
    assert.throws(() => readPage("```wire\nGET / HTTP/1.1\n```"), /^Error: line 2 is not a line/);
  });
});
