// Serves the client's script files to pages. A file is read at its first request. The package contains each script
// compressed with Brotli. The server compresses a script with gzip at the first request that needs gzip. A page that
// already has the current file receives a 304 (RFC 9110 §13.1.2).

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";

import { preferredEncoding } from "./accept-encoding.ts";
import { addHeader } from "./headers.ts";
import { pathOf } from "./request-target.ts";
import { zlib } from "./zlib.ts";

/** The file names that pages can request. */
const NAMES: ReadonlySet<string> = new Set(
  ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"].flatMap(
    (name) => [name, `${name}.map`],
  ),
);

type Encoding = "br" | "gzip" | "identity";

interface File {
  readonly type: string;
  readonly etag: string;
  readonly bodies: Record<Encoding, () => Buffer>;
}

/** Responds to requests for the client's script files. */
export class ClientFiles {
  readonly #prefix: string;
  readonly #files = new Map<string, File | undefined>();

  /** @param path the path of the files, with "/" at its end */
  constructor(path: string) {
    this.#prefix = path;
  }

  /** Returns whether a request is for one of the files. */
  has({ method, url = "" }: IncomingMessage): boolean {
    const name = nameIn(url, this.#prefix);
    return (method === "GET" || method === "HEAD") && name !== undefined && NAMES.has(name);
  }

  /** Responds to a request for one of the files. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    const name = nameIn(request.url ?? "", this.#prefix) ?? "";
    if (!this.#files.has(name)) this.#files.set(name, load(name));
    const file = this.#files.get(name);
    if (file === undefined) {
      response
        .writeHead(404, { "Content-Type": "text/plain; charset=utf-8" })
        .end("The client is not built, and socket.io-client is not installed.");
      return;
    }
    response.setHeader("ETag", file.etag);
    response.setHeader("Cache-Control", "public, max-age=0");
    addHeader(response, "Vary", "Accept-Encoding");
    if (knows(request.headers["if-none-match"], file.etag)) {
      response.writeHead(304).end();
      return;
    }
    // If the client accepts Brotli and gzip with equal weight, the server uses Brotli, because its files are smaller.
    const encoding = preferredEncoding(request.headers["accept-encoding"], ["br", "gzip"]);
    const body = file.bodies[encoding]();
    response.setHeader("Content-Type", file.type);
    response.setHeader("Content-Length", body.length);
    if (encoding !== "identity") response.setHeader("Content-Encoding", encoding);
    response.writeHead(200).end(request.method === "HEAD" ? undefined : body);
  }
}

function nameIn(url: string, prefix: string): string | undefined {
  const path = pathOf(url);
  return path.startsWith(prefix) ? path.slice(prefix.length) : undefined;
}

/** Loads a script file. Returns `undefined` and does not throw if the file cannot be read. */
function load(name: string): File | undefined {
  let body: Buffer | undefined;
  try {
    body = read(name);
  } catch {
    // The file is missing, because the client is not built, and socket.io-client is not installed.
  }
  if (body === undefined) return undefined;
  const hash = createHash("sha256").update(body).digest("base64url").slice(0, 20);
  const type = name.endsWith(".map") ? "application/json" : "application/javascript";
  return {
    type: `${type}; charset=utf-8`,
    etag: `"${hash}"`,
    bodies: {
      br: later(() => ours(`${name}.br`) ?? zlib().brotliCompressSync(body)),
      gzip: later(() => zlib().gzipSync(body, { level: 9 })),
      identity: () => body,
    },
  };
}

/** The directory of this file. `undefined` in a CommonJS bundle. */
const FOLDER: string | undefined = import.meta.dirname;

/** Returns a file of this package. In a checkout without a build, returns the file of the installed socket.io-client. */
function read(name: string): Buffer | undefined {
  const plain = ours(name);
  if (plain !== undefined) return plain;
  const compressed = ours(`${name}.br`);
  if (compressed !== undefined) return zlib().brotliDecompressSync(compressed);
  if (FOLDER === undefined) return undefined;
  const { createRequire } = process.getBuiltinModule("node:module");
  const { resolve } = createRequire(join(FOLDER, "client-files.js"));
  return readFileSync(join(dirname(resolve("socket.io-client/package.json")), "dist", name));
}

/** Returns a file of the package's directory client-files/, which contains the scripts only in compressed form. */
function ours(name: string): Buffer | undefined {
  if (FOLDER === undefined) return undefined;
  const file = join(FOLDER, "../client-files", name);
  return existsSync(file) ? readFileSync(file) : undefined;
}

/** Returns a function that calls `make` at its first call and then always returns the same result. */
function later(make: () => Buffer): () => Buffer {
  let made: Buffer | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** Returns whether the page already has the file with this ETag. RFC 9110 §13.1.2: weak ETags (`W/`) match, too. */
function knows(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const known = ifNoneMatch.split(",").map((each) => each.trim().replace(/^W\//, ""));
  return known.includes(etag) || known.includes("*");
}
