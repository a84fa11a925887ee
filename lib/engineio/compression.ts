// HTTP compression of poll responses, for clients that accept it. RFC 9110 §8.4.1, RFC 9110 §12.5.3.

import type { ServerResponse } from "node:http";
import type { ZlibOptions } from "node:zlib";

import { zlib } from "../../protocol/zlib.ts";

/** zlib's settings, and from how many bytes on a response is compressed. */
export interface CompressionOptions extends ZlibOptions {
  /** Default 1024. */
  readonly threshold?: number;
}

const DEFAULT_THRESHOLD = 1024;

type Encoding = "gzip" | "deflate";

/** Ends `response` with `headers` and `body`, which is compressed where that is wanted, worth it and accepted. */
export function sendCompressed(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  body: string | Uint8Array,
  options: CompressionOptions | undefined,
): void {
  const length = Buffer.byteLength(body);
  const worth = options !== undefined && length >= (options.threshold ?? DEFAULT_THRESHOLD);
  const encoding = worth ? acceptedEncoding(response.req.headers["accept-encoding"]) : undefined;
  if (encoding === undefined || options === undefined) {
    // A text leaves with the header in one piece.
    response.writeHead(200, { ...headers, "Content-Length": length }).end(body);
    return;
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
}

/** The first of the encodings in an Accept-Encoding header that we can do and that is not refused with "q=0". */
function acceptedEncoding(header: string | string[] | undefined): Encoding | undefined {
  for (const item of String(header ?? "").split(",")) {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim().toLowerCase());
    const refused = parameters.some((parameter) => /^q=0(?:\.0{0,3})?$/.test(parameter));
    if (!refused && (name === "gzip" || name === "deflate")) return name;
  }
  return undefined;
}
