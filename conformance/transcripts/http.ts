// The lines of a TCP connection: the text of an HTTP request, and the expected response.

import { type Attempt, firstOf } from "../harness/attempts.ts";
import { expect, Failure } from "../harness/case.ts";
import type { Context } from "../harness/context.ts";
import { quote } from "../harness/conversation.ts";
import { parseObject } from "../peers/engineio.ts";
import { describeStatus, statusOf } from "../peers/http.ts";
import { ENDED, type TcpConnection } from "../peers/tcp.ts";
import {
  acceptFor,
  type HandshakeAnswer,
  readHandshakeAnswer,
  WebSocketPeer,
  writeInPieces,
} from "../peers/websocket.ts";
import { WebSocketClientPeer } from "../peers/websocket-client.ts";
import { evaluate, scanBytes, VARIABLE, type Variables } from "./bytes.ts";
import type { Action, Play } from "./play.ts";
import type { Scanner } from "./scanner.ts";
import type { Awaited } from "./websocket.ts";

/** A line of HTTP: a request line, a status line, a field, or the empty line after the fields. */
const HTTP_LINE = /^(?:[A-Z]+ \S.* HTTP\/\d\.\d|HTTP\/\d.*|[!#$%&'*+.^`|~\w-]+:.*|)$/;

/** The lines of a head that a transcript abbreviates as "handshake". */
export interface Handshake {
  readonly line: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** The client's handshake (RFC 6455 §4.1), with the key of §1.3. */
export const REQUEST: Handshake = {
  line: "GET {websocket} HTTP/1.1",
  fields: [
    ["Host", "{host}"],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
    ["Sec-WebSocket-Version", "13"],
  ],
};

/** The server's handshake (RFC 6455 §4.2.2). */
export const ANSWER: Handshake = {
  line: "HTTP/1.1 101 Switching Protocols",
  fields: [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", "{accept}"],
  ],
};

/** Returns the lines of a head, without CRLF, with the values of the variables. */
export type HeadLines = (variables: Variables) => readonly Uint8Array[];

/** Returns whether a head begins with this line. All other lines are bytes. */
export function beginsHead(line: string): boolean {
  return HTTP_LINE.test(line) || /^handshake\b/.test(line);
}

/**
 * Parses a line of a head, which may stand for several lines:
 *
 *     GET / HTTP/1.1
 *     Upgrade: websocket
 *     'Upgrade: \t websocket '             with escapes, and spaces at its end
 *     handshake                            the lines of a handshake
 *     handshake with Upgrade: WebSocket    with this field, which replaces the default field
 *     handshake without Host, Upgrade
 */
export function scanHeadLines(scanner: Scanner, handshake: Handshake): HeadLines {
  if (scanner.take("handshake")) return scanHandshake(scanner, handshake);
  if (scanner.rest.startsWith("'")) {
    const bytes = scanBytes(scanner);
    return (variables) => [evaluate(bytes, variables)];
  }
  if (!HTTP_LINE.test(scanner.rest)) scanner.fail("expected a line of HTTP");
  const line = scanner.takeRest();
  return (variables) => [Buffer.from(fill(line, variables), "latin1")];
}

function scanHandshake(scanner: Scanner, handshake: Handshake): HeadLines {
  const fields = new Map(handshake.fields);
  if (scanner.take("with")) {
    const name = scanName(scanner);
    scanner.need(":");
    fields.set(name, scanner.takeRest());
  } else if (scanner.take("without")) {
    do {
      const name = scanName(scanner);
      if (!fields.delete(name)) scanner.fail(`a handshake has no ${name}`);
    } while (scanner.take(","));
  }
  return (variables) => linesOf({ line: handshake.line, fields: [...fields] }, variables);
}

function linesOf({ line, fields }: Handshake, variables: Variables): Uint8Array[] {
  const lines = [line, ...fields.map(([name, value]) => `${name}: ${value}`)];
  return lines.map((each) => Buffer.from(fill(each, variables), "latin1"));
}

const CRLF = Buffer.from("\r\n");

/** A connection that sends requests, and the response to the last of them. */
export class HttpExchange {
  readonly tcp: TcpConnection;
  readonly #context: Context;
  #answer: HandshakeAnswer | undefined;
  #body: Promise<string> | undefined;
  /** Sec-WebSocket-Key of the last request. */
  #key = "";

  /** @param request the request of a client, if the harness is the server */
  constructor(tcp: TcpConnection, context: Context, request?: HandshakeAnswer) {
    this.tcp = tcp;
    this.#context = context;
    this.#answer = request;
  }

  /**
   * @param behind bytes that are written together with the head
   * @param meaning describes what is sent
   */
  async sendHead(
    lines: readonly Uint8Array[],
    behind: Uint8Array,
    meaning: string,
    piece?: number,
  ): Promise<void> {
    // If the last response has a length or chunks, its body must be read before the next response can be read.
    const before = this.#answer?.headers;
    if (before?.has("content-length") || before?.has("transfer-encoding")) await this.body();
    this.#answer = undefined;
    this.#body = undefined;
    const fields = lines.map((line) => /^sec-websocket-key:(.*)$/i.exec(`${line}`)?.[1]);
    this.#key = fields.find((field) => field !== undefined)?.trim() ?? "";
    const bytes = Buffer.concat([...lines.flatMap((line) => [line, CRLF]), CRLF, behind]);
    const pieces = piece === undefined ? "" : `, in pieces of ${piece} bytes`;
    this.#context.conversation.sent(bytes, meaning + pieces);
    if (piece === undefined) this.tcp.write(bytes);
    else await writeInPieces(this.tcp, bytes, piece);
  }

  /**
   * Returns the head of the response to the last request. @throws Failure if the connection ends before the head is
   * complete
   */
  async answer(): Promise<HandshakeAnswer> {
    this.#answer ??= await readHandshakeAnswer(this.tcp, this.#context.conversation, this.#key);
    return this.#answer;
  }

  /**
   * Returns the body of the response to the last request. @throws Failure if the connection ends before the body is
   * complete
   */
  body(): Promise<string> {
    this.#body ??= this.#readBody();
    return this.#body;
  }

  async #readBody(): Promise<string> {
    const { headers } = await this.answer();
    const length = headers.get("content-length");
    const isChunked = headers.get("transfer-encoding")?.toLowerCase() === "chunked";
    const bytes =
      length !== undefined
        ? await this.tcp.next(() => Number(length))
        : isChunked
          ? await this.tcp.next((input) => readChunks(input)?.end)
          : await this.#readToEnd();
    if (bytes === undefined) throw new Failure("the complete body", ENDED);
    const body = isChunked ? readChunks(bytes)?.body : bytes;
    const text = Buffer.from(body ?? bytes).toString();
    this.#context.conversation.received(bytes, quote(text));
    return text;
  }

  /** A body without a length ends with the connection. */
  async #readToEnd(): Promise<Uint8Array> {
    while (!this.tcp.ended) await this.tcp.more();
    return this.tcp.take(this.tcp.input.length);
  }

  /** Turns the connection into a WebSocket. @throws Failure unless the response is as RFC 6455 §4.2.2 requires */
  async upgrade(): Promise<WebSocketPeer> {
    const answer = await this.answer();
    expect(answer.status === 101, "status 101", describeStatus(answer.line));
    const accept = answer.headers.get("sec-websocket-accept") ?? "none";
    expect(accept === acceptFor(answer.key), `Sec-WebSocket-Accept of ${answer.key}`, accept);
    const upgrade = answer.headers.get("upgrade") ?? "none";
    expect(upgrade.toLowerCase() === "websocket", "Upgrade: websocket", upgrade);
    const connection = answer.headers.get("connection") ?? "none";
    expect(hasElement(connection, "upgrade"), "Connection: Upgrade", connection);
    const { target, conversation } = this.#context;
    return new WebSocketPeer(this.tcp, answer, target, conversation);
  }

  /** Accepts the handshake of a client (RFC 6455 §4.2.2). */
  async accept(variables: Variables): Promise<WebSocketClientPeer> {
    await this.sendHead(
      linesOf(ANSWER, variables),
      new Uint8Array(0),
      "the answer to the handshake",
    );
    return this.accepted();
  }

  /** Turns the connection into a WebSocket with the harness as its server. */
  accepted(): WebSocketClientPeer {
    return new WebSocketClientPeer(this.tcp, this.#context);
  }

  /** Tries several expectations on the same response until one succeeds. @throws Failure if all fail */
  firstOf(attempts: readonly Attempt[]): Promise<void> {
    return firstOf(attempts);
  }
}

/**
 * Returns the contents of the chunks up to the empty chunk (RFC 9112 §7.1), and the offset where they end. Trailers are
 * not supported.
 */
function readChunks(
  input: Uint8Array,
): { readonly body: Buffer; readonly end: number } | undefined {
  const text = Buffer.from(input).toString("latin1");
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const [line, digits = ""] = /^([0-9a-f]+)[^\r]*\r\n/i.exec(text.slice(at, at + 64)) ?? [];
    if (line === undefined) return undefined;
    const start = at + line.length;
    const end = start + Number.parseInt(digits, 16);
    chunks.push(input.subarray(start, end));
    at = end + 2;
    if (end === start) return { body: Buffer.concat(chunks), end: at };
  }
}

/** Replaces the variables in a line by their values. */
export function fill(line: string, variables: Variables): string {
  return line
    .split(VARIABLE)
    .map((part, index) => {
      if (index % 2 === 0) return part;
      const value = variables.get(part);
      if (value === undefined) throw new Error(`the variable {${part}} has no value yet`);
      return value;
    })
    .join("");
}

/** The response to a request. */
export interface Answer {
  /** The status line. */
  readonly line: string;
  /** The header fields, with their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Returns the body. @throws Failure if the connection ends before the body is complete */
  readonly body: () => Promise<string>;
}

/**
 * Parses an expectation about a response:
 *
 *     status 101                   also: 400..499, 501 or not 101
 *     header Upgrade: websocket    a field with this value; "(any case)" at the end ignores the case
 *     header Connection has Upgrade  a field whose list has this element, in any case
 *     no header Sec-WebSocket-Protocol
 *     body 'ok'                    also: with 'ok', without 'ok'
 *     refused 3                    an Engine.IO refusal with this code
 *     websocket                    101 with the fields of RFC 6455 §4.2.2; then frames follow
 *     FIN                          the end of the connection, with nothing before it
 */
export function scanAnswer(scanner: Scanner, connection: string): Awaited {
  return { action: scanAction(scanner, connection) };
}

function scanAction(scanner: Scanner, connection: string): Action {
  if (scanner.take("FIN")) return ({ http }) => http.get(connection).tcp.untilEnd();
  if (scanner.take("websocket")) {
    return async ({ http, websockets }) => {
      websockets.set(connection, await http.get(connection).upgrade());
    };
  }
  return scanAnswerOf(scanner, async ({ http }) => {
    const exchange = http.get(connection);
    const { line, headers } = await exchange.answer();
    return { line, headers, body: () => exchange.body() };
  });
}

/** Parses an expectation about a response that consists of lines, a body or both. */
export function scanAnswerOf(scanner: Scanner, answer: (play: Play) => Promise<Answer>): Action {
  if (scanner.take("status")) {
    const { text, fits } = scanStatus(scanner);
    return async (play) => {
      const { line } = await answer(play);
      expect(fits(line), `status ${text}`, describeStatus(line));
    };
  }
  if (scanner.take("refused")) return scanRefusal(scanner, answer);
  if (scanner.take("body")) return scanBody(scanner, answer);
  return scanField(scanner, answer);
}

/**
 * Parses an expectation about a client's request:
 *
 *     request matches /^GET /       the request line
 *     header Host matches /:80$/    a field, as in a response
 *     FIN                           the end of the connection, with nothing before it
 */
export function scanRequest(scanner: Scanner, connection: string): Awaited {
  if (scanner.take("FIN")) return { action: ({ http }) => http.get(connection).tcp.untilEnd() };
  const answer = async ({ http }: Play): Promise<Answer> => {
    const exchange = http.get(connection);
    return { ...(await exchange.answer()), body: () => exchange.body() };
  };
  if (!scanner.take("request matches")) return { action: scanField(scanner, answer) };
  const pattern = scanPattern(scanner);
  return {
    action: async (play) => {
      const { line } = await answer(play);
      expect(pattern(play).test(line), `a request line like ${pattern(play)}`, line);
    },
  };
}

/** Parses the regular expression between slashes after "matches". */
function scanPattern(scanner: Scanner): (play: Play) => RegExp {
  const text = scanner.expect(/\/.+\/$/, "a pattern between slashes").slice(1, -1);
  try {
    new RegExp(text);
  } catch (error) {
    if (error instanceof SyntaxError) scanner.fail(error.message);
    throw error;
  }
  return ({ variables }) => new RegExp(fill(text, variables));
}

function scanField(scanner: Scanner, answer: (play: Play) => Promise<Answer>): Action {
  if (scanner.take("no header")) {
    const name = scanName(scanner);
    return async (play) => {
      const value = (await answer(play)).headers.get(name.toLowerCase());
      expect(value === undefined, `no ${name}`, `${value}`);
    };
  }
  scanner.need("header");
  const name = scanName(scanner);
  if (scanner.take("has")) {
    const element = scanner.expect(/[\w.*/-]+/, "an element");
    return async (play) => {
      const value = (await answer(play)).headers.get(name.toLowerCase()) ?? "none";
      expect(hasElement(value, element), `${name} with ${element}`, value);
    };
  }
  if (scanner.take("matches")) {
    const pattern = scanPattern(scanner);
    return async (play) => {
      const value = (await answer(play)).headers.get(name.toLowerCase()) ?? "none";
      expect(pattern(play).test(value), `${name} like ${pattern(play)}`, value);
    };
  }
  scanner.need(":");
  const value = scanner.expect(/(?:(?! \().)+/, "a value");
  const anyCase = scanner.take("(any case)");
  const key = (text: string): string => {
    // RFC 9110 §5.6.6: spaces around the semicolon of a parameter have no meaning.
    const whole = text.replace(/[ \t]*;[ \t]*/g, ";");
    return anyCase ? whole.toLowerCase() : whole;
  };
  return async (play) => {
    const wanted = fill(value, play.variables).trim();
    const got = (await answer(play)).headers.get(name.toLowerCase()) ?? "none";
    expect(key(got) === key(wanted), `${name}: ${wanted}`, got);
  };
}

/**
 * Returns whether a list has an element with this name. Parameters, such as the charset of a media type, are ignored.
 */
function hasElement(list: string, element: string): boolean {
  return list
    .split(",")
    .map((each) => each.replace(/;.*/s, "").trim().toLowerCase())
    .includes(element.toLowerCase());
}

/** Parses what follows "body": 'ok', with 'ok', or without 'ok'. */
function scanBody(scanner: Scanner, answer: (play: Play) => Promise<Answer>): Action {
  const part = scanner.take("without") ? "without" : scanner.take("with") ? "with" : "";
  const bytes = scanBytes(scanner);
  return async (play) => {
    const wanted = evaluate(bytes, play.variables).toString();
    const got = await (await answer(play)).body();
    const fits = part === "" ? got === wanted : got.includes(wanted) === (part === "with");
    expect(fits, `a body ${part} ${quote(wanted)}`, quote(got));
  };
}

/** Expects status 400, and a body that is JSON with the code and a message. */
function scanRefusal(scanner: Scanner, answer: (play: Play) => Promise<Answer>): Action {
  const code = Number(scanner.expect(/\d+/, "a code"));
  return async (play) => {
    const { line, body } = await answer(play);
    expect(statusOf(line) === 400, "status 400", describeStatus(line));
    const text = await body();
    const { code: told, message, ...more } = parseObject(text) ?? {};
    const fits = told === code && typeof message === "string" && Object.keys(more).length === 0;
    expect(fits, `{"code":${code},"message":"…"}`, quote(text));
  };
}

function scanName(scanner: Scanner): string {
  return scanner.expect(/[\w-]+/, "the name of a field");
}

/** Parses statuses: 101, 400..499, 400 or 501, not 101. */
function scanStatus(scanner: Scanner): { text: string; fits: (line: string) => boolean } {
  const pattern = /(?:not )?\d{3}(?:\.\.\d{3})?(?: or \d{3}(?:\.\.\d{3})?)*/;
  const text = scanner.expect(pattern, "a status");
  const ranges = text.replace("not ", "").split(" or ");
  const isOne = (status: number): boolean =>
    ranges.some((range) => {
      const [first = 0, last = first] = range.split("..").map(Number);
      return first <= status && status <= last;
    });
  if (!text.startsWith("not ")) return { text, fits: (line) => isOne(statusOf(line)) };
  // Accepts any version: a 101 in HTTP/1.0 is invalid, but its line still has the status 101.
  return { text, fits: (line) => !isOne(Number(/^HTTP\/\S+ (\d{3})\b/.exec(line)?.[1])) };
}
