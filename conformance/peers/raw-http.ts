// An HTTP request that is sent in pieces over a separate connection, and its response.

import { Failure } from "../harness/case.ts";
import type { Context } from "../harness/context.ts";
import { quote } from "../harness/conversation.ts";
import { addressOf } from "../harness/target.ts";
import { describeStatus, statusOf } from "./http.ts";
import { ENDED, type TcpConnection } from "./tcp.ts";

export interface RawAnswer {
  readonly status: number;
  /** The status line. */
  readonly line: string;
  readonly body: string;
}

export class RawRequests {
  readonly tcp: TcpConnection;
  readonly #context: Context;

  constructor(tcp: TcpConnection, context: Context) {
    this.tcp = tcp;
    this.#context = context;
  }

  static async open(context: Context): Promise<RawRequests> {
    return new RawRequests(await context.tcp(), context);
  }

  /** Sends the head of a request, with Host. */
  head(first: string, ...fields: readonly string[]): void {
    const lines = [`${first} HTTP/1.1`, `Host: ${addressOf(this.#context.target)}`, ...fields];
    this.#write(Buffer.from([...lines, "", ""].join("\r\n"), "latin1"), lines.join(" ⏎ "));
  }

  /** Sends bytes of a body. */
  piece(bytes: string | Uint8Array): void {
    const piece = Buffer.from(bytes);
    this.#write(piece, `${piece.length} bytes of the body: ${quote(piece.toString(), 40)}`);
  }

  /** Sends a chunk of a body in chunked transfer coding. An empty chunk is the last. */
  chunk(bytes: string | Uint8Array): void {
    const chunk = Buffer.from(bytes);
    const size = Buffer.from(`${chunk.length.toString(16)}\r\n`);
    const all = Buffer.concat([size, chunk, Buffer.from("\r\n")]);
    this.#write(all, `a chunk of ${chunk.length} bytes: ${quote(chunk.toString(), 40)}`);
  }

  /** Returns the response. @throws Failure if the connection ends before the response */
  async answer(): Promise<RawAnswer> {
    const { tcp } = this;
    let message = await tcp.next(measureAnswer);
    // A body without a length ends with the connection.
    if (message === undefined && tcp.input.length > 0) message = tcp.take(tcp.input.length);
    if (message === undefined) throw new Failure("an answer", ENDED);
    const text = Buffer.from(message).toString();
    const head = text.slice(0, text.indexOf("\r\n\r\n"));
    const body = text.slice(head.length + 4);
    const [line = ""] = head.split("\r\n", 1);
    this.#context.conversation.received(message, `${describeStatus(line)}: ${quote(body)}`);
    return { status: statusOf(line), line, body };
  }

  #write(bytes: Uint8Array, meaning: string): void {
    this.#context.conversation.sent(bytes, meaning);
    this.tcp.write(bytes);
  }
}

/** Longest response that is read, in bytes. The responses to these requests are short. */
const MOST = 1024 * 1024;

function measureAnswer(input: Uint8Array): number | undefined {
  if (input.length > MOST)
    throw new Failure(`at most ${MOST} bytes`, `${input.length} bytes or more`);
  const text = Buffer.from(input).toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const head = text.slice(0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return end + 4 + Number(length);
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return undefined;
  const last = text.indexOf("0\r\n\r\n", end);
  return last === -1 ? undefined : last + 5;
}
