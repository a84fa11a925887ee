// Debian's nginx as a reverse proxy, for tests that need one.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { listen } from "./net.ts";

const EXECUTABLE = process.env.NGINX_EXECUTABLE ?? "/usr/sbin/nginx";

/**
 * The reason to skip tests with nginx, or `false`. If CI is "true", the tests are never skipped: without nginx, they
 * fail.
 */
export const noNginx: string | false =
  existsSync(EXECUTABLE) || process.env.CI === "true"
    ? false
    : `there is no nginx at ${EXECUTABLE}: apt-get install nginx-light, or set NGINX_EXECUTABLE`;

/**
 * Returns the configuration that the documentation of nginx recommends for WebSocket. With buffering, nginx forwards
 * a body only when it is complete or the buffer is full.
 */
function configuration(port: number, target: number, buffering: "on" | "off"): string {
  return `
    daemon off;
    worker_processes 1;
    user root;
    pid nginx.pid;
    error_log stderr error;
    events { worker_connections 256; }
    http {
      access_log off;
      client_body_temp_path body;
      proxy_temp_path proxy;
      fastcgi_temp_path fastcgi;
      uwsgi_temp_path uwsgi;
      scgi_temp_path scgi;
      map $http_upgrade $connection_upgrade { default upgrade; '' close; }
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://127.0.0.1:${target};
          proxy_http_version 1.1;
          proxy_set_header Host $http_host;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
          proxy_buffering ${buffering};
          proxy_request_buffering ${buffering};
        }
      }
    }`;
}

/** Runs nginx in front of the port `target` until the test ends. Returns the port of nginx. */
export async function startNginx(
  context: TestContext,
  target: number,
  buffering: "on" | "off",
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "barewire-nginx-"));
  // nginx inherits a socket that is already listening, so no other process can bind the port first.
  const inherited = createServer();
  const port = await listen(inherited);
  const handle: unknown = Reflect.get(inherited, "_handle");
  const fd: unknown = handle instanceof Object ? Reflect.get(handle, "fd") : undefined;
  if (typeof fd !== "number") throw new Error("no descriptor");
  writeFileSync(join(folder, "nginx.conf"), configuration(port, target, buffering));
  const nginx: ChildProcess = spawn(
    EXECUTABLE,
    ["-p", folder, "-c", "nginx.conf", "-e", "early.log"],
    {
      env: { NGINX: "3;" },
      stdio: ["ignore", "ignore", "inherit", fd],
    },
  );
  await once(nginx, "spawn");
  inherited.close();
  context.after(async () => {
    nginx.kill();
    await once(nginx, "exit");
    rmSync(folder, { recursive: true });
  });
  return port;
}
