// The client's files, for pages that load them from the server: found once, in Brotli since the
// package was built, in gzip when first asked for, and answered with 304 to who has them.
// RFC 9110 §12.5.3, RFC 9110 §13.1.2.

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";

import { zlib } from "../protocol/zlib.ts";

/** The names under which pages load the client. */
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

export class ClientFiles {
  readonly #prefix: string;
  readonly #files = new Map<string, File | undefined>();

  /** @param path under which they are, with "/" at its end */
  constructor(path: string) {
    this.#prefix = path;
  }

  /** Whether a request is for one of them. */
  has({ method, url = "" }: IncomingMessage): boolean {
    const name = nameIn(url, this.#prefix);
    return (method === "GET" || method === "HEAD") && name !== undefined && NAMES.has(name);
  }

  /** Answers a request for one of them. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    const name = nameIn(request.url ?? "", this.#prefix) ?? "";
    if (!this.#files.has(name)) this.#files.set(name, load(name));
    const file = this.#files.get(name);
    if (file === undefined) {
      response
        .writeHead(404, { "Content-Type": "text/plain; charset=utf-8" })
        .end(
          "The client is not built, and socket.io-client is not installed, so there is none to serve.",
        );
      return;
    }
    response.setHeader("ETag", file.etag);
    response.setHeader("Cache-Control", "public, max-age=0");
    response.setHeader("Vary", "Accept-Encoding");
    if (knows(request.headers["if-none-match"], file.etag)) {
      response.writeHead(304).end();
      return;
    }
    const encoding = bestEncoding(`${request.headers["accept-encoding"] ?? ""}`);
    const body = file.bodies[encoding]();
    response.setHeader("Content-Type", file.type);
    response.setHeader("Content-Length", body.length);
    if (encoding !== "identity") response.setHeader("Content-Encoding", encoding);
    response.writeHead(200).end(request.method === "HEAD" ? undefined : body);
  }
}

function nameIn(url: string, prefix: string): string | undefined {
  return url.startsWith(prefix) ? url.slice(prefix.length).split("?")[0] : undefined;
}

function load(name: string): File | undefined {
  const body = read(name);
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

/** Ours, which the package holds; in a checkout, that of the installed socket.io-client. */
function read(name: string): Buffer | undefined {
  const plain = ours(name);
  if (plain !== undefined) return plain;
  const compressed = ours(`${name}.br`);
  if (compressed !== undefined) return zlib().brotliDecompressSync(compressed);
  try {
    const { createRequire } = process.getBuiltinModule("node:module");
    const { resolve } = createRequire(import.meta.url);
    return readFileSync(join(dirname(resolve("socket.io-client/package.json")), "dist", name));
  } catch {
    return undefined;
  }
}

/** A file of those that the package holds, most of them only compressed. */
function ours(name: string): Buffer | undefined {
  const file = new URL(`../client-files/${name}`, import.meta.url);
  return existsSync(file) ? readFileSync(file) : undefined;
}

/** `make`, which is called the first time only. */
function later(make: () => Buffer): () => Buffer {
  let made: Buffer | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** RFC 9110 §13.1.2: a list, compared weakly. */
function knows(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const known = ifNoneMatch.split(",").map((each) => each.trim().replace(/^W\//, ""));
  return known.includes(etag) || known.includes("*");
}

/** RFC 9110 §12.5.3: what the client likes best of what it takes; of equals the smallest. */
function bestEncoding(accepted: string): Encoding {
  const qualities = new Map<string, number>();
  for (const part of accepted.toLowerCase().split(",")) {
    const [coding = "", ...parameters] = part.split(";").map((each) => each.trim());
    const q = parameters.find((each) => each.startsWith("q="));
    qualities.set(coding, q === undefined ? 1 : Number(q.slice(2)) || 0);
  }
  const quality = (coding: Encoding): number => qualities.get(coding) ?? qualities.get("*") ?? 0;
  if (quality("br") > 0 && quality("br") >= quality("gzip")) return "br";
  return quality("gzip") > 0 ? "gzip" : "identity";
}
