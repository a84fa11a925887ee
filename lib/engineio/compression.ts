// HTTP compression of the responses to polling requests. RFC 9110 §8.4.1.

import type { ServerResponse } from "node:http";
import type { ZlibOptions } from "node:zlib";

import { preferredEncoding } from "../accept-encoding.ts";
import { zlib } from "../zlib.ts";

/** The options of HTTP compression: those of node:zlib, and a threshold. */
export interface CompressionOptions extends ZlibOptions {
  /** Compress responses of at least this many bytes. Default: 1024. */
  readonly threshold?: number;
}

const DEFAULT_THRESHOLD = 1024;

/**
 * Ends `response` with `headers` and `body`. Compresses the body if `options` is set, the body is at least as long as the
 * threshold, and the client accepts gzip or deflate.
 *
 * @returns the length of the uncompressed body, in bytes
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
    // A string is not converted to bytes, because Node sends a string in the same write as the header.
    response.writeHead(200, { ...headers, "Content-Length": length }).end(body);
    return length;
  }
  zlib()[encoding](Buffer.from(body), options, (error, compressed) => {
    // If zlib has no memory left, the body is sent uncompressed. This is possible because the header was not sent yet.
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
