// Runs the configurations in docs/operating.md and docs/minimal-deployment.md that are not programs of Node: those of Caddy
// and of systemd.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import tls from "node:tls";

import { io as connect, type Socket } from "socket.io-client";

import { Server } from "../server.ts";
import { ENVIRONMENT } from "./support/environment.ts";
import { heard } from "./support/heard.ts";
import { notInstalled } from "./support/installed.ts";
import { listen, until } from "./support/net.ts";
import { ServiceProcess } from "./support/service.ts";

const DOCS = join(import.meta.dirname, "../docs");
const CADDY = "/usr/bin/caddy";
const SYSTEMD_ANALYZE = "/usr/bin/systemd-analyze";

/** Returns the only code block of a page that contains `text`. */
function codeBlock(text: string, page = "operating.md"): string {
  const source = readFileSync(join(DOCS, page), "utf8");
  const blocks = [...source.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, code = ""]) => code);
  const [found, ...others] = blocks.filter((code) => code.includes(text));
  assert.ok(found !== undefined && others.length === 0, `blocks of the page with "${text}"`);
  return found;
}

/** Replaces `from`, which must occur once. */
function replaced(text: string, from: string, to: string): string {
  assert.equal(text.split(from).length, 2, `"${from}" in\n${text}`);
  return text.replace(from, to);
}

/** Returns whether a TLS handshake with "localhost" at `port` completes. */
async function completesHandshake(port: number): Promise<boolean> {
  const socket = tls.connect({ port, servername: "localhost", rejectUnauthorized: false });
  try {
    await once(socket, "secureConnect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * Runs Caddy in front of the port `target`, with the configuration of the page. Only the names and ports differ from
 * the page, and Caddy's own certificate authority issues the certificate.
 *
 * @returns the origin of the site, and the certificate of the authority
 */
async function startCaddy(
  context: TestContext,
  target: number,
): Promise<{ origin: string; ca: string }> {
  const folder = mkdtempSync(join(tmpdir(), "barewire-caddy-"));
  const site = codeBlock("reverse_proxy");
  const settings =
    "{\n  admin off\n  auto_https disable_redirects\n  skip_install_trust\n  local_certs\n}\n";
  const caddy = await ServiceProcess.start({
    program: CADDY,
    arguments: (port) => {
      const file = join(folder, `Caddyfile-${port}`);
      const named = replaced(site, "chat.example.com", `localhost:${port}`);
      writeFileSync(file, settings + replaced(named, "127.0.0.1:5000", `127.0.0.1:${target}`));
      return ["run", "--config", file, "--adapter", "caddyfile"];
    },
    options: {
      env: { ...ENVIRONMENT, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    },
    ready: /serving initial configuration/,
  });
  context.after(async () => {
    await caddy.stop();
    rmSync(folder, { recursive: true });
  });
  // Caddy issues the certificate in the background.
  await until(() => completesHandshake(caddy.port));
  const ca = readFileSync(join(folder, "caddy/pki/authorities/local/root.crt"), "utf8");
  return { origin: `https://localhost:${caddy.port}`, ca };
}

describe("deployment", () => {
  describe("the configuration of Caddy in docs/operating.md", {
    skip: notInstalled(CADDY, "caddy"),
  }, () => {
    for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
      test(`connects clients over ${transports.join(" and ")}, with TLS`, async (context) => {
        const { io, origin, ca } = await serveBehindCaddy(context);
        const joined = heard(io, "connection");
        const client: Socket = connect(origin, {
          transports,
          ca,
          forceNew: true,
          reconnection: false,
          extraHeaders: { Origin: origin },
        });
        context.after(() => client.disconnect());
        client.on("connect_error", (error) => assert.fail(error));
        await joined;
        const { engine } = client.io;
        if (engine.transport.name !== transports.at(-1)) await heard(engine, "upgrade");
        const value = { text: "hällo", bytes: Buffer.from([0, 255]) };
        assert.deepEqual(await client.emitWithAck("echo", value), value);
        assert.equal(engine.transport.name, transports.at(-1));
      });
    }

    test("tells the server its origin, so pages of other origins are refused", async (context) => {
      const { origin, ca } = await serveBehindCaddy(context);
      const url = `${origin}/socket.io/?EIO=4&transport=polling`;
      const statuses: unknown[] = [];
      for (const Origin of [origin, "https://elsewhere.example"]) {
        const [response] = await once(request(url, { ca, headers: { Origin } }).end(), "response");
        response.resume();
        statuses.push(response.statusCode);
      }
      assert.deepEqual(statuses, [200, 400]);
    });
  });

  describe("a unit of systemd", { skip: notInstalled(SYSTEMD_ANALYZE, "systemd") }, () => {
    /** Returns what systemd-analyze says about a unit. */
    function verify(context: TestContext, unit: string): string {
      const folder = mkdtempSync(join(tmpdir(), "barewire-unit-"));
      context.after(() => rmSync(folder, { recursive: true }));
      const file = join(folder, "chat.service");
      writeFileSync(file, replaced(unit, "/usr/bin/node", process.execPath));
      return execFileSync("/bin/sh", ["-c", 'exec "$0" verify "$1" 2>&1', SYSTEMD_ANALYZE, file], {
        encoding: "utf8",
      });
    }

    for (const page of ["operating.md", "minimal-deployment.md"]) {
      test(`in docs/${page} is accepted by systemd-analyze without a warning`, (context) => {
        assert.equal(verify(context, codeBlock("[Service]", page)), "");
      });
    }

    test("with a misspelled setting causes a warning", (context) => {
      const unit = replaced(codeBlock("[Service]"), "KillMode=", "KilMode=");
      assert.match(verify(context, unit), /Unknown key 'KilMode' in section \[Service\]/);
    });
  });
});

/** Starts a server with an "echo" handler, and Caddy in front of it. */
async function serveBehindCaddy(
  context: TestContext,
): Promise<{ io: Server; origin: string; ca: string }> {
  const http = createServer();
  const io = new Server(http);
  io.on("connection", (socket) => socket.on("echo", (value, answer) => answer(value)));
  const port = await listen(http);
  context.after(() => io.close());
  return { io, ...(await startCaddy(context, port)) };
}
