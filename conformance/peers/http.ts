// An HTTP request and its response, recorded as text in the conversation.

import { type ClientRequest, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";

import { type Conversation, quote } from "../harness/conversation.ts";
import type { Target } from "../harness/target.ts";
import { flooded, MOST_BYTES } from "./tcp.ts";

export interface HttpQuestion {
  /** Default: "GET". */
  readonly method?: string;
  /** The path with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Receives a function that aborts the request. */
  readonly abort?: (abort: () => void) => void;
}

export interface HttpAnswer {
  readonly status: number;
  /** The header fields, with their names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Uint8Array;
  readonly body: string;
}

/**
 * Returns the status in a status line, or `NaN` if the line is invalid: neither HTTP/1.0 nor HTTP/1.1, or a 101 in
 * HTTP/1.0. RFC 6455 §4.2.2 requires HTTP/1.1 for the 101. A response that refuses the handshake may use HTTP/1.0.
 */
export function statusOf(line: string): number {
  const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?:\s|$)/.exec(line) ?? [];
  return minor === undefined || (minor === "0" && status === "101") ? Number.NaN : Number(status);
}

/** Describes a status line: "status 404", or the line itself if it is invalid. */
export function describeStatus(line: string): string {
  const status = statusOf(line);
  return Number.isNaN(status) ? quote(line) : `status ${status}`;
}

/** Rejects if the connection breaks before the response is complete. */
export function requestHttp(
  { host, port, secure }: Target,
  conversation: Conversation,
  { method = "GET", path, headers = {}, body, abort }: HttpQuestion,
  onRequest: (request: ClientRequest) => void,
): Promise<HttpAnswer> {
  const send = secure ? requestSecure : requestPlain;
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "Content-Length": `${Buffer.byteLength(body)}` };
    const request = send(
      {
        host,
        port,
        method,
        path,
        headers: { ...length, ...headers },
        // Each request has its own connection, so that no case is affected by the connection of another case.
        agent: false,
        rejectUnauthorized: false,
      },
      (response) => {
        const chunks: Uint8Array[] = [];
        let length = 0;
        response.on("data", (chunk) => {
          chunks.push(chunk);
          length += chunk.length;
          if (length <= MOST_BYTES) return;
          reject(flooded());
          request.destroy();
        });
        response.on("error", reject);
        response.on("end", () => {
          const bytes = Buffer.concat(chunks);
          const status = response.statusCode ?? 0;
          const answer = { status, headers: response.headers, bytes, body: bytes.toString() };
          conversation.received(bytes, `${status} to ${method} ${path}: ${quote(answer.body)}`);
          resolve(answer);
        });
      },
    );
    onRequest(request);
    request.on("error", reject);
    const bytes = body === undefined ? new Uint8Array(0) : Buffer.from(body);
    const said = body === undefined ? "" : `: ${quote(bytes.toString())}`;
    conversation.sent(bytes, `${method} ${path}${said}`);
    abort?.(() => request.destroy());
    request.end(body);
  });
}
