// HTTP compression of poll responses, for clients that accept it. RFC 9110 §8.4.1.

import type { ServerResponse } from "node:http";
import type { ZlibOptions } from "node:zlib";

import { preferredEncoding } from "../accept-encoding.ts";
import { zlib } from "../zlib.ts";

/** zlib's settings, and the threshold. */
export interface CompressionOptions extends ZlibOptions {
  /** Compress responses of at least this many bytes. Default: 1024. */
  readonly threshold?: number;
}

const DEFAULT_THRESHOLD = 1024;

/**
 * Ends `response` with `headers` and `body`. The body is compressed if there are `options`, if it is
 * at least as long as their threshold, and if the client accepts it.
 *
 * @returns the bytes of the body, uncompressed
 */
export function sendCompressed(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array,
  options: CompressionOptions | undefined,
): number {
  const length = Buffer.byteLength(body);
  const worth = options !== undefined && length >= (options.threshold ?? DEFAULT_THRESHOLD);
  const accepted = response.req.headers["accept-encoding"];
  const encoding = worth ? preferredEncoding(accepted, ["gzip", "deflate"]) : "identity";
  if (encoding === "identity" || options === undefined) {
    // A text leaves with the header in one piece.
    response.writeHead(200, { ...headers, "Content-Length": length }).end(body);
    return length;
  }
  zlib()[encoding](Buffer.from(body), options, (error, compressed) => {
    // zlib had no memory: nothing that the client could not read has been said yet.
    if (error !== null) {
      response.writeHead(200, { ...headers, "Content-Length": length }).end(body);
      return;
    }
    response
      .writeHead(200, {
        ...headers,
        "Content-Encoding": encoding,
        "Content-Length": compressed.length,
      })
      .end(compressed);
  });
  return length;
}
