// An HTTP request and its answer, as text in the conversation.

import { type ClientRequest, request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";

import { type Conversation, quote } from "../harness/conversation.ts";
import type { Target } from "../harness/target.ts";
import { flooded, MOST_BYTES } from "./tcp.ts";

export interface HttpQuestion {
  /** Default "GET". */
  readonly method?: string;
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Given: aborts the request when it is called. */
  readonly abort?: (abort: () => void) => void;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Uint8Array;
  readonly body: string;
}

/**
 * Returns the status of an answer that begins with that line, or `NaN` for one that does not count: what is no
 * HTTP/1.0 or 1.1, and a 101 of HTTP/1.0. RFC 6455 §4.2.2 has the 101 in HTTP/1.1; a refusal may be of 1.0.
 */
export function statusOf(line: string): number {
  const [, minor, status] = /^HTTP\/1\.([01]) (\d{3})(?:\s|$)/.exec(line) ?? [];
  return minor === undefined || (minor === "0" && status === "101") ? Number.NaN : Number(status);
}

/** Describes the answer that begins with that line: "status 404", or the line itself where it does not count. */
export function describeStatus(line: string): string {
  const status = statusOf(line);
  return Number.isNaN(status) ? quote(line) : `status ${status}`;
}

/** Rejects where the connection breaks before the answer is whole. */
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
        // One connection for each, so that no case meets what another has left behind.
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
